"""The edge length that a fit takes by itself is shown, and is the one that it takes."""

import numpy as np
import pytest
from plugin_cases import CENTER, RADIUS, SHAPE, SIGMA, SPACING, open_dock

from napari_deltamic.fitting import FitSettings
from napari_deltamic.fitting.prepared_fit import prepare
from napari_deltamic.fitting.stages import automatic_edge_length
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.psf_choice import gaussian

pytestmark = pytest.mark.usefixtures("_engine")


@pytest.mark.parametrize("sigma", [(0.3, 0.2, 0.2), SIGMA, (1.5, 0.9, 0.9)])
def test_it_is_that_of_the_last_stage(ball, sigma):
    psf = GaussianPSF(sigma)
    prepared, _ = prepare(ball, icosphere(CENTER, RADIUS, 2), psf, FitSettings(label="interior"))
    length = automatic_edge_length(SHAPE, np.array(SPACING), psf)
    assert length == pytest.approx(prepared.plan[-1].edge_length, rel=1e-6)


def test_the_field_follows_the_psf_and_the_voxels(viewer, qtbot):
    dock = open_dock(viewer, "Fit")
    field = dock.form.fields["edge_length"].native
    session = live_view_of(viewer).session
    session.choose_psf(gaussian(SIGMA))
    sharp = automatic_edge_length(SHAPE, np.array(SPACING), GaussianPSF(SIGMA))
    qtbot.waitUntil(lambda: field.text() == f"automatic ({sharp:.2g} µm)", timeout=20_000)
    session.choose_psf(gaussian((2.0, 1.5, 1.5)))
    blurred = automatic_edge_length(SHAPE, np.array(SPACING), GaussianPSF((2.0, 1.5, 1.5)))
    assert blurred > 2 * sharp
    qtbot.waitUntil(lambda: field.text() == f"automatic ({blurred:.2g} µm)", timeout=20_000)
    assert dock.form.settings().edge_length is None
    # Without an image nothing is promised.
    del viewer.layers["ball"]
    assert field.text() == "automatic"
