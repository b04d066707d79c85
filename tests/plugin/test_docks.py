"""The docks together in one window."""

import numpy as np
import pytest
from plugin_cases import open_dock
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
        for name in ("Seed mesh", "PSF designer", "Fit")
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


@pytest.mark.parametrize("name", ["Seed mesh", "PSF designer", "Fit", "Compressive imaging"])
def test_nothing_is_cut_off_when_widgets_appear(make_napari_viewer, qtbot, name):
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer, name)
    # Fields for the voxel size appear where it is unknown.
    viewer.add_image(np.zeros((5, 6, 7)), name="no voxel size")
    assert dock.image.voxel_size.isVisibleTo(dock)

    def fits():
        return dock._area.viewport().width() >= dock._inner.minimumSizeHint().width() > 200

    qtbot.waitUntil(fits, timeout=5000)


def test_fields_of_all_forms_stand_in_one_column(make_napari_viewer, qtbot):
    dock = open_dock(make_napari_viewer(show=True), "Fit")
    fields = (dock.image.chooser, dock.mesh, dock.form.fields["label"].native)
    qtbot.waitUntil(lambda: len({f.mapTo(dock, f.rect().topLeft()).x() for f in fields}) == 1)
