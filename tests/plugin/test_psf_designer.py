"""The PSF designer as a user works with it, in a real viewer."""

import numpy as np
import pytest
from plugin_cases import SIGMA, SPACING, UM, add_ball, click, make_short, open_dock
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_deltamic.optics import ConfocalPSF, load_psf
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.preview import IS_RENDERING
from napari_deltamic.plugin.psf_choice import PsfChoice, gaussian

pytestmark = pytest.mark.usefixtures("_engine")


@pytest.fixture
def window(make_napari_viewer, ball):
    """Return a viewer on the screen with an image."""
    viewer = make_napari_viewer(show=True)
    add_ball(viewer, ball)
    return viewer


@pytest.fixture
def designer(window, qtbot):
    dock = open_dock(window, "PSF designer")
    settle(qtbot, dock)
    return dock


def settle(qtbot, dock):
    """Wait until all that was asked for is drawn and done."""
    qtbot.waitUntil(
        lambda: dock.form.isEnabled() and not dock._renderer.is_busy and not dock._task.is_busy,
        timeout=60_000,
    )


def choose(qtbot, chooser, text):
    """Choose an entry of a list by the keyboard."""
    chooser.setFocus()
    index = chooser.findText(text)
    assert index >= 0, text
    qtbot.keyClick(chooser, Qt.Key.Key_Home)
    for _ in range(index):
        qtbot.keyClick(chooser, Qt.Key.Key_Down)
    assert chooser.currentText() == text


def enter(qtbot, row, text):
    """Type a number into a field."""
    row.field.setFocus()
    row.field.selectAll()
    qtbot.keyClicks(row.field, text)
    qtbot.keyClick(row.field, Qt.Key.Key_Return)


def used(dock):
    return live_view_of(dock._viewer).session.psf_choice


def brightness(view):
    """Return (rows, columns) the values that a view shows, before any scale of brightness."""
    return view.picture.values


def pixels(view):
    image = view.image
    return np.array(
        [[image.pixel(x, y) for x in range(image.width())] for y in range(image.height())]
    )


def test_it_starts_at_one_voxel_and_draws_it(designer):
    values = [designer.form.rows[f"sigma_{axis}"].value for axis in "zyx"]
    assert values == pytest.approx(SPACING)
    assert used(designer) is None
    assert "a guess: one voxel" in designer.used.text()
    assert designer.views.width_label.text() == "FWHM z 1.88, y 0.94, x 0.94 µm"
    assert "Sampled well" in designer.advice.text()
    assert brightness(designer.views.views["xz"]).shape == (64, 64)


def test_without_an_image_a_gaussian_has_nothing_to_begin_from(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "PSF designer")
    settle(qtbot, dock)
    assert not dock.form.rows["sigma_z"].isEnabled()
    assert "Choose an image" in dock.used.text()
    add_ball(viewer, ball)
    settle(qtbot, dock)
    assert dock.form.rows["sigma_z"].isEnabled()
    assert "FWHM z 1.88" in dock.views.width_label.text()


def test_a_microscope_can_be_designed_without_an_image(make_napari_viewer, qtbot):
    dock = open_dock(make_napari_viewer(show=True), "PSF designer")
    settle(qtbot, dock)
    choose(qtbot, dock.form.modality, "Widefield")
    settle(qtbot, dock)
    assert used(dock).class_name == "WidefieldPSF"
    assert "FWHM z 0.5" in dock.views.width_label.text()
    assert not dock.advice.isVisibleTo(dock)


@pytest.mark.parametrize(
    ("title", "class_name"),
    [
        ("Widefield", "WidefieldPSF"),
        ("Confocal", "ConfocalPSF"),
        ("Spinning disc", "SpinningDiscPSF"),
        ("Light sheet", "LightSheetPSF"),
        ("Two-photon", "TwoPhotonPSF"),
    ],
)
def test_each_microscope_is_drawn_and_used(designer, qtbot, title, class_name):
    choose(qtbot, designer.form.modality, title)
    settle(qtbot, designer)
    assert used(designer).class_name == class_name
    assert title in designer.used.text()
    assert not designer.problem.isVisibleTo(designer)
    for view in designer.views.views.values():
        assert 0.9 < brightness(view).max() <= 1.01
    # Round, and with z downwards in one side view and to the right in the other.
    planes = {name: brightness(designer.views.views[name]) for name in ("xy", "yz", "xz")}
    assert planes["xy"] == pytest.approx(planes["xy"].T, abs=1e-3)
    assert planes["xz"] == pytest.approx(planes["yz"].T, abs=1e-3)


def test_a_slider_changes_the_picture_and_the_session(designer, qtbot):
    choose(qtbot, designer.form.modality, "Confocal")
    settle(qtbot, designer)
    before, width = brightness(designer.views.views["xy"]), designer.views.width_label.text()
    row = designer.form.rows["na"]
    row.slider.setFocus()
    for _ in range(3):
        qtbot.keyClick(row.slider, Qt.Key.Key_PageDown)
    settle(qtbot, designer)
    assert row.field.value() == pytest.approx(row.value)
    assert used(designer).arguments["na"] == pytest.approx(row.value)
    assert row.value < 1.1
    assert designer.views.width_label.text() != width
    assert not np.array_equal(brightness(designer.views.views["xy"]), before)


def test_the_psf_is_the_sessions_before_it_is_drawn(designer, qtbot):
    choose(qtbot, designer.form.modality, "Confocal")
    enter(qtbot, designer.form.rows["na"], "0.8")
    # A fit that is started at once must not take the one before.
    assert used(designer).arguments["na"] == 0.8


def test_a_typed_wavelength_is_in_nanometres(designer, qtbot):
    choose(qtbot, designer.form.modality, "Widefield")
    enter(qtbot, designer.form.rows["emission"], "610")
    assert used(designer).arguments["wavelength"] == pytest.approx(0.61)


def test_numbers_that_do_not_go_together_are_explained_and_kept(designer, qtbot):
    choose(qtbot, designer.form.modality, "Confocal")
    enter(qtbot, designer.form.rows["na"], "1.3")
    settle(qtbot, designer)
    good = used(designer)
    enter(qtbot, designer.form.rows["na"], "1.6")
    settle(qtbot, designer)
    assert "needs an immersion of a larger index" in designer.problem.text()
    assert "immersion_index" not in designer.problem.text()
    assert designer.form.rows["na"].field.value() == 1.6
    assert used(designer) is good
    assert "still uses" in designer.used.text()
    assert designer.views.views["xy"]._is_stale
    enter(qtbot, designer.form.rows["na"], "1.2")
    settle(qtbot, designer)
    assert not designer.problem.isVisibleTo(designer)
    assert not designer.views.views["xy"]._is_stale
    assert used(designer).arguments["na"] == 1.2


def test_a_number_out_of_its_limits_is_named_with_its_unit(designer, qtbot):
    choose(qtbot, designer.form.modality, "Widefield")
    settle(qtbot, designer)
    enter(qtbot, designer.form.rows["emission"], "52")
    assert designer.problem.text() == "Emission: expected 100 to 5000 nm, got 52 nm"
    assert designer.form.rows["emission"].field.value() == 52


def test_an_objective_and_a_dye_fill_in_their_numbers(designer, qtbot):
    choose(qtbot, designer.form.modality, "Confocal")
    choose(qtbot, designer.form.objective, "40x/1.20 water, Zeiss C-Apochromat")
    choose(qtbot, designer.form.dye, "mCherry")
    numbers = used(designer).arguments
    assert numbers["na"] == 1.2
    assert numbers["immersion_index"] == numbers["sample_index"] == 1.333
    assert numbers["working_distance"] == pytest.approx(280)
    assert numbers["excitation_wavelength"] == pytest.approx(0.561)
    assert numbers["emission_wavelength"] == pytest.approx(0.61)
    # Another number is another objective; the same number is that one again.
    enter(qtbot, designer.form.rows["na"], "1.1")
    assert designer.form.objective.currentIndex() == 0
    enter(qtbot, designer.form.rows["na"], "1.2")
    assert designer.form.objective.currentText() == "40x/1.20 water, Zeiss C-Apochromat"


def test_the_sample_follows_the_immersion_until_it_is_set(designer, qtbot):
    choose(qtbot, designer.form.modality, "Widefield")
    rows = designer.form.rows
    enter(qtbot, rows["immersion_index"], "1.45")
    assert rows["sample_index"].value == rows["immersion_design_index"].value == 1.45
    enter(qtbot, rows["sample_index"], "1.38")
    enter(qtbot, rows["immersion_index"], "1.5")
    assert rows["sample_index"].value == 1.38
    assert rows["immersion_design_index"].value == 1.5


def test_aberrations_make_it_lopsided(designer, qtbot):
    choose(qtbot, designer.form.modality, "Widefield")
    fold = designer.form.aberrations
    click(qtbot, fold.toggleButton())
    enter(qtbot, fold.numbers.rows["8"], "0.15")
    settle(qtbot, designer)
    assert used(designer).arguments["aberrations"] == {8: 0.15}
    assert fold.text() == "Aberrations: 1 mode"
    plane = brightness(designer.views.views["xy"])
    assert plane.shape == (64, 64)
    assert abs(plane[:, 33:].sum() / plane[:, 1:32].sum() - 1) > 0.3


def test_the_log_switch_shows_the_faint_parts(designer, qtbot):
    choose(qtbot, designer.form.modality, "Widefield")
    settle(qtbot, designer)
    view = designer.views.views["xz"]
    linear = (pixels(view) & 0xFF0000).mean()
    click(qtbot, designer.views.logarithmic)
    assert (pixels(view) & 0xFF0000).mean() > 2 * linear


def test_coarse_voxels_are_pointed_out_with_what_is_needed(designer, qtbot):
    choose(qtbot, designer.form.modality, "Confocal")
    settle(qtbot, designer)
    assert "Undersampled along z, y and x: 0.8 × 0.4 × 0.4 µm" in designer.advice.text()
    assert "Nyquist asks for 0.134 × 0.045 × 0.045 µm" in designer.advice.text()
    fine = designer._viewer.add_image(
        np.zeros((8, 9, 9)), scale=(0.1, 0.04, 0.06), units=UM, name="fine"
    )
    designer.image.chooser.choose(fine)
    assert "undersampled along x: 0.06 µm" in designer.advice.text()
    fine.scale = (0.1, 0.04, 0.04)
    designer.image.chooser.layer_changed.emit()
    assert "Sampled well" in designer.advice.text()


def test_back_to_one_voxel(designer, qtbot):
    enter(qtbot, designer.form.rows["sigma_y"], "3")
    assert used(designer).arguments["sigma"] == pytest.approx((0.8, 3.0, 0.4))
    click(qtbot, designer.form.one_voxel)
    assert used(designer) is None
    assert designer.form.rows["sigma_y"].value == pytest.approx(0.4)


def test_save_and_load_bring_the_same_psf_back(designer, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "mine.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    choose(qtbot, designer.form.modality, "Confocal")
    enter(qtbot, designer.form.rows["pinhole"], "2.5")
    settle(qtbot, designer)
    click(qtbot, designer.save)
    qtbot.waitUntil(path.exists)
    settle(qtbot, designer)
    saved = load_psf(path)
    assert isinstance(saved, ConfocalPSF)
    assert saved.arguments()["pinhole"] == 2.5
    choose(qtbot, designer.form.modality, "Gaussian")
    enter(qtbot, designer.form.rows["pinhole"], "1")
    click(qtbot, designer.load)
    settle(qtbot, designer)
    assert designer.form.modality.currentText() == "Confocal"
    assert designer.form.rows["pinhole"].value == 2.5
    assert used(designer).make().arguments() == saved.arguments()


def test_a_file_that_is_none_is_refused_in_the_dock(designer, qtbot, tmp_path, notes):
    path = tmp_path / "none.json"
    path.write_text("{}")
    before = used(designer)
    designer.load_from(path)
    settle(qtbot, designer)
    assert "not a PSF file" in designer.problem.text()
    assert used(designer) is before


def test_show_as_layer_places_it_on_the_image_in_um(designer, qtbot, window):
    choose(qtbot, designer.form.modality, "Light sheet")
    settle(qtbot, designer)
    click(qtbot, designer.to_layer)
    settle(qtbot, designer)
    layer = window.layers[-1]
    assert layer.name == "PSF Light sheet, NA 1.4, 520 nm"
    assert layer.data.shape == (64, 64, 64)
    assert layer.units == window.layers["ball"].units
    assert IS_RENDERING in layer.metadata
    peak = np.array(np.unravel_index(np.argmax(layer.data), layer.data.shape))
    centre = np.mean(window.layers["ball"].extent.world, axis=0)
    assert peak * layer.scale + layer.translate == pytest.approx(centre, abs=0.1)


def test_a_fit_uses_it(window, designer, qtbot, seed):
    from napari_deltamic.plugin.mesh_layers import surface_data, surface_options

    window.add_surface(surface_data(seed), name="mesh", units=UM, **surface_options(seed))
    choose(qtbot, designer.form.modality, "Widefield")
    choose(qtbot, designer.form.objective, "20x/0.75 air, Nikon Plan Apo Lambda")
    click(qtbot, designer.to_fit)
    fit = open_dock(window, "Fit")
    assert "Widefield, NA 0.75" in fit.psf_label.text()
    fit.form.fields["label"].value = "interior"
    make_short(fit)
    click(qtbot, fit.fit_button)
    session = live_view_of(window).session
    # What is designed meanwhile is for the next fit.
    choose(qtbot, designer.form.modality, "Two-photon")
    qtbot.waitUntil(lambda: session.result is not None, timeout=120_000)
    assert session.result.psf.arguments()["na"] == 0.75
    assert used(designer).class_name == "TwoPhotonPSF"


def test_it_shows_what_the_session_is_given(designer, qtbot):
    numbers = {"wavelength": 0.6, "na": 0.9, "immersion_index": 1.33, "aberrations": {6: 0.05}}
    live_view_of(designer._viewer).session.choose_psf(PsfChoice("PupilPSF", numbers))
    settle(qtbot, designer)
    assert designer.form.modality.currentText() == "Widefield"
    assert designer.form.model.currentText() == "scalar, aplanatic (pupil)"
    assert designer.form.rows["emission"].value == pytest.approx(600)
    assert designer.form.rows["sample_index"].value == 1.33
    assert designer.form.aberrations.numbers.rows["6"].value == 0.05


def test_a_dock_opened_late_shows_the_chosen_psf(window, qtbot):
    live_view_of(window).session.choose_psf(gaussian((2.0, 1.0, 0.5)))
    dock = open_dock(window, "PSF designer")
    settle(qtbot, dock)
    assert [dock.form.rows[f"sigma_{axis}"].value for axis in "zyx"] == [2.0, 1.0, 0.5]


def test_what_a_fit_learned_can_be_taken(viewer, qtbot):
    designer, fit_dock = open_dock(viewer, "PSF designer"), open_dock(viewer, "Fit")
    settle(qtbot, designer)
    assert not designer.take_learned.isVisibleTo(designer)
    live_view_of(viewer).session.choose_psf(gaussian(tuple(1.4 * np.array(SIGMA))))
    fields = fit_dock.form.fields
    fields["label"].value = "interior"
    fields["stages"].value = 2
    fields["learn"].value = "sigma"
    click(qtbot, fit_dock.fit_button)
    qtbot.waitUntil(fit_dock.fit_button.isEnabled, timeout=120_000)
    assert designer.learned.text().startswith("The last fit learned sigma z 0.")
    click(qtbot, designer.take_learned)
    settle(qtbot, designer)
    np.testing.assert_allclose(used(designer).arguments["sigma"], SIGMA, rtol=0.05)
    shown = [designer.form.rows[f"sigma_{axis}"].value for axis in "zyx"]
    np.testing.assert_allclose(shown, SIGMA, rtol=0.05)
