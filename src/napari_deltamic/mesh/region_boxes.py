"""The boxes around the regions of a mesh, all in one go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def region_boxes(mesh: TriangleMesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (R, 3) the smallest and the largest coordinates of each region in um."""
    # The last row is that of the outside.
    size = len(mesh.regions) + 1
    corners = mesh.vertices[mesh.faces]
    low, high = corners.min(axis=1), corners.max(axis=1)
    lower, upper = np.full((size, 3), np.inf), np.full((size, 3), -np.inf)
    for side in mesh.face_regions.T:
        np.minimum.at(lower, side, low)
        np.maximum.at(upper, side, high)
    return lower[:-1], upper[:-1]
