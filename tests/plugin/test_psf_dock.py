import numpy as np
import pytest
from plugin_cases import SPACING, add_ball, open_dock
from qtpy.QtCore import Qt

from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.psf_dock import _sections


def brightness(label):
    """Return the grey values of a preview, or None while there is none."""
    image = label.pixmap().toImage()
    if image.isNull():
        return None
    return np.array(
        [
            [image.pixelColor(x, y).value() for x in range(image.width())]
            for y in range(image.height())
        ]
    )


def test_it_starts_at_one_voxel_and_says_the_full_width(make_napari_viewer, ball):
    viewer = make_napari_viewer()
    add_ball(viewer, ball)
    dock = open_dock(viewer, "PSF")
    assert [field.value() for field in dock.fields] == pytest.approx(SPACING)
    assert dock.widths[0].text() == "FWHM 1.88 µm"


def test_without_an_image_there_is_nothing_to_edit(make_napari_viewer, ball):
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "PSF")
    assert not any(widget.isEnabled() for widget in (*dock.fields, dock.reset))
    add_ball(viewer, ball)
    assert all(widget.isEnabled() for widget in (*dock.fields, dock.reset))


def test_an_edit_reaches_the_session_and_the_preview(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer(show=True)
    add_ball(viewer, ball)
    dock = open_dock(viewer, "PSF")
    dock.fields[0].setValue(2.0)
    assert live_view_of(viewer).session.sigma == pytest.approx((2.0, 0.4, 0.4))
    qtbot.waitUntil(lambda: not dock._task.is_busy, timeout=30_000)
    picture = brightness(dock.previews["xz"])
    # Lit pixels reach much farther along z, downwards, than along x.
    lit = np.argwhere(picture > 128)
    tall, wide = np.ptp(lit, axis=0)
    assert tall > 3 * wide


def test_reset_goes_back_to_one_voxel(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer()
    add_ball(viewer, ball)
    dock = open_dock(viewer, "PSF")
    dock.fields[1].setValue(3.0)
    qtbot.mouseClick(dock.reset, Qt.MouseButton.LeftButton)
    assert [field.value() for field in dock.fields] == pytest.approx(SPACING)
    assert live_view_of(viewer).session.sigma is None


def test_a_width_far_below_the_voxel_is_pointed_out(make_napari_viewer, ball):
    viewer = make_napari_viewer(show=True)
    add_ball(viewer, ball)
    dock = open_dock(viewer, "PSF")
    assert not dock.advice.isVisibleTo(dock)
    dock.fields[2].setValue(0.1)
    assert "half a voxel along x" in dock.advice.text()
    assert dock.advice.isVisibleTo(dock)


@pytest.mark.parametrize("sigma", [(0.4, 0.4, 0.4), (3.0, 0.2, 0.2), (0.3, 1.0, 1.0)])
def test_planes_show_the_width_along_each_axis(sigma):
    sections, reach = _sections(sigma), GaussianPSF(sigma=sigma).extent().max()
    for plane, (down, right) in {"xy": (1, 2), "xz": (0, 2)}.items():
        # Undo the root that brightens the faint part.
        image = (sections.planes[plane] / 255.0) ** 2
        for axis, side, profile in (
            (down, sections.sides[plane][0], image.sum(axis=1)),
            (right, sections.sides[plane][1], image.sum(axis=0)),
        ):
            at = np.linspace(-1, 1, len(profile)) * side * reach
            width = np.sqrt((profile * at**2).sum() / profile.sum())
            assert width == pytest.approx(sigma[axis], rel=0.02)
