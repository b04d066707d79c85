"""The ball of the plugin's tests, and how tests put it into a viewer."""

from __future__ import annotations

import numpy as np

from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
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
