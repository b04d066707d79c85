"""A layer for points at the centres of cells, each as large as the sphere it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Points
    from napari.viewer import Viewer

    from napari_deltamic.plugin.spatial import Placement, StackSource

POINTS_LAYER = "Seed points"
# Radius of a first sphere, as a part of the stack's longest side.
_FIRST_RADIUS = 0.08


def first_radius(source: StackSource) -> float:
    """Return a radius in um to begin with, of two digits."""
    longest = float((source.placement.spacing * np.array(source.shape)).max())
    return float(f"{_FIRST_RADIUS * longest:.2g}")


def add_seed_points(viewer: Viewer, placement: Placement, radius: float) -> Points:
    """Add an empty layer, ready for clicks; ``radius`` is in um."""
    layer = viewer.add_points(
        ndim=3,
        name=POINTS_LAYER,
        size=2.0 * radius / placement.mesh_unit,
        face_color="#ffff0055",
        border_color="yellow",
        projection_mode="rescale_spherical",
        **placement.layer_options(),
    )
    layer.mode = "add"
    return layer
