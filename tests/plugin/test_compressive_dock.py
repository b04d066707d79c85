"""The dock *Compressive imaging* as a user trains with it, in a real viewer."""

import time

import numpy as np
import pytest
from compressive_dock_cases import (
    LONG,
    SIZE,
    SPACING,
    add_discs,
    discs,
    opened,
    session_of,
    settle,
    threads,
    trained,
    use,
    wait_for_end,
)
from napari.layers import Labels
from plugin_cases import UM, click, open_dock
from qtpy.QtGui import QColor

from napari_deltamic.plugin.compressive_pictures import Tiles
from napari_deltamic.plugin.compressive_worker import split_of
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.theme import LIGHT


@pytest.fixture
def window(make_napari_viewer_proxy):
    """Return a viewer on the screen, with an image."""
    viewer = make_napari_viewer_proxy(show=True)
    add_discs(viewer)
    return viewer


@pytest.fixture
def unseen(make_napari_viewer_proxy):
    """Return a viewer off the screen, with an image."""
    viewer = make_napari_viewer_proxy()
    add_discs(viewer)
    return viewer


def test_the_compression_follows_the_fields(unseen, qtbot):
    dock = opened(qtbot, unseen)
    assert "<b>×16</b>, 4 frames of 4 × 4 px" in dock.compression.text()
    dock.form.fields["frames"].value = 1
    settle(qtbot, dock)
    assert "<b>×64</b>, 1 frame of 4 × 4 px" in dock.compression.text()
    dock.form.fields["binning"].value = 1
    settle(qtbot, dock)
    assert "Nothing is saved" in dock.standing.text()
    assert dock.train_button.isEnabled()


def test_a_training_to_the_end(window, qtbot):
    dock = opened(qtbot, window)
    assert not dock.stop_button.isEnabled()
    assert dock.stop_button.toolTip() == "No training is running"
    assert "train one" in dock.panel.compare.toolTip()
    click(qtbot, dock.train_button)
    assert not dock.train_button.isEnabled()
    assert dock.stop_button.isEnabled()
    assert not dock.form.isEnabled()
    wait_for_end(qtbot, dock)
    assert dock.status.text().startswith("Done: all 3 epochs are done, the best was epoch")
    assert len(dock.progress.patterns.tiles) == 4
    assert [tile.caption for tile in dock.progress.images.tiles] == [
        "Truth",
        "Reconstructed",
        "Interpolated",
    ]
    for curve in dock.progress.plot.curves:
        numbers, losses = curve.getData()
        assert list(numbers) == [1, 2, 3]
        assert (losses > 0).all()
    texts = {place: label.text() for place, label in dock.panel.scores.values.items()}
    assert 0.0 < float(texts["This model", "ssim"]) < 1.0
    assert texts["Interpolation", "psnr"].endswith(" dB")
    assert not dock.panel.scores.values["This model", "dice"].isVisibleTo(dock)
    (known,) = session_of(window).models
    assert known.model.acquisition.shape == (1, SIZE, SIZE)
    assert known.model.spacing == list(SPACING)
    for button in (dock.panel.compare, dock.panel.save, dock.train_button):
        assert button.isEnabled()


@pytest.mark.parametrize("for_task", [False, True])
def test_labels_are_found(unseen, qtbot, for_task):
    _, labels = discs()
    unseen.add_labels(labels, name="cells", scale=SPACING, units=UM)
    dock = opened(qtbot, unseen)
    (row,) = dock.images.rows
    assert [row.labels.itemText(k) for k in range(row.labels.count())] == ["find nothing", "cells"]
    assert not dock._task_rows.isVisibleTo(dock)
    row.labels.setCurrentIndex(1)
    settle(qtbot, dock)
    assert dock._task_rows.isVisibleTo(dock)
    assert row.labels.toolTip().endswith("nuclei: cells")
    dock.for_task.setChecked(for_task)
    dock.finds.setCurrentIndex(int(for_task))
    click(qtbot, dock.train_button)
    tasks = session_of(unseen).worker.job.tasks
    assert tasks == ("reconstruct", "segment", "joint")[: 2 + for_task]
    wait_for_end(qtbot, dock)
    assert 0.0 <= float(dock.panel.scores.values["This model", "dice"].text()) <= 1.0
    assert dock.panel.scores.values["Interpolation", "dice"].text() == "–"
    use(qtbot, dock, dock.panel.compare)
    assert isinstance(unseen.layers["discs found"], Labels)


def test_stop_keeps_the_best_epoch(window, qtbot):
    dock = opened(qtbot, window, epochs=LONG, patience=LONG)
    click(qtbot, dock.train_button)
    worker = session_of(window).worker
    qtbot.waitUntil(lambda: len(worker.epochs) >= 2, timeout=60_000)
    start = time.perf_counter()
    click(qtbot, dock.stop_button)
    assert "Stopping" in dock.status.text()
    assert not dock.stop_button.isEnabled()
    wait_for_end(qtbot, dock)
    # A third of a second on a quiet machine.
    assert time.perf_counter() - start < 3.0
    assert "stopped in epoch" in dock.status.text()
    (known,) = session_of(window).models
    best = min(worker.epochs, key=lambda epoch: epoch.validation_loss).number
    assert f"the best was epoch {best}" in known.stop_reason
    assert dock.train_button.isEnabled()


def test_a_stop_before_the_first_epoch_leaves_no_model(unseen, qtbot):
    dock = opened(qtbot, unseen, steps_per_epoch=LONG)
    click(qtbot, dock.train_button)
    worker = session_of(unseen).worker
    qtbot.waitUntil(lambda: worker.epoch > 0, timeout=60_000)
    click(qtbot, dock.stop_button)
    wait_for_end(qtbot, dock)
    assert "no model" in dock.status.text()
    assert session_of(unseen).models == []
    assert not dock.panel.compare.isEnabled()


def test_the_gui_goes_on_reacting_during_a_training(window, qtbot):
    dock = opened(qtbot, window, epochs=LONG, patience=LONG)
    click(qtbot, dock.train_button)
    qtbot.waitUntil(lambda: len(session_of(window).worker.epochs) >= 3, timeout=60_000)
    waits = []
    for _ in range(100):
        start = time.perf_counter()
        qtbot.wait(10)
        waits.append(time.perf_counter() - start)
    click(qtbot, dock.stop_button)
    wait_for_end(qtbot, dock)
    # The worst of them is the machine's, when other programs are busy.
    assert sorted(waits)[-4] < 0.1


def test_what_is_lacking_is_named(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    dock = opened(qtbot, viewer)

    def says(text):
        settle(qtbot, dock)
        assert text in dock.standing.text()
        assert not dock.train_button.isEnabled()
        assert dock.train_button.toolTip() == dock.standing.text()

    says("Open a 3D image")
    viewer.add_image(np.zeros((20, 20)), name="flat")
    says("'flat' has 2 axes")
    add_discs(viewer, "thin", planes=6)
    assert "flat" not in [row.layer.name for row in dock.images.rows]
    says("'thin': 6 planes leave nothing to train on")
    add_discs(viewer, "thick")
    thin, thick = dock.images.rows
    thin.box.setChecked(False)
    says("Tick at least one image")
    thick.box.setChecked(True)
    settle(qtbot, dock)
    assert dock.train_button.isEnabled()
    assert not dock.standing.isVisibleTo(dock)
    dock.form.fields["binning"].value = 64
    says("Binning 64 needs images of at least 64 x 64 voxels")
    dock.form.fields["binning"].value = 4
    dock.form.fields["patterns"].value = "hadamard"
    dock.form.fields["frames"].value = 32
    says("Hadamard masks need a power of two")


def test_labels_for_some_images_only_are_refused(unseen, qtbot):
    _, labels = discs()
    add_discs(unseen, "second", seed=2)
    unseen.add_labels(labels, name="cells")
    dock = opened(qtbot, unseen)
    for row in dock.images.rows:
        row.box.setChecked(True)
    dock.images.rows[0].labels.setCurrentIndex(1)
    settle(qtbot, dock)
    assert "Choose labels to find in 'second' too" in dock.standing.text()


def test_an_image_that_cannot_be_trained_on_is_named(unseen, qtbot, notes):
    image, _ = discs()
    image[3:] = 90.0
    unseen.add_image(image, name="mostly dark", scale=SPACING, units=UM)
    dock = opened(qtbot, unseen)
    for row in dock.images.rows:
        row.box.setChecked(True)
    settle(qtbot, dock)
    click(qtbot, dock.train_button)
    wait_for_end(qtbot, dock)
    assert "'mostly dark': 3 planes leave nothing" in dock.status.text()
    assert dock.status.is_warning
    assert any("mostly dark" in note for note in notes)
    assert dock.train_button.isEnabled()


def test_borders_of_labels_are_what_is_to_be_found_if_asked_for(unseen, qtbot):
    _, labels = discs()
    unseen.add_labels(labels, name="cells", scale=SPACING, units=UM)
    dock = opened(qtbot, unseen)
    dock.images.rows[0].labels.setCurrentIndex(1)
    inside = split_of(dock._job()).training.targets.numpy()
    dock.finds.setCurrentText("borders of labels")
    border = split_of(dock._job()).training.targets.numpy()
    assert 0 < border.sum() < inside.sum()
    # Borders have a side inside and one outside.
    assert (border * inside).any()
    assert (border * (1 - inside)).any()


def test_the_psf_of_the_session_is_taken(unseen, qtbot):
    dock = opened(qtbot, unseen)
    assert "σ 1.5 × 0.5 × 0.5 µm (a guess: one voxel)" in dock.psf_label.text()
    live_view_of(unseen).session.choose_psf(gaussian((2.0, 0.4, 0.4)))
    assert "σ 2 × 0.4 × 0.4 µm" in dock.psf_label.text()
    assert "guess" not in dock.psf_label.text()
    click(qtbot, dock.train_button)
    wait_for_end(qtbot, dock)
    model = session_of(unseen).chosen.model
    np.testing.assert_allclose(model.emission.sigma.detach(), (2.0, 0.4, 0.4), rtol=1e-6)
    np.testing.assert_allclose(model.excitation.sigma.detach(), (2.0, 0.4, 0.4), rtol=1e-6)


def test_a_voxel_size_that_is_unknown_is_told(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    image, _ = discs()
    viewer.add_image(image, name="bare")
    dock = opened(qtbot, viewer)
    assert "'bare' has no voxel size" in dock.standing.text()
    assert dock.train_button.isEnabled()
    click(qtbot, dock.panel.image.voxel_size.button)
    settle(qtbot, dock)
    assert not dock.standing.isVisibleTo(dock)


def test_ticks_follow_the_layers(unseen, qtbot):
    dock = opened(qtbot, unseen)
    second = add_discs(unseen, "second")
    assert [row.box.isChecked() for row in dock.images.rows] == [True, False]
    second.name = "another name"
    assert dock.images.rows[1].box.text() == "another name"
    unseen.layers.remove("discs")
    assert [row.layer.name for row in dock.images.rows] == ["another name"]
    settle(qtbot, dock)
    assert "Tick at least one" in dock.standing.text()


def test_closing_the_dock_stops_the_training_and_keeps_its_model(window, qtbot):
    dock = opened(qtbot, window, epochs=LONG, patience=LONG)
    click(qtbot, dock.train_button)
    session = session_of(window)
    worker = session.worker
    qtbot.waitUntil(lambda: len(worker.epochs) >= 1, timeout=60_000)
    window.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not threads(), timeout=10_000)
    again = open_dock(window, "Compressive imaging")
    qtbot.waitUntil(lambda: len(session.models) == 1, timeout=5_000)
    qtbot.waitUntil(lambda: again.panel.compare.isEnabled(), timeout=5_000)
    assert again.form.settings().epochs == LONG
    assert again.panel.model.currentText() == session.models[0].name


def test_closing_the_viewer_during_a_training_leaves_no_thread(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    add_discs(viewer)
    dock = opened(qtbot, viewer, epochs=LONG, patience=LONG)
    click(qtbot, dock.train_button)
    worker = session_of(viewer).worker
    qtbot.waitUntil(lambda: worker.epoch > 0, timeout=60_000)
    viewer.close()
    qtbot.waitUntil(lambda: not threads(), timeout=5_000)
    assert worker.outcome is None


def test_the_pictures_follow_a_change_of_theme(window, qtbot):
    window.theme = "dark"
    dock = trained(qtbot, window)
    plot = dock.progress.plot.plot

    def behind():
        return plot.grab().toImage().pixelColor(1, 1).lightness()

    qtbot.waitUntil(lambda: behind() < 128)
    window.theme = "light"
    qtbot.waitUntil(lambda: behind() > 128)
    (training, validation) = (curve.opts["pen"].color() for curve in dock.progress.plot.curves)
    assert training == QColor(LIGHT.faded)
    assert validation == QColor(LIGHT.curve)
    assert LIGHT.curve in dock.progress.plot.legend.text()


@pytest.mark.parametrize("count", [1, 4, 16, 64])
def test_any_number_of_patterns_fits_the_dock(qtbot, count):
    tiles = Tiles("patterns")
    qtbot.addWidget(tiles)
    tiles.resize(360, 10)
    tiles.show_pictures([np.ones((SIZE, SIZE))] * count)
    tiles.show()
    qtbot.waitUntil(lambda: 80 <= tiles.height() <= 130)
    picture = tiles.grab().toImage()
    # The last one is seen whole.
    columns = max(min(count, 16 if count > 16 else 8), 3) if count > 4 else max(count, 3)
    side = min((360 - 4 * (columns - 1)) // columns, 116)
    row, column = divmod(count - 1, columns)
    x, y = column * (side + 4) + side - 3, row * (side + 4) + side - 3
    assert picture.pixelColor(x, y).lightness() == 255


def test_the_dock_is_no_wider_than_it_has_to_be(window, qtbot):
    dock = trained(qtbot, window)
    dock.form.fold.expand(animate=False)
    dock.panel.fold.expand(animate=False)
    qtbot.wait(100)
    assert dock._width() <= 400
