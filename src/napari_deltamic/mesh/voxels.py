"""Label volumes of meshes: which region each voxel's centre lies in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.section import plane_sections
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def voxelise(
    mesh: TriangleMesh,
    shape: tuple[int, int, int],
    spacing: ArrayLike,
    origin: ArrayLike = (0.0, 0.0, 0.0),
) -> NDArray[np.int32]:
    """Return the region that each voxel's centre lies in.

    Parameters
    ----------
    mesh
        A mesh whose regions are closed.
    shape
        (Z, Y, X) voxels.
    spacing, origin
        (3,) voxel size and centre of voxel (0, 0, 0) in um, in (z, y, x) order.

    Returns
    -------
    NDArray
        (Z, Y, X) int32 labels, 0 outside. Where regions overlap the lower number has the voxel.

    Raises
    ------
    ValueError
        If a region is not closed or its number too large for int32, or if shape, spacing or origin
        are not three valid numbers.
    """
    size = np.asarray(shape)
    step, start = np.asarray(spacing, dtype=np.float64), np.asarray(origin, dtype=np.float64)
    if size.shape != (3,) or (size < 1).any():
        raise ValueError(f"shape: expected three voxel counts, (Z, Y, X), got {shape}")
    if step.shape != (3,) or not np.isfinite(step).all() or (step <= 0).any():
        raise ValueError(f"spacing: expected three positive voxel sizes in um, got {spacing}")
    if start.shape != (3,) or not np.isfinite(start).all():
        raise ValueError(f"origin: expected three positions in um, got {origin}")
    open_regions = mesh.open_regions()
    if len(open_regions):
        raise ValueError(
            f"mesh: region {open_regions[0]} is not closed, so it has no inside; "
            "close its holes or drop it"
        )
    largest = int(mesh.regions.max(initial=0))
    if largest > np.iinfo(np.int32).max:
        raise ValueError(
            f"mesh: label images hold numbers up to {np.iinfo(np.int32).max}, but it has a region "
            f"{largest}; number its regions anew"
        )
    labels = np.zeros(tuple(size), dtype=np.int32)
    for region in mesh.regions:
        surface = mesh.region_mesh(int(region))
        vertices = (surface.vertices - start) / step
        low = np.clip(np.ceil(vertices.min(axis=0)).astype(int), 0, size)
        high = np.clip(np.floor(vertices.max(axis=0)).astype(int) + 1, low, size)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        inside = _inside(vertices - low, surface.faces, tuple(high - low))
        labels[box][inside & (labels[box] == 0)] = region
    return labels


def _inside(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], shape: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Return which points of a unit grid a closed surface encloses, winding it once or more."""
    depth, rows, columns = shape
    sections = plane_sections(vertices, faces, 0, np.arange(depth))
    (y0, x0), (y1, x1) = sections.segments.transpose(1, 2, 0)
    # A row is crossed if exactly one end of the segment lies before it: vertices never count twice.
    first = np.clip(np.floor(np.minimum(y0, y1)).astype(int) + 1, 0, rows)
    last = np.clip(np.floor(np.maximum(y0, y1)).astype(int) + 1, first, rows)
    count = last - first
    segment = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count - first, count)

    y0, x0, y1, x1 = y0[segment], x0[segment], y1[segment], x1[segment]
    x = x0 + (row - y0) / (y1 - y0) * (x1 - x0)
    x = np.clip(x, np.minimum(x0, x1), np.maximum(x0, x1))
    column = np.clip(np.ceil(x).astype(int), 0, columns)
    # One column more than the grid takes the crossings behind its last point.
    flat = (sections.planes[segment] * rows + row) * (columns + 1) + column
    turns = np.bincount(flat, np.where(y1 > y0, 1.0, -1.0), depth * rows * (columns + 1))
    winding = np.cumsum(turns.reshape(depth, rows, columns + 1), axis=2)[:, :, :columns]
    return np.asarray(winding > 0.5)
