"""The deltaMic dock: the whole job from an opened stack to tables, and what each step says."""

import numpy as np
import pytest
from plugin_cases import UM, add_ball, click, make_short, open_dock

from napari_deltamic.imaging import make_embryo
from napari_deltamic.plugin.guide_words import Standing
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.measures_dock import CELLS
from napari_deltamic.plugin.seed_dock import IMAGE, MEMBRANES

pytestmark = pytest.mark.usefixtures("_engine")


@pytest.fixture(scope="module")
def embryo():
    return make_embryo(cells=3, spacing=(0.8, 0.4, 0.4), seed=1)


def with_embryo(viewer, embryo):
    stack = embryo.stack
    viewer.add_image(
        stack.data, name="embryo", scale=stack.spacing, translate=stack.origin, units=UM
    )
    return viewer


def standings(dock):
    return [step.state.standing for step in dock.steps.values()]


def open_steps(dock):
    return [title for title, step in dock.steps.items() if step.is_open]


def looked_at(qtbot, dock):
    qtbot.waitUntil(lambda: dock.image.noise is not None, timeout=60_000)
    return dock


def press(qtbot, button):
    assert button.isEnabled()
    click(qtbot, button)


def check_narrow(dock):
    """A window 1280 wide keeps more than a third of it for the picture."""
    assert dock.minimumSizeHint().width() <= 400


def test_from_an_opened_stack_to_tables_in_five_clicks(make_napari_viewer_proxy, qtbot, embryo):
    viewer = with_embryo(make_napari_viewer_proxy(show=True), embryo)
    dock = looked_at(qtbot, open_dock(viewer, "deltaMic"))  # one click, in the menu
    assert open_steps(dock) == ["Image"]
    check_narrow(dock)
    press(qtbot, dock.image.button)
    assert open_steps(dock) == ["Seed"]
    check_narrow(dock)
    press(qtbot, dock.seed.button)
    qtbot.waitUntil(lambda: open_steps(dock) == ["Optics"], timeout=60_000)
    check_narrow(dock)
    press(qtbot, dock.optics.button)
    assert open_steps(dock) == ["Fit"]
    check_narrow(dock)
    make_short(dock.fit)  # so that the test is short
    press(qtbot, dock.fit.fit_button)
    qtbot.waitUntil(lambda: open_steps(dock) == ["Results"], timeout=120_000)
    qtbot.waitUntil(lambda: dock.measures.tables[CELLS].model().rowCount() == 3, timeout=60_000)
    check_narrow(dock)
    qtbot.waitUntil(lambda: standings(dock) == [Standing.DONE] * 5, timeout=60_000)
    volumes = np.sort(live_view_of(viewer).session.result.mesh.volumes())
    np.testing.assert_allclose(volumes, np.sort(embryo.volumes()), rtol=0.1)
    assert dock.fit.save_button.isVisibleTo(dock)


def test_the_image_decides_how_cells_are_found_and_what_is_fitted(
    make_napari_viewer, qtbot, embryo, ball
):
    viewer = with_embryo(make_napari_viewer(), embryo)
    dock = looked_at(qtbot, open_dock(viewer, "deltaMic"))
    settings = dock.fit.form.settings()
    assert (dock.seed.method.currentText(), settings.label) == (MEMBRANES, "membrane")
    assert settings.noise == "poisson"
    image = add_ball(viewer, ball)
    dock.image.image.chooser.choose(image)
    qtbot.waitUntil(lambda: dock.image.chosen_marks == "interior", timeout=60_000)
    settings = dock.fit.form.settings()
    assert (dock.seed.method.currentText(), settings.label) == (IMAGE, "interior")
    assert settings.noise == "gaussian"


def test_without_an_image_every_step_says_what_it_lacks(make_napari_viewer):
    dock = open_dock(make_napari_viewer(), "deltaMic")
    assert standings(dock) == [Standing.WAITS] * 5
    assert "open a 3D stack" in dock.steps["Image"].state.sentence
    assert dock.steps["Seed"].state.sentence == "Needs an image first."
    assert dock.steps["Fit"].state.sentence == "Needs a seed mesh first."
    for button in (dock.image.button, dock.seed.button, dock.fit.fit_button, dock.fit.save_button):
        assert not button.isEnabled()


def test_an_unknown_voxel_size_is_asked_for(make_napari_viewer, qtbot, ball):
    viewer = make_napari_viewer()
    viewer.add_image(ball.data, name="ball")
    dock = looked_at(qtbot, open_dock(viewer, "deltaMic"))
    assert dock.steps["Image"].state.standing is Standing.WRONG
    assert "voxel size" in dock.steps["Image"].state.sentence
    assert not dock.seed.button.isEnabled()


def test_a_step_folds_and_opens_by_its_title(make_napari_viewer_proxy, qtbot, embryo):
    viewer = with_embryo(make_napari_viewer_proxy(show=True), embryo)
    dock = looked_at(qtbot, open_dock(viewer, "deltaMic"))
    click(qtbot, dock.steps["Optics"].header)
    assert open_steps(dock) == ["Image", "Optics"]
    assert dock.optics.isVisibleTo(dock)
    click(qtbot, dock.steps["Optics"].header)
    assert not dock.optics.isVisibleTo(dock)


def test_it_shows_a_fit_that_another_dock_began(viewer, qtbot, dock):
    click(qtbot, dock.fit_button)
    guide = open_dock(viewer, "deltaMic")
    assert open_steps(guide) == ["Fit"]
    qtbot.waitUntil(lambda: "stage" in guide.steps["Fit"].state.sentence.lower(), timeout=60_000)
    assert guide.steps["Fit"].state.standing is Standing.BUSY
    press(qtbot, guide.fit.stop_button)
    qtbot.waitUntil(lambda: open_steps(guide) == ["Results"], timeout=60_000)
