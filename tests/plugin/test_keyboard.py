"""Docks by keyboard alone."""

import numpy as np
import pytest
from plugin_cases import open_dock
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QLineEdit

from napari_deltamic.plugin.keyboard import tab_stops

pytestmark = pytest.mark.usefixtures("_engine")

# Of Qt, inside other controls.
INNER = ("qt_spinbox_lineedit", "ScrollLeftButton", "ScrollRightButton")
INPUTS = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit)


def walk(qtbot, dock):
    """Press Tab from the dock's first control until it leaves the dock; return where it stopped."""
    dock.window().activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is dock.window(), timeout=5_000)
    stops = tab_stops(dock)
    stops[0].setFocus(Qt.FocusReason.TabFocusReason)
    visited = []
    for _ in range(2 * len(stops)):
        focused = QApplication.focusWidget()
        if focused in visited or not dock.isAncestorOf(focused):
            break
        visited.append(focused)
        qtbot.keyClick(focused, Qt.Key.Key_Tab)
    return visited


def inputs(dock):
    """Return what can be clicked or typed into now."""
    return [
        child
        for kind in INPUTS
        for child in dock.findChildren(kind)
        if child.isVisibleTo(dock)
        and child.isEnabled()
        and child.focusProxy() is None
        and child.objectName() not in INNER
        and not isinstance(child.parentWidget(), QComboBox)
    ]


def check(qtbot, dock):
    visited = walk(qtbot, dock)
    missing = [child for child in inputs(dock) if child not in visited]
    assert missing == []
    middles = [stop.mapTo(dock, QPoint(0, 0)).y() + stop.height() / 2 for stop in visited]
    assert all(np.diff(middles) > -8), "Tab jumps back up"
    for stop in visited:
        name = stop.accessibleName() or stop.toolTip()
        text = getattr(stop, "text", lambda: "")() or getattr(stop, "currentText", lambda: "")()
        assert name or text.strip(" .▼▶"), f"{stop} says nothing of itself"


@pytest.mark.parametrize(
    "name", ["Seed mesh", "PSF designer", "Fit", "Compressive imaging", "Batch"]
)
def test_tab_reaches_every_control_from_top_to_bottom(viewer, qtbot, name):
    viewer.window.resize(1280, 1000)
    dock = open_dock(viewer, name)
    if name == "PSF designer":
        qtbot.waitUntil(dock.form.isEnabled, timeout=20_000)
        dock.form.modality.setCurrentText("Confocal")
    if name == "Compressive imaging":
        dock.form.fold.expand(animate=False)
        dock.panel.fold.expand(animate=False)
    qtbot.wait(100)
    check(qtbot, dock)


@pytest.mark.parametrize("method", [0, 1, 2, 3])
def test_of_the_seed_dock_with_each_method(viewer, qtbot, method):
    dock = open_dock(viewer, "Seed mesh")
    dock.method.setCurrentIndex(method)
    qtbot.wait(50)
    check(qtbot, dock)


@pytest.mark.parametrize("step", ["Image", "Seed", "Optics", "Fit"])
def test_of_the_guide_with_each_step_open(viewer, qtbot, step):
    guide = open_dock(viewer, "deltaMic")
    qtbot.waitUntil(lambda: guide.image.noise is not None, timeout=20_000)
    for title, one in guide.steps.items():
        one.set_open(title == step)
    qtbot.wait(50)
    check(qtbot, guide)


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_space_and_enter_open_a_step_and_press_a_button(viewer, qtbot, key):
    guide = open_dock(viewer, "deltaMic")
    qtbot.waitUntil(lambda: guide.image.noise is not None, timeout=20_000)
    header = guide.steps["Optics"].header
    header.setFocus()
    qtbot.keyClick(header, key)
    assert guide.steps["Optics"].is_open
    guide.steps["Image"].set_open(True)
    guide.image.choose_marks("interior")
    assert guide.image.button.isEnabled()
    guide.image.button.setFocus()
    qtbot.keyClick(guide.image.button, key)
    assert guide.steps["Seed"].is_open


def test_what_is_folded_away_is_out_of_reach(viewer, qtbot):
    dock = open_dock(viewer, "Fit")
    field = dock.form.fields["tolerance"].native
    assert field not in tab_stops(dock)
    fold = next(f for f in dock.form.children() if hasattr(f, "toggleButton"))
    fold.toggleButton().setFocus()
    qtbot.keyClick(fold.toggleButton(), Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: field in tab_stops(dock))


def test_steps_tell_a_screen_reader_how_they_stand(viewer, qtbot):
    guide = open_dock(viewer, "deltaMic")
    header = guide.steps["Seed"].header
    assert header.accessibleName() == "Step 2: Seed"
    assert header.accessibleDescription() == guide.steps["Seed"].state.sentence
