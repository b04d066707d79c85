"""Models in the dock *Compressive imaging*: comparing, their files, and those of a microscope."""

import numpy as np
import pytest
import tifffile
from compressive_dock_cases import (
    SIZE,
    SPACING,
    add_discs,
    discs,
    session_of,
    trained,
    use,
)
from napari.layers import Image
from plugin_cases import ORIGIN, UM, click
from qtpy.QtWidgets import QFileDialog

from napari_deltamic.compressive import load_model, read_masks
from napari_deltamic.plugin.preview import IS_RENDERING


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


@pytest.fixture
def answer(monkeypatch):
    """Return a function that says what file a user chooses."""

    def choose(path):
        for name in ("getSaveFileName", "getOpenFileName"):
            monkeypatch.setattr(QFileDialog, name, lambda *_: (str(path), ""))

    return choose


def test_comparing_adds_layers_that_lie_on_the_image(window, qtbot):
    dock = trained(qtbot, window)
    larger = add_discs(window, "larger", size=44, planes=3, seed=5)
    dock.panel.image.chooser.choose(larger)
    use(qtbot, dock, dock.panel.compare)
    image, frames = window.layers["larger"], window.layers["larger frames"]
    for name in ("larger compressed", "larger interpolated"):
        layer = window.layers[name]
        assert layer.data.shape == image.data.shape
        np.testing.assert_allclose(layer.scale, image.scale)
        np.testing.assert_allclose(layer.translate, image.translate)
        assert layer.units == image.units
    # The same corner in space: half a pixel before the first one's middle.
    assert frames.data.shape == (4, 3, 6, 6)
    for layer, first in ((image, [-0.5] * 3), (frames, [0.0, -0.5, -0.5, -0.5])):
        np.testing.assert_allclose(
            np.asarray(layer.data_to_world(first))[-3:],
            np.array(ORIGIN) - 0.5 * np.array(SPACING),
            atol=1e-5,
        )
    np.testing.assert_allclose(frames.scale, (1.0, 1.5, 4.0, 4.0))
    # They are bright where the image is.
    lit = frames.data.sum(axis=0).repeat(8, 1).repeat(8, 2)[:, :44, :44]
    assert np.corrcoef(lit.ravel(), image.data.ravel())[0, 1] > 0.6
    assert "SSIM" in dock.panel.message.text()
    # Nobody wants to train on these, or to fit the frames.
    assert [row.layer.name for row in dock.images.rows] == ["discs", "larger"]
    assert IS_RENDERING in frames.metadata


def test_a_comparison_with_other_voxels_says_so(unseen, qtbot):
    dock = trained(qtbot, unseen)
    image, _ = discs(planes=2)
    other = unseen.add_image(image, name="other", scale=(1.0, 1.0, 1.0), units=UM)
    dock.panel.image.chooser.choose(other)
    use(qtbot, dock, dock.panel.compare)
    assert dock.panel.message.is_warning
    assert "voxels of 1.5 × 0.5 × 0.5 µm" in dock.panel.message.text()


def test_models_patterns_and_frames_go_through_files(unseen, qtbot, answer, tmp_path):
    dock = trained(qtbot, unseen)
    (known,) = session_of(unseen).models
    answer(tmp_path / "mine")
    use(qtbot, dock, dock.panel.save)
    saved = load_model(tmp_path / "mine.pt")
    assert saved.settings == known.model.settings
    answer(tmp_path / "masks.tif")
    use(qtbot, dock, dock.panel.export)
    masks = read_masks(tmp_path / "masks.tif")
    np.testing.assert_array_equal(masks, known.model.patterns.binary())
    answer(tmp_path / "mine.pt")
    use(qtbot, dock, dock.panel.open)
    assert dock.panel.model.currentText() == "mine"
    assert not dock.panel.scores.isVisibleTo(dock)
    assert len(dock.progress.patterns.tiles) == 4
    # What was trained is there still.
    dock.panel.model.setCurrentIndex(0)
    dock.panel.model.activated.emit(0)
    assert session_of(unseen).chosen is known
    assert dock.panel.scores.isVisibleTo(dock)
    pages = np.random.default_rng(0).integers(150, 300, (4, 4, 4)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "shot.tif", pages)
    answer(tmp_path / "shot.tif")
    dock.panel.offset.setValue(100.0)
    use(qtbot, dock, dock.panel.import_frames)
    layer = unseen.layers["shot reconstructed"]
    assert isinstance(layer, Image)
    assert layer.data.shape == (1, SIZE, SIZE)
    np.testing.assert_allclose(layer.scale, SPACING)


def test_files_that_make_no_sense_are_named(unseen, qtbot, answer, tmp_path, notes):
    dock = trained(qtbot, unseen)
    (tmp_path / "no.pt").write_text("nothing")
    answer(tmp_path / "no.pt")
    use(qtbot, dock, dock.panel.open)
    assert dock.panel.message.is_warning
    assert "no.pt is no model of this program" in dock.panel.message.text()
    tifffile.imwrite(tmp_path / "shot.tif", np.ones((3, 4, 4), np.uint16))
    answer(tmp_path / "shot.tif")
    use(qtbot, dock, dock.panel.import_frames)
    assert "shape (3, 1, 4, 4)" in dock.panel.message.text()
    tifffile.imwrite(tmp_path / "shot.tif", np.ones((4, 4, 4), np.uint16))
    dock.panel.offset.setValue(100.0)
    use(qtbot, dock, dock.panel.import_frames)
    assert "subtract no more than the camera's offset" in dock.panel.message.text()
    answer(tmp_path / "no folder" / "model.pt")
    use(qtbot, dock, dock.panel.save)
    assert dock.panel.message.is_warning
    assert len(session_of(unseen).models) == 1
    assert len(list(notes)) == 4


def test_a_comparison_can_be_cancelled(unseen, qtbot, monkeypatch):
    monkeypatch.setattr("napari_deltamic.compressive.applying._VOXELS_AT_ONCE", SIZE * SIZE)
    dock = trained(qtbot, unseen)
    large = add_discs(unseen, "large", size=256, planes=200)
    dock.panel.image.chooser.choose(large)
    click(qtbot, dock.panel.compare)
    assert "Wait until" in dock.train_button.toolTip()
    qtbot.waitUntil(lambda: "%" in dock.panel.message.text(), timeout=30_000)
    click(qtbot, dock.panel.cancel)
    qtbot.waitUntil(lambda: not dock.panel.is_busy, timeout=10_000)
    assert "Cancelled" in dock.panel.message.text()
    assert "large compressed" not in unseen.layers
    assert dock.train_button.isEnabled()
