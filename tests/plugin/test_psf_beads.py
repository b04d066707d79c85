"""A PSF measured from an image of beads, in the designer."""

import time

import numpy as np
import pytest
import torch
from plugin_cases import UM, click, open_dock
from test_psf_designer import choose, settle, used

from napari_deltamic.optics import GaussianPSF

pytestmark = pytest.mark.usefixtures("_engine")

STEPS = (0.2, 0.1, 0.1)
SIGMA = (0.4, 0.2, 0.2)


@pytest.fixture(scope="module")
def beads():
    """Return two beads alone and two that are too near to each other, with noise."""
    shape = (31, 60, 60)
    stack = np.zeros(shape)
    points = torch.tensor([[15.0, 15.0, 15.0], [15.3, 44.6, 16.2], [15, 42, 42], [15, 42, 47]])
    z, y, x = (torch.arange(n, dtype=torch.float64) for n in shape)
    for point in points:
        parts = [
            torch.exp(-0.5 * ((axis - at) * step / sigma) ** 2)
            for axis, at, step, sigma in zip((z, y, x), point, STEPS, SIGMA, strict=True)
        ]
        stack += 1000 * torch.einsum("i,j,k->ijk", *parts).numpy()
    return np.random.default_rng(1).poisson(stack + 20).astype(np.uint16)


def test_beads_are_measured_used_and_matched(make_napari_viewer, qtbot, beads, notes):
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer, "PSF designer")
    settle(qtbot, dock)
    choose(qtbot, dock.form.modality, "Measured")
    assert "Nothing was measured yet" in dock.problem.text()
    assert not dock.beads.match.isEnabled()
    viewer.add_image(beads, name="beads", scale=STEPS, units=UM)
    click(qtbot, dock.beads.measure)
    settle(qtbot, dock)
    assert "2 beads used, 1 rejected" in dock.report.text()
    assert "Signal to noise" in dock.report.text()
    assert "FWHM 0.9" in dock.report.text()
    assert "1 × 1.9 times as wide as most" in dock.report.text()
    assert used(dock).class_name == "MeasuredPSF"
    assert "Measured" in dock.used.text()
    click(qtbot, dock.beads.match)
    settle(qtbot, dock)
    assert dock.form.modality.currentText() == "Gaussian"
    assert used(dock).arguments["sigma"] == pytest.approx(SIGMA, rel=0.03)
    assert "sigma z 0.3995 ± 0.00031 µm" in dock.report.text()
    # The measured one is still there.
    choose(qtbot, dock.form.modality, "Measured")
    settle(qtbot, dock)
    assert used(dock).class_name == "MeasuredPSF"


def test_a_fit_of_a_model_says_how_far_it_is_and_is_cancelled(
    make_napari_viewer, qtbot, beads, monkeypatch
):
    from napari_deltamic.optics.otf_image import PointImages

    def slowly(self, *arguments, original=PointImages.image):
        time.sleep(0.02)
        return original(self, *arguments)

    monkeypatch.setattr(PointImages, "image", slowly)
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer, "PSF designer")
    settle(qtbot, dock)
    choose(qtbot, dock.form.modality, "Measured")
    viewer.add_image(beads, name="beads", scale=STEPS, units=UM)
    click(qtbot, dock.beads.measure)
    settle(qtbot, dock)
    before = used(dock)
    choose(qtbot, dock.beads.model, "Confocal")
    click(qtbot, dock.beads.match)
    qtbot.waitUntil(lambda: "% of the beads' light left" in dock.report.text(), timeout=60_000)
    # Whatever page is looked at, the fit can be stopped.
    assert not dock.beads.match.isVisible()
    choose(qtbot, dock.form.modality, "Gaussian")
    assert dock.beads.cancel.isVisible()
    choose(qtbot, dock.form.modality, "Measured")
    click(qtbot, dock.beads.cancel)
    pressed = time.perf_counter()
    qtbot.waitUntil(lambda: not dock._task.is_busy, timeout=60_000)
    # 0.3 s is the aim; the rest is room for whatever else holds the cores.
    assert time.perf_counter() - pressed < 5.0
    assert dock.report.text() == "Stopped; no model was fitted."
    assert used(dock) is before
    assert dock.beads.match.isVisible()
    assert dock.beads.match.isEnabled()


def test_an_image_without_beads_says_so(make_napari_viewer, qtbot, notes):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((9, 20, 20)) + 5, name="dark", scale=STEPS, units=UM)
    dock = open_dock(viewer, "PSF designer")
    settle(qtbot, dock)
    choose(qtbot, dock.form.modality, "Measured")
    before = used(dock)
    click(qtbot, dock.beads.measure)
    settle(qtbot, dock)
    assert "no bead stands out" in dock.problem.text()
    assert used(dock) is before


def test_a_measured_psf_is_saved_and_loaded(make_napari_viewer, qtbot, tmp_path):
    from napari_deltamic.optics import MeasuredPSF
    from napari_deltamic.plugin.live_view import live_view_of
    from napari_deltamic.plugin.psf_choice import choice_of

    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer, "PSF designer")
    settle(qtbot, dock)
    voxels = GaussianPSF(sigma=SIGMA).sampled((15, 15, 15), STEPS).detach().numpy()
    live_view_of(viewer).session.choose_psf(choice_of(MeasuredPSF(voxels, STEPS)))
    settle(qtbot, dock)
    assert dock.form.modality.currentText() == "Measured"
    path = tmp_path / "measured.json"
    dock.save_to(path)
    settle(qtbot, dock)
    choose(qtbot, dock.form.modality, "Two-photon")
    dock.load_from(path)
    settle(qtbot, dock)
    assert used(dock).arguments["voxels"] == pytest.approx(voxels / voxels.sum(), abs=1e-6)
    assert "FWHM z 0.94" in dock.views.width_label.text()
