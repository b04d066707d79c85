"""What a held fit goes on with after a change."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from napari_deltamic.fitting import FitSettings
from napari_deltamic.mesh import icosphere
from napari_deltamic.plugin.fit_input import FitInput
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.steering import going_on, same_psf

SEED, NOW, CORRECTED, OTHER = (icosphere((0, 0, n), 1.0, 1) for n in range(4))
SETTINGS, PSF = FitSettings(), gaussian((0.8, 0.4, 0.4))
GIVEN = FitInput(None, SEED, PSF, SETTINGS, 1)
LATEST = SimpleNamespace(mesh=NOW, stage=2, stages=4)


def test_without_a_change_it_goes_on_by_itself():
    same = gaussian((0.8, 0.4, 0.4))
    assert same_psf(PSF, same)
    assert going_on(GIVEN, LATEST, FitSettings(), same) is None


def test_a_corrected_mesh_goes_on_at_its_stage():
    change = going_on(GIVEN, LATEST, SETTINGS, PSF, CORRECTED)
    assert change.given.mesh is CORRECTED
    assert change.given.first_stage == 2
    assert change.sentence == "Going on from stage 3 with the corrected mesh"


def test_new_settings_and_optics_go_on_from_the_present_mesh():
    poisson, wide = FitSettings(noise="poisson"), gaussian((0.9, 0.4, 0.4))
    change = going_on(GIVEN, LATEST, poisson, wide)
    assert change.given.mesh is NOW
    assert (change.given.settings, change.given.psf) == (poisson, wide)
    assert change.sentence.endswith("with the new settings and the new optics")


@pytest.mark.parametrize(
    ("stage", "stages", "wanted", "expected"),
    [(2, 4, 7, 4), (3, 4, 2, 1), (0, 4, 9, 0), (0, 1, 4, 3), (1, 4, 4, 1)],
)
def test_it_begins_at_the_stage_of_as_fine_a_detail(stage, stages, wanted, expected):
    latest = SimpleNamespace(mesh=NOW, stage=stage, stages=stages)
    change = going_on(GIVEN, latest, FitSettings(stages=wanted), PSF, CORRECTED)
    assert change.given.first_stage == expected


def test_a_mesh_from_elsewhere_begins_at_the_first_stage():
    change = going_on(GIVEN, LATEST, SETTINGS, PSF, CORRECTED, OTHER)
    assert change.given.mesh is OTHER
    assert change.given.first_stage == 0
    assert change.sentence == "Going on from stage 1 with the chosen mesh"


def test_before_the_first_state_it_begins_where_it_would_have():
    change = going_on(replace(GIVEN, first_stage=1), None, FitSettings(stages=2), PSF)
    assert change.given.mesh is SEED
    assert change.given.first_stage == 1
