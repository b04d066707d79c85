"""The ball of the plugin's tests, and how tests put it into a viewer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from qtpy.QtCore import Qt

from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.spatial import placement_of

SHAPE = (14, 28, 28)
SPACING = (0.8, 0.4, 0.4)
ORIGIN = (3.0, -2.0, 5.0)
CENTER = np.array(ORIGIN) + 0.5 * np.array(SPACING) * (np.array(SHAPE) - 1)
RADIUS = 3.0
SIGMA = (0.8, 0.4, 0.4)
UM = ("um", "um", "um")


def add_ball(viewer, ball: ImageStack, seed: TriangleMesh | None = None):
    """Add the ball's image, and its seed, to a viewer."""
    image = viewer.add_image(ball.data, name="ball", scale=SPACING, translate=ORIGIN, units=UM)
    if seed is not None:
        viewer.add_surface(
            surface_data(seed),
            name="mesh",
            **surface_options(seed),
            **placement_of(image).layer_options(),
        )
    return image


def open_dock(viewer, name: str):
    """Open one of the plugin's docks as the Plugins menu does."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-deltamic", name, tabify=True)
    return dock


def click(qtbot, button):
    """Press a button as the mouse does."""
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def long_fit(viewer):
    """Open a Fit dock set to a fit that would go on for a very long time."""
    dock = open_dock(viewer, "Fit")
    live_view_of(viewer).session.choose_psf(gaussian(SIGMA))
    fields = dock.form.fields
    fields["label"].value = "interior"
    fields["stages"].value = 12
    fields["max_iterations"].value = 5000
    fields["tolerance"].value = 0.0001
    return dock


def make_short(dock):
    """Set a dock to a fit of seconds."""
    dock.form.fields["stages"].value = 2
    dock.form.fields["max_iterations"].value = 30


def wait_for_iterations(qtbot, dock, count):
    """Wait until the dock shows that many."""

    def arrived():
        text = dock.progress.numbers.values["Iteration"].text()
        return text.isdigit() and int(text) >= count

    qtbot.waitUntil(arrived, timeout=60_000)


def press_on_cells(viewer, position, direction=None):
    """Press and release the mouse at a place of the world, as the canvas reports it."""
    event = SimpleNamespace(
        type="mouse_press",
        button=1,
        modifiers=(),
        position=position,
        view_direction=direction,
        handled=False,
    )
    layers = live_view_of(viewer).measures
    steps = layers._on_press(layers._viewer, event)
    for _ in steps:
        event.type = "mouse_release"
