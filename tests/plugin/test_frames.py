"""Frames and channels: told in words, read from the file, split."""

import numpy as np
import pytest
import tifffile
from napari.layers import Image
from plugin_cases import click, open_dock

from napari_deltamic.plugin.frames import axis_kinds, channel_axis, file_facts, frame_words
from napari_deltamic.plugin.movie_options import has_time

AXES = {"imagej": "ZCYX", "ome": "CZYX"}


@pytest.fixture(params=["imagej", "ome"])
def two_channels(request, tmp_path):
    """Write a stack of 6 planes and 2 channels of different brightness; return path and axes."""
    axes = AXES[request.param]
    shape = [{"Z": 6, "C": 2, "Y": 20, "X": 24}[axis] for axis in axes]
    data = np.zeros(shape, np.uint16)
    np.moveaxis(data, axes.index("C"), 0)[1] = 50
    path = tmp_path / "two.tif"
    if request.param == "imagej":
        metadata = {"axes": axes, "spacing": 0.7, "unit": "um"}
        tifffile.imwrite(path, data, imagej=True, resolution=(4.0, 4.0), metadata=metadata)
    else:
        sizes = {
            f"PhysicalSize{axis}": size for axis, size in zip("XYZ", (0.25, 0.25, 0.7), strict=True)
        }
        tifffile.imwrite(path, data, ome=True, metadata={"axes": axes, **sizes})
    return path, axes


@pytest.mark.parametrize(
    ("index", "sizes", "kinds", "words"),
    [
        ((), (), (), ""),
        ((0,), (1,), ("Frame",), ""),
        ((1,), (3,), ("Channel",), "Channel 2 of 3 (slider)."),
        ((4, 0), (9, 2), ("Frame", "Channel"), "Frame 5 of 9, Channel 1 of 2 (sliders)."),
    ],
)
def test_which_frame_in_words(index, sizes, kinds, words):
    assert frame_words(index, sizes, kinds) == words


def test_what_an_axis_is_comes_from_its_label():
    data = np.zeros((2, 3, 4, 5, 6))
    labels = ("T", "channel", "z", "y", "x")
    assert axis_kinds(Image(data, axis_labels=labels)) == ["Frame", "Channel"]
    assert axis_kinds(Image(data)) == ["Frame or channel"] * 2
    assert not has_time(Image(data[0], axis_labels=labels[1:]))
    assert has_time(Image(data[0]))


def test_the_files_channels_are_told_and_split(make_napari_viewer, qtbot, two_channels):
    path, axes = two_channels
    viewer = make_napari_viewer(show=True)
    (layer,) = viewer.open(path, plugin="napari")
    assert channel_axis(layer, file_facts(layer)) == axes.index("C")
    dock = open_dock(viewer, "Fit")
    chooser = dock.image
    assert not dock.movie.isVisibleTo(dock)
    if axes == "ZCYX":
        assert chooser.message.is_warning
        assert "z, c, y, x" in chooser.message.text()
        with pytest.raises(ValueError, match="Split channels"):
            chooser.source()
    else:
        assert "Channel 1 of 2 (slider)" in chooser.message.text()
        viewer.dims.set_point(0, 1)
        assert "Channel 2 of 2 (slider)" in chooser.message.text()
        assert chooser.source().read().max() == 50
    assert chooser.split.isVisibleTo(dock)
    click(qtbot, chooser.split)
    parts = [viewer.layers[f"two, channel {number}"] for number in (1, 2)]
    for part, value in zip(parts, (0, 50), strict=True):
        assert part.data.shape == (6, 20, 24)
        assert np.all(part.data == value)
        np.testing.assert_allclose(part.scale, (0.7, 0.25, 0.25))
    assert chooser.layer == parts[0]
    assert chooser.source().placement.is_known
    assert not chooser.split.isVisibleTo(dock)


def test_the_guide_says_which_frame_it_takes(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    noise = np.random.default_rng(0).normal(size=(3, 8, 24, 24))
    viewer.add_image(noise, name="movie", scale=(1, 2, 1, 1))
    guide = open_dock(viewer, "deltaMic")
    qtbot.waitUntil(lambda: guide.image.noise is not None, timeout=20_000)
    guide.image.choose_marks("membrane")
    click(qtbot, guide.image.button)
    viewer.dims.set_point(0, 2)
    assert "Frame or channel 3 of 3 (slider)." in guide.steps["Image"].state.sentence
