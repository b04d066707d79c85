"""Which cells of a tissue are fitted together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh


def region_centres(mesh: TriangleMesh) -> NDArray[np.float64]:
    """Return (R, 3) the means of the regions' corners in um, in the order of ``mesh.regions``."""
    corners = mesh.vertices[mesh.faces].mean(axis=1)
    # The first row is that of the outside.
    size = len(mesh.regions) + 1
    sums, counts = np.zeros((size, 3)), np.zeros(size)
    for side in (mesh.face_regions + 1).T:
        counts += np.bincount(side, minlength=size)
        for axis in range(3):
            sums[:, axis] += np.bincount(side, corners[:, axis], size)
    return np.asarray(sums[1:] / counts[1:, None])


def partition(mesh: TriangleMesh, most: int) -> list[NDArray[np.int64]]:
    """Return the regions of each block: compact, alike in number, none with more than ``most``.

    The centres are cut in two across their longest extent, and each half again.
    """
    if most < 1:
        raise ValueError(f"cells: expected 1 or more in a block, got {most}")
    blocks = -(-len(mesh.regions) // most)
    return _cut(mesh.regions, region_centres(mesh), blocks)


def _cut(
    regions: NDArray[np.int64], centres: NDArray[np.float64], blocks: int
) -> list[NDArray[np.int64]]:
    if blocks <= 1:
        return [np.sort(regions)]
    axis = int(np.ptp(centres, axis=0).argmax())
    # Of equals the lower region first, so that nothing depends on chance.
    order = np.lexsort([regions, centres[:, axis]])
    first = blocks // 2
    split = -(-len(regions) * first // blocks)
    lower, upper = order[:split], order[split:]
    return _cut(regions[lower], centres[lower], first) + _cut(
        regions[upper], centres[upper], blocks - first
    )
