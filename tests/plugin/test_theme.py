"""Docks in napari's light and dark themes."""

import pytest
from plugin_cases import open_dock
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QLabel

from napari_deltamic.plugin.theme import DARK, LIGHT, colours_for

pytestmark = pytest.mark.usefixtures("_engine")


def contrast(one, other):
    """Return the ratio of luminances as accessibility guidelines (WCAG) define it."""

    def luminance(colour):
        parts = [part / 255 for part in (colour.red(), colour.green(), colour.blue())]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def behind(widget):
    return widget.palette().color(QPalette.ColorRole.Window)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_faded_text_and_boxes_can_be_read(viewer, qtbot, theme):
    viewer.theme = theme
    dock = open_dock(viewer, "Fit")
    dock.status.say("This is wrong.", warning=True)
    qtbot.wait(50)
    title = next(label for label in dock.findChildren(QLabel) if label.text() == "Loss")
    assert contrast(title.palette().color(QPalette.ColorRole.WindowText), behind(dock)) > 4.5
    box = dock.status.palette()
    text, ground = box.color(QPalette.ColorRole.WindowText), box.color(QPalette.ColorRole.Window)
    assert contrast(text, ground) > 4.5
    # A box of the theme's own lightness, not a dark one on a light dock.
    assert (ground.lightness() < 128) is (theme == "dark")


def test_open_docks_follow_a_change_of_theme(viewer, qtbot):
    viewer.theme = "dark"
    dock = open_dock(viewer, "Fit")
    dock.status.say("This is wrong.", warning=True)
    qtbot.wait(50)
    assert colours_for(dock.progress.plot) is DARK
    viewer.theme = "light"
    qtbot.waitUntil(lambda: colours_for(dock.progress.plot) is LIGHT)
    for axis in ("bottom", "left"):
        assert dock.progress.plot.plot.getAxis(axis).textPen().color() == QColor(LIGHT.faded)
    assert dock.progress.plot.curve.opts["pen"].color() == QColor(LIGHT.curve)
    assert LIGHT.warning in dock.status.styleSheet()
    viewer.theme = "dark"
    qtbot.waitUntil(lambda: DARK.warning in dock.status.styleSheet())
