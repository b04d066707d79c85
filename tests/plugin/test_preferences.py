"""The page under File > Preferences: each of its values has an effect."""

import numpy as np
import pytest
from napari.settings import get_plugin_settings
from npe2 import PluginManifest
from plugin_cases import click, make_short, open_dock
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QDialog, QLabel, QListWidget

from napari_deltamic.mesh import icosphere
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.preferences import Preferences, preferences

pytestmark = pytest.mark.usefixtures("_engine")


@pytest.fixture
def page():
    page = get_plugin_settings("napari-deltamic").fit
    yield page
    for name, value in Preferences()._asdict().items():
        setattr(page, name, value)


def test_the_manifest_has_the_same_defaults(page):
    assert preferences() == Preferences()
    properties = (
        PluginManifest.from_distribution("napari-deltamic")
        .contributions.configurations["fit"]
        .properties
    )
    assert {name: one.default for name, one in properties.items()} == Preferences()._asdict()


def test_the_page_is_in_the_dialog(make_napari_viewer, page, qtbot):
    viewer = make_napari_viewer(show=True)
    entries = viewer.window.file_menu.actions()
    next(entry for entry in entries if "Preferences" in entry.text().replace("&", "")).trigger()
    dialogs = [one for one in QApplication.topLevelWidgets() if isinstance(one, QDialog)]
    (pages,) = (page for one in dialogs for page in one.findChildren(QListWidget))
    (entry,) = pages.findItems("deltaMic", Qt.MatchFlag.MatchExactly)
    pages.setCurrentItem(entry)
    texts = {label.text() for label in pages.window().findChildren(QLabel) if label.isVisible()}
    assert {"Compute on", "Updates per second"} <= texts
    pages.window().reject()


def test_the_backend_is_that_of_the_next_fit_and_of_open_docks(make_napari_viewer, page):
    page.backend = "cpu"
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Fit")
    assert dock.form.settings().backend == "cpu"
    page.backend = "auto"
    assert dock.form.settings().backend == "auto"


def test_updates_come_as_often_as_asked_for(viewer, page, qtbot):
    page.updates_per_second = 2
    dock = open_dock(viewer, "Fit")
    dock.form.fields["label"].value = "interior"
    make_short(dock)
    live = live_view_of(viewer)
    drawn = []
    live.session.advanced.connect(lambda state: drawn.append(state.iteration))
    click(qtbot, dock.fit_button)
    assert live._timer.interval() == 500
    qtbot.waitUntil(lambda: not live.session.is_fitting, timeout=60_000)
    assert drawn


def test_a_small_stack_too_can_be_cut_down_to_what_lies_around_the_mesh(
    make_napari_viewer_proxy, page, qtbot
):
    viewer = make_napari_viewer_proxy(show=True)
    data = np.random.default_rng(0).normal(10.0, 0.1, (14, 90, 90)).astype(np.float32)
    viewer.add_image(data, name="ball", scale=(0.8, 0.4, 0.4), units=("um",) * 3)
    seed = icosphere((5.0, 18.0, 18.0), 2.0, 2)
    viewer.add_surface(surface_data(seed), name="mesh", units=("um",) * 3, **surface_options(seed))
    session = live_view_of(viewer).session
    dock = open_dock(viewer, "Fit")
    make_short(dock)
    for whole_up_to, is_cut in ((32, False), (0, True)):
        page.whole_up_to = whole_up_to
        click(qtbot, dock.fit_button)
        qtbot.waitUntil(lambda: not session.is_fitting, timeout=60_000)
        assert (session.source.shape != data.shape) is is_cut


@pytest.mark.parametrize("keeps", [True, False])
def test_fits_are_kept_while_they_run_unless_that_is_not_wanted(
    viewer, page, qtbot, autosaves, keeps
):
    page.keep_fits = keeps
    dock = open_dock(viewer, "Fit")
    dock.form.fields["label"].value = "interior"
    make_short(dock)
    session = live_view_of(viewer).session
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(lambda: not session.is_fitting, timeout=60_000)
    assert session.result is not None
    assert any(autosaves.glob("*")) is keeps
