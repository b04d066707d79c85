"""The docks together in one window."""

import pytest
from qtpy.QtWidgets import QDockWidget, QMainWindow

pytestmark = pytest.mark.usefixtures("_engine")


def around(widget):
    while not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget


def test_docks_opened_one_after_the_other_become_tabs_of_one_place(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    seed, psf, fit = (
        viewer.window.add_plugin_dock_widget("napari-deltamic", name)[1]
        for name in ("Seed mesh", "PSF", "Fit")
    )
    window = fit.window()
    assert isinstance(window, QMainWindow)

    def together():
        tabs = window.tabifiedDockWidgets(around(fit))
        assert {around(seed), around(psf)} <= set(tabs)

    qtbot.waitUntil(together, timeout=5000)
    # The one that was asked for last is in front, with room for its buttons.
    qtbot.waitUntil(lambda: not fit.visibleRegion().isEmpty(), timeout=5000)
    assert seed.visibleRegion().isEmpty()
