"""What users do wrong, or at an odd moment, in the guide: it says what is wrong, or just works."""

import numpy as np
import pytest
from napari.layers import Surface
from napari.utils.notifications import ErrorNotification, notification_manager
from plugin_cases import (
    CENTER,
    ORIGIN,
    SHAPE,
    SIGMA,
    SPACING,
    UM,
    add_ball,
    click,
    make_short,
    open_dock,
    wait_for_iterations,
)

from napari_deltamic.mesh import icosphere
from napari_deltamic.plugin.guide_words import Standing
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.measures_dock import CELLS
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.seed_dock import LABELS, MESH_LAYER

pytestmark = pytest.mark.usefixtures("_engine", "_no_traceback")

PLACED = {"scale": SPACING, "translate": ORIGIN, "units": UM}


@pytest.fixture
def _no_traceback():
    """Fail where the user would see a traceback; what is said on purpose is no exception's."""
    before = len(notification_manager.records)
    yield
    shown = [r for r in notification_manager.records[before:] if isinstance(r, ErrorNotification)]
    assert [str(record) for record in shown] == []


def guide_on(qtbot, viewer):
    dock = open_dock(viewer, "deltaMic")
    qtbot.waitUntil(lambda: state(dock, "Image").standing is not Standing.BUSY, timeout=60_000)
    return dock


def state(dock, title):
    return dock.steps[title].state


# Images that no fit can use.


def colour(ball):
    return np.repeat(ball[..., np.newaxis] > 50, 3, axis=-1).astype(np.uint8) * 255


UNUSABLE = {
    "flat": (lambda ball: ball[7], {}, "has 2 axes, a flat image"),
    "colour": (colour, {"rgb": True}, "is a colour (RGB) image"),
    "one plane": (lambda ball: ball[7:8], PLACED, "one voxel along an axis of space"),
    "time": (lambda ball: ball, {"units": ("s",) * 3}, "give its axes a unit of length"),
    "rotated": (lambda ball: ball, {"rotate": (0, 0, 30)}, "is rotated or sheared"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_image_of_the_wrong_kind_is_refused_with_the_reason(
    make_napari_viewer_proxy, qtbot, ball, name
):
    viewer = make_napari_viewer_proxy()
    make, options, words = UNUSABLE[name]
    viewer.add_image(make(ball.data), name="image", **options)
    dock = guide_on(qtbot, viewer)
    assert state(dock, "Image").standing is Standing.WRONG
    assert words in state(dock, "Image").sentence
    assert "'image'" in state(dock, "Image").sentence
    for button in (dock.image.button, dock.seed.button, dock.fit.fit_button):
        assert not button.isEnabled()


EMPTY = {
    "zeros": (np.zeros(SHAPE, dtype=np.uint16), "very voxel holds 0"),
    "constant": (np.full(SHAPE, 7.0), "very voxel holds 7"),
    "nan": (np.where(np.arange(SHAPE[2]) == 3, np.nan, np.ones(SHAPE)), "NaN or infinite"),
    "infinite": (np.where(np.arange(SHAPE[2]) == 14, np.inf, np.ones(SHAPE)), "NaN or infinite"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_image_without_anything_to_fit_is_told_of(
    make_napari_viewer_proxy, qtbot, recwarn, name
):
    viewer = make_napari_viewer_proxy()
    data, words = EMPTY[name]
    viewer.add_image(data, name="image", contrast_limits=(0, 10), **PLACED)
    recwarn.clear()
    dock = guide_on(qtbot, viewer)
    assert state(dock, "Image").standing is Standing.WRONG
    assert words in state(dock, "Image").sentence
    assert not dock.image.button.isEnabled()
    dock.image.choose_marks("interior")
    click(qtbot, dock.image.button)
    click(qtbot, dock.seed.button)
    qtbot.waitUntil(lambda: state(dock, "Seed").standing is Standing.WRONG, timeout=60_000)
    assert words in state(dock, "Seed").sentence
    assert dock.seed.button.isEnabled(), "one may try again"
    assert not dock.fit.fit_button.isEnabled()
    # napari would show them, and they tell a user nothing.
    assert [str(w.message) for w in recwarn if "napari_deltamic" in w.filename] == []


@pytest.mark.parametrize("size", [1000.0, 0.001])
def test_voxels_of_an_odd_size_are_fitted_or_refused(make_napari_viewer_proxy, qtbot, ball, size):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(ball.data, name="image", scale=(size,) * 3, units=UM)
    dock = guide_on(qtbot, viewer)
    click(qtbot, dock.image.button)
    click(qtbot, dock.seed.button)
    qtbot.waitUntil(lambda: dock.steps["Optics"].is_open, timeout=60_000)
    click(qtbot, dock.optics.button)
    make_short(dock.fit)
    click(qtbot, dock.fit.fit_button)
    ended = (Standing.DONE, Standing.WRONG)
    qtbot.waitUntil(lambda: state(dock, "Fit").standing in ended, timeout=120_000)
    assert state(dock, "Fit").standing is Standing.DONE
    volume = live_view_of(viewer).session.result.mesh.volumes()[0]
    voxels = (ball.data > 60).sum() * size**3
    assert volume == pytest.approx(voxels, rel=0.15)


# Labels and meshes that do not fit.


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "Choose a Labels layer"),
        (np.zeros(SHAPE, dtype=np.int32), "all voxels are 0"),
        (np.ones(SHAPE[1:], dtype=np.int32), "has 2 axes"),
    ],
)
def test_labels_that_are_missing_or_empty_or_flat(
    make_napari_viewer_proxy, qtbot, ball, labels, words
):
    viewer = make_napari_viewer_proxy()
    if labels is not None:
        viewer.add_labels(labels, name="cells")
    add_ball(viewer, ball)
    dock = guide_on(qtbot, viewer)
    click(qtbot, dock.image.button)
    dock.seed.method.setCurrentText(LABELS)
    click(qtbot, dock.seed.button)
    qtbot.waitUntil(lambda: state(dock, "Seed").standing is Standing.WRONG, timeout=60_000)
    assert words in state(dock, "Seed").sentence
    assert dock.seed.button.isEnabled()


def test_a_mesh_outside_of_the_stack_is_refused(make_napari_viewer_proxy, qtbot, ball):
    viewer = make_napari_viewer_proxy()
    add_ball(viewer, ball, icosphere(CENTER + 500.0, 2.0, subdivisions=2))
    dock = ready(qtbot, viewer)
    click(qtbot, dock.fit.fit_button)
    qtbot.waitUntil(lambda: state(dock, "Fit").standing is Standing.WRONG, timeout=60_000)
    assert "outside" in state(dock, "Fit").sentence
    assert dock.fit.fit_button.isEnabled()
    assert not live_view_of(viewer).session.is_fitting


# Odd moments: what is done while a fit runs.


def ready(qtbot, viewer):
    """Open a guide whose next step is the fit of the layer "mesh"."""
    dock = guide_on(qtbot, viewer)
    click(qtbot, dock.image.button)
    session = live_view_of(viewer).session
    session.choose_psf(gaussian(SIGMA))
    session.choose_mesh("mesh")
    dock.steps["Fit"].set_open(True)
    return dock


def fitting(qtbot, viewer):
    """Open a guide with a fit that would go on for very long."""
    dock = ready(qtbot, viewer)
    fields = dock.fit.form.fields
    fields["label"].value = "interior"
    fields["stages"].value = 12
    fields["max_iterations"].value = 5000
    fields["tolerance"].value = 0.0001
    click(qtbot, dock.fit.fit_button)
    wait_for_iterations(qtbot, dock.fit, 3)
    return dock


def iteration(viewer):
    return live_view_of(viewer).session.worker.latest.iteration


def goes_on(qtbot, viewer):
    before = iteration(viewer)
    qtbot.waitUntil(lambda: iteration(viewer) > before + 2, timeout=30_000)


def stop_and_measure(qtbot, dock):
    """Press Stop and wait until the result is measured, as it would be without any nonsense."""
    dock.steps["Fit"].set_open(True)
    click(qtbot, dock.fit.stop_button)
    qtbot.waitUntil(lambda: dock.steps["Results"].is_open, timeout=60_000)
    qtbot.waitUntil(lambda: dock.measures.tables[CELLS].model().rowCount() == 1, timeout=60_000)
    qtbot.waitUntil(lambda: not dock.measures.is_busy)


def test_taking_away_the_image_during_a_fit(unseen_viewer, qtbot, tmp_path):
    dock = fitting(qtbot, unseen_viewer)
    unseen_viewer.layers.remove("ball")
    goes_on(qtbot, unseen_viewer)
    stop_and_measure(qtbot, dock)
    dock.fit.save_to(tmp_path)
    qtbot.waitUntil(lambda: (tmp_path / "settings.json").exists(), timeout=30_000)
    assert state(dock, "Image").standing is Standing.WAITS
    assert not dock.fit.fit_button.isEnabled()


def test_taking_away_every_layer_during_a_fit(unseen_viewer, qtbot):
    dock = fitting(qtbot, unseen_viewer)
    unseen_viewer.layers.clear()
    goes_on(qtbot, unseen_viewer)
    stop_and_measure(qtbot, dock)
    assert any(isinstance(layer, Surface) for layer in unseen_viewer.layers), "it is shown anew"


def test_renaming_every_layer_during_a_fit(unseen_viewer, qtbot):
    dock = fitting(qtbot, unseen_viewer)
    for number, layer in enumerate(unseen_viewer.layers):
        layer.name = f"renamed {number}"
    goes_on(qtbot, unseen_viewer)
    stop_and_measure(qtbot, dock)
    assert state(dock, "Image").standing is Standing.DONE
    assert dock.fit.fit_button.isEnabled()


def test_moving_the_slider_of_frames_during_a_fit(make_napari_viewer_proxy, qtbot, ball, seed):
    viewer = make_napari_viewer_proxy(show=True)
    frames = np.stack([ball.data, np.zeros_like(ball.data), ball.data])
    viewer.add_image(
        frames,
        name="frames",
        scale=(1.0, *SPACING),
        translate=(0.0, *ORIGIN),
        units=("pixel", *UM),
    )
    viewer.add_surface(surface_data(seed), name="mesh", units=UM, **surface_options(seed))
    viewer.dims.set_current_step(0, 0)
    dock = fitting(qtbot, viewer)
    loss = live_view_of(viewer).session.worker.losses[-1]
    for frame in (1, 2, 0, 1):
        viewer.dims.set_current_step(0, frame)
        qtbot.wait(50)
    goes_on(qtbot, viewer)
    # It is still the frame of the start that is fitted, not the empty one that is shown.
    assert live_view_of(viewer).session.worker.losses[-1] <= 1.5 * loss
    stop_and_measure(qtbot, dock)
    np.testing.assert_allclose(
        live_view_of(viewer).session.result.mesh.vertices.mean(axis=0), CENTER, atol=1.0
    )


def pixels_of(viewer, layer):
    """Return how many pixels of the canvas are other ones without a layer."""
    shown = viewer.screenshot(canvas_only=True, flash=False)
    layer.visible = False
    hidden = viewer.screenshot(canvas_only=True, flash=False)
    layer.visible = True
    return (shown != hidden).any(axis=-1).sum()


def test_turning_to_3d_and_back_during_a_fit(viewer, qtbot):
    dock = fitting(qtbot, viewer)
    surface, outline = live_view_of(viewer).surface, viewer.layers[Outline.LAYER]
    for ndisplay in (3, 2, 3, 2):
        viewer.dims.ndisplay = ndisplay
        goes_on(qtbot, viewer)
        assert surface.visible == (ndisplay == 3)
        if ndisplay == 3:
            assert pixels_of(viewer, surface) > 500
            assert len(outline.data) == 0
        else:
            assert pixels_of(viewer, outline) > 50
            np.testing.assert_allclose(outline.data[:, 0, 0], viewer.dims.point[0], atol=1e-5)
    stop_and_measure(qtbot, dock)


def test_closing_the_dock_during_a_fit_and_opening_it_again(viewer, qtbot):
    dock = fitting(qtbot, viewer)
    viewer.window.remove_dock_widget(dock)
    goes_on(qtbot, viewer)
    again = open_dock(viewer, "deltaMic")
    assert again is not dock
    qtbot.waitUntil(lambda: state(again, "Fit").standing is Standing.BUSY, timeout=30_000)
    assert again.steps["Fit"].is_open
    viewer.layers["mesh"].name = "cell"
    stop_and_measure(qtbot, again)
    assert again.fit.save_button.isEnabled()


def test_a_second_fit_cannot_be_started_while_one_runs(viewer, qtbot):
    dock = fitting(qtbot, viewer)
    other = open_dock(viewer, "Fit")
    worker = live_view_of(viewer).session.worker
    for one in (dock.fit, other):
        assert not one.fit_button.isEnabled()
        click(qtbot, one.fit_button)
    assert live_view_of(viewer).session.worker is worker
    goes_on(qtbot, viewer)
    click(qtbot, other.stop_button)
    qtbot.waitUntil(lambda: dock.steps["Results"].is_open, timeout=60_000)
    # After it, one can.
    qtbot.waitUntil(dock.fit.fit_button.isEnabled)
    make_short(dock.fit)
    click(qtbot, dock.fit.fit_button)
    qtbot.waitUntil(lambda: state(dock, "Fit").standing is Standing.DONE, timeout=120_000)
    assert live_view_of(viewer).session.worker is not worker


def test_seeding_again_during_a_fit_leaves_the_fit_alone(viewer, qtbot):
    dock = fitting(qtbot, viewer)
    click(qtbot, dock.seed.button)
    qtbot.waitUntil(lambda: MESH_LAYER in viewer.layers, timeout=60_000)
    goes_on(qtbot, viewer)
    assert state(dock, "Fit").standing is Standing.BUSY
    stop_and_measure(qtbot, dock)


def test_pressing_stop_and_pause_again_and_again(viewer, qtbot):
    dock = fitting(qtbot, viewer)
    for _ in range(4):
        click(qtbot, dock.fit.pause_button)
        qtbot.wait(20)
    click(qtbot, dock.fit.pause_button)
    for _ in range(3):
        click(qtbot, dock.fit.stop_button)
    qtbot.waitUntil(lambda: dock.steps["Results"].is_open, timeout=60_000)


def test_closing_the_viewer_during_a_fit_ends_it(make_napari_viewer_proxy, qtbot, ball, seed):
    viewer = make_napari_viewer_proxy(show=True)
    add_ball(viewer, ball, seed)
    fitting(qtbot, viewer)
    worker = live_view_of(viewer).session.worker
    viewer.close()
    qtbot.waitUntil(lambda: worker.phase.is_over, timeout=5_000)
    assert worker.error is None
