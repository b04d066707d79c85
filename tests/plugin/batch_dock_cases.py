"""How tests work with the dock *Batch*."""

from __future__ import annotations

from plugin_cases import click, open_dock
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.psf_choice import gaussian

SIGMA = (0.6, 0.3, 0.3)
QUICKLY = {"label": "interior", "stages": 1, "max_iterations": 5}
SLOWLY = {"label": "interior", "stages": 2, "edge_length": 0.1, "tolerance": 1e-9}


def settle(qtbot, dock):
    """Wait until what is chosen has been looked at."""
    qtbot.wait(20)
    qtbot.waitUntil(lambda: not dock._is_checking, timeout=60_000)


def said(dock, title):
    return dock.steps[title].state.sentence.replace("\u200b", "")


def plain(label):
    """Return the text of a label without the places where its paths may be broken."""
    return label.text().replace("\u200b", "")


def standing(dock, title):
    return dock.steps[title].state.standing


def opened(qtbot, viewer, **settings):
    """Open the dock in a session that knows its optics and settings."""
    session = live_view_of(viewer).session
    session.choose_psf(gaussian(SIGMA))
    session.marks = "interior"
    session.settings = session.settings.model_copy(update=settings)
    dock = open_dock(viewer, "Batch")
    settle(qtbot, dock)
    return dock


def started(qtbot, dock, stacks, folder):
    """Press the buttons of all steps, and wait until the batch has begun."""
    dock.stacks.list.add(stacks)
    dock.output.setText(str(folder))
    settle(qtbot, dock)
    for button in (dock.use_stacks, dock.use_settings, dock.run_button):
        assert button.isVisible()
        assert button.isEnabled()
        click(qtbot, button)
    wait_for(qtbot, dock, lambda look: look.state.items)
    assert dock.steps["Watch"].is_open


def wait_for(qtbot, dock, condition):
    """Wait until a look at the batch shows something, and return it."""

    def is_so():
        seen = dock.watch.seen
        return seen is not None and not seen.is_starting and bool(condition(seen))

    qtbot.waitUntil(is_so, timeout=120_000)
    return dock.watch.seen


def ended(look):
    return look.state.items and not look.is_running


def standings(look):
    return {item.name: item.standing for item in look.state.items}


def row_of(dock, name):
    return [item.name for item in dock.watch.table.batch.items].index(name)


def open_row(qtbot, dock, name):
    """Click twice on a row, and wait until its layers are there."""
    table = dock.watch.table
    place = table.visualRect(table.batch.index(row_of(dock, name), 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: "added to the viewer" in dock.watch.message.text(), timeout=60_000)
