"""The continuation from coarse to fine."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from napari_deltamic.fitting import FitSettings
from napari_deltamic.fitting.stages import Stage, stages
from napari_deltamic.imaging import ImageStack
from napari_deltamic.imaging.image_model import below_nyquist, padded_shape
from napari_deltamic.mesh import TriangleMesh, icosphere
from napari_deltamic.meshft.band import narrow_band
from napari_deltamic.optics import GaussianPSF

ROUGH = icosphere((4.0, 4.0, 4.0), 2.0, 2)


def plan_of(
    settings: FitSettings,
    sigma: object = 0.15,
    spacing: tuple[float, float, float] = (0.1, 0.1, 0.1),
    mesh: TriangleMesh = ROUGH,
) -> tuple[list[Stage], tuple[int, int, int], ImageStack, GaussianPSF]:
    shape = tuple(round(8.0 / step) for step in spacing)
    stack = ImageStack(np.zeros(shape, np.float32), spacing)
    psf = GaussianPSF(sigma)
    box = padded_shape(stack.shape, stack.spacing, psf.extent())
    return stages(stack, mesh, psf, box, settings), box, stack, psf


@pytest.mark.parametrize("count", [2, 4, 7])
def test_bands_grow_and_edges_and_blurs_shrink(count: int) -> None:
    plan, *_ = plan_of(FitSettings(stages=count))
    assert len(plan) == count
    for coarse, fine in pairwise(plan):
        assert coarse.cutoff < fine.cutoff
        assert all(a <= b for a, b in zip(coarse.band, fine.band, strict=True))
        assert coarse.edge_length > fine.edge_length
        assert coarse.blur > fine.blur > 0
        assert coarse.offset_width > fine.offset_width > 0
    assert plan[0].band < plan[-1].band


def test_the_last_band_is_what_the_psf_lets_through() -> None:
    plan, box, stack, psf = plan_of(FitSettings())
    allowed = narrow_band(box, stack.spacing, psf.otf, 0.02)
    assert plan[-1].band == allowed
    assert below_nyquist(plan[-1].band, box)


@pytest.mark.parametrize("edge", [0.08, 0.3, 1.1])
def test_the_last_stage_honours_the_edge_length(edge: float) -> None:
    plan, *_ = plan_of(FitSettings(edge_length=edge))
    assert plan[-1].edge_length == edge
    assert all(stage.edge_length >= edge for stage in plan)


@pytest.mark.parametrize(("edge", "message"), [(500.0, "is too long"), (1e-4, "faces")])
def test_a_senseless_edge_length_is_refused_before_the_first_stage(
    edge: float, message: str
) -> None:
    with pytest.raises(ValueError, match=f"edge_length: {edge:g} um .*{message}"):
        plan_of(FitSettings(edge_length=edge))
    assert plan_of(FitSettings(edge_length=edge, remesh=False))


def test_edges_that_are_chosen_are_no_finer_than_the_voxels() -> None:
    plan, *_ = plan_of(FitSettings(), sigma=0.03)
    assert min(stage.edge_length for stage in plan) >= 0.1


def test_modes_that_alias_along_z_are_all_kept() -> None:
    plan, box, stack, psf = plan_of(FitSettings(), sigma=0.1, spacing=(0.4, 0.1, 0.1))
    widest = narrow_band(box, stack.spacing, psf.otf, 0.02)
    assert 2 * widest[0] > box[0], "the case has to alias"
    assert plan[-1].band == widest
    for stage in plan:
        # All of the PSF's modes or none beyond Nyquist: half of them would be a wrong image.
        assert stage.band[0] == widest[0] or 2 * stage.band[0] < box[0]
    assert not below_nyquist(plan[-1].band, box)


def test_only_a_last_poisson_stage_takes_photons_as_they_are() -> None:
    poisson, *_ = plan_of(FitSettings(noise="poisson"))
    assert [stage.blur == 0 for stage in poisson] == [False, False, False, True]
    gaussian, *_ = plan_of(FitSettings())
    assert all(stage.blur > 0 for stage in gaussian)


def test_a_band_that_holds_nothing_but_the_object_is_one_stage() -> None:
    plan, *_ = plan_of(FitSettings(stages=5), sigma=2.0)
    assert len(plan) == 1


def test_a_larger_object_begins_coarser() -> None:
    small, *_ = plan_of(FitSettings())
    large, *_ = plan_of(FitSettings(), mesh=icosphere((4.0, 4.0, 4.0), 3.8, 2))
    assert large[0].cutoff < small[0].cutoff
    assert large[-1].cutoff == small[-1].cutoff


def test_stages_do_not_depend_on_the_unit_of_length() -> None:
    plan, *_ = plan_of(FitSettings())
    stack = ImageStack(np.zeros((80, 80, 80), np.float32), (100.0, 100.0, 100.0))
    psf = GaussianPSF(150.0)
    box = padded_shape(stack.shape, stack.spacing, psf.extent())
    larger = stages(stack, icosphere((4e3, 4e3, 4e3), 2e3, 2), psf, box, FitSettings())
    for one, other in zip(plan, larger, strict=True):
        assert one.band == other.band
        assert one.edge_length == pytest.approx(other.edge_length / 1e3, rel=1e-9)
        assert one.offset_width == pytest.approx(other.offset_width / 1e3, rel=1e-9)


def test_poisson_weights_soften_the_last_prior_of_free_surfaces_alone() -> None:
    by_noise = [plan_of(FitSettings(noise=noise))[0] for noise in ("gaussian", "poisson")]
    plain, weighted = ([stage.offset_width for stage in plan] for plan in by_noise)
    assert plain[:-1] == weighted[:-1]
    assert plain[-1] < weighted[-1] < weighted[-2]
    box = TriangleMesh(
        [[3, 3, 3], [5, 3, 3], [3, 5, 3], [3, 3, 5], [3, 3, 1]],
        [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 4, 1], [1, 4, 2], [2, 4, 0]],
        [[1, 2]] + 3 * [[1, 0]] + 3 * [[2, 0]],
    )
    plans = [plan_of(FitSettings(noise=noise), mesh=box)[0] for noise in ("gaussian", "poisson")]
    assert box.has_contacts
    assert plans[0][-1].offset_width == plans[1][-1].offset_width
