"""Packings of soft cells, as bubbles of a foam pack: labels on a grid.

The cells start as a Voronoi diagram in an ellipsoid and shrink their common area at given volumes
by threshold dynamics: blur each cell, give each voxel to the cell that is strongest there, with an
offset for each cell that keeps its volume (Jacobs, Merkurjev and Esedoglu, J. Comput. Phys. 2018).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Across a ball of a cell's mean volume. Fewer lose the thin contacts, more cost time.
_VOXELS_PER_CELL = 22.0
# Of the blur, in voxels: wide ones order the cells, narrow ones find the lines where they meet.
_WIDTHS = (4.0, 4.0, 3.5, 3.5, 3.0, 3.0, 2.5, 2.5, 2.2, 2.0, 2.0, 1.8, 1.8, 1.6, 1.6)
_TRUNCATE = 3.0
# Interfaces below this, in squares of a cell's diameter, are neither seen nor measured: cells that
# touch on less repel each other.
SMALL_INTERFACE = 0.02
_REPELLED_WIDTHS = (3.0, 3.0, 3.0, 2.5, 2.0, 1.8, 1.6)
_REPULSION = 0.8
_REPULSION_ROUNDS = 3
_VOLUME_ROUNDS = 12
_DAMPING = 0.7
_LLOYD_ROUNDS = 12
_POINTS_PER_CELL = 300
_SMALLEST_SHARE = 0.3

Window = tuple[slice, slice, slice]


class Foam(NamedTuple):
    """A packing of cells on an isotropic grid, in lengths of one cell's diameter."""

    labels: NDArray[np.int32]
    """(Z, Y, X) cell 1, 2, ... in each voxel, 0 outside."""
    spacing: float
    """Voxel size; 1 is the diameter of a ball of the cells' mean volume."""


def pack_cells(
    volumes: NDArray[np.float64],
    aspect: NDArray[np.float64],
    rng: np.random.Generator,
    sisters: int | None = None,
) -> Foam:
    """Pack cells of given volumes in an ellipsoid, as bubbles of a foam.

    Parameters
    ----------
    volumes
        (N,) relative to each other.
    aspect
        (3,) the ellipsoid's half-axes, relative to each other.
    rng
        Chooses where the cells start.
    sisters
        Number of a cell, from 1, that shall lie beside the last cell, as after a division.

    Returns
    -------
    Foam
        Each cell is in one piece, and so is the outside.

    Raises
    ------
    ValueError
        If a cell is lost, being far smaller than the others.
    """
    count = len(volumes)
    voxel = 1.0 / _VOXELS_PER_CELL
    half_axes = 0.5 * np.cbrt(count) * aspect / np.cbrt(aspect.prod())
    sites = _spread_sites(count if sisters is None else count - 1, half_axes, rng)
    if sisters is not None:
        sites = _divide_site(sites, sisters - 1, rng)
    labels = _voronoi(sites, half_axes, voxel)
    # What the ellipsoid holds in voxels is shared out by the wanted volumes.
    wanted = volumes / volumes.sum() * np.count_nonzero(labels)
    for width in _WIDTHS:
        labels = _threshold_step(labels, wanted, width)
    repelled = np.empty((0, 2), np.int64)
    for _ in range(_REPULSION_ROUNDS):
        pairs, areas = _interfaces(Foam(labels, voxel))
        small = pairs[areas < SMALL_INTERFACE]
        if len(small) == 0:
            break
        repelled = np.unique(np.concatenate([repelled, small]), axis=0)
        for width in _REPELLED_WIDTHS:
            labels = _threshold_step(labels, wanted, width, repelled)
    labels = _in_one_piece(labels, count)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    lost = np.flatnonzero(sizes < _SMALLEST_SHARE * wanted)
    if len(lost):
        raise ValueError(
            f"volumes: cell {lost[0] + 1} did not hold its place among the others; "
            "use volumes that differ less, or another seed"
        )
    return Foam(labels, voxel)


def smallest_interface(foam: Foam) -> float:
    """Return the area of the smallest interface, in squares of a cell's diameter, by its voxels."""
    return float(_interfaces(foam)[1].min(initial=np.inf))


def _interfaces(foam: Foam) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (I, 2) which cells touch, 0 for the outside, and (I,) on how large an area."""
    count = int(foam.labels.max()) + 1
    sides = np.zeros(count * count)
    for axis in range(3):
        ahead = np.moveaxis(foam.labels, axis, 0)
        keys = np.minimum(ahead[1:], ahead[:-1]) * count + np.maximum(ahead[1:], ahead[:-1])
        sides += np.bincount(keys[ahead[1:] != ahead[:-1]], minlength=count * count)
    found = np.flatnonzero(sides)
    # A plane at random angles has 3/2 of its area in voxel sides.
    areas = sides[found] * foam.spacing**2 / 1.5
    return np.stack(np.divmod(found, count), axis=1), areas


def _spread_sites(
    count: int, half_axes: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return (count, 3) points spread evenly in the ellipsoid, by Lloyd's rounds."""
    from scipy.spatial import cKDTree

    directions = rng.normal(size=(_POINTS_PER_CELL * count, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    points = directions * np.cbrt(rng.uniform(size=len(directions)))[:, None] * half_axes
    sites = points[:count].copy()
    for _ in range(_LLOYD_ROUNDS):
        nearest = cKDTree(sites).query(points)[1]
        members = np.bincount(nearest, minlength=count)
        for axis in range(3):
            sums = np.bincount(nearest, points[:, axis], count)
            sites[:, axis] = np.where(members, sums / np.maximum(members, 1), sites[:, axis])
    return sites


def _divide_site(
    sites: NDArray[np.float64], index: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Put two sites in place of one, side by side seen from the middle; the second comes last."""
    radial = sites[index] - sites.mean(axis=0)
    across = np.cross(radial, rng.normal(size=3))
    across *= 0.25 / max(float(np.linalg.norm(across)), 1e-9)
    divided = np.vstack([sites, sites[index] - across])
    divided[index] += across
    return divided


def _voronoi(
    sites: NDArray[np.float64], half_axes: NDArray[np.float64], voxel: float
) -> NDArray[np.int32]:
    """Return (Z, Y, X) the nearest site, counted from 1, within the ellipsoid and 0 around it."""
    from scipy.spatial import cKDTree

    # Bubbles bulge out of the ellipsoid, and the blur needs room as well.
    reach = np.ceil((half_axes + 0.3) / voxel).astype(int)
    axes = [voxel * np.arange(-size, size + 1) for size in reach]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    inside = ((grid / half_axes) ** 2).sum(axis=-1) < 1.0
    labels = np.zeros(inside.shape, np.int32)
    labels[inside] = 1 + cKDTree(sites).query(grid[inside])[1]
    return labels


def _threshold_step(
    labels: NDArray[np.int32],
    wanted: NDArray[np.float64],
    width: float,
    repelled: NDArray[np.int64] | None = None,
) -> NDArray[np.int32]:
    """Blur the cells and give each voxel to the strongest, at nearly the wanted volumes."""
    from scipy.ndimage import gaussian_filter

    windows = _windows(labels, len(wanted), int(np.ceil(_TRUNCATE * width)) + 1)
    fields = [
        gaussian_filter((labels[window] == cell).astype(np.float32), width, truncate=_TRUNCATE)
        for cell, window in enumerate(windows, start=1)
    ]
    outside = np.ones(labels.shape, np.float32)
    for window, field in zip(windows, fields, strict=True):
        outside[window] -= field
    if repelled is not None:
        outside, fields = _repelled(outside, fields, windows, repelled)
    offsets = np.zeros(len(wanted), np.float32)
    # An offset moves a boundary by itself over the sum of the two slopes, 2 / (sqrt(2 pi) width).
    surface = np.cbrt(36.0 * np.pi * wanted**2)
    stiffness = 2.0 / (np.sqrt(2.0 * np.pi) * width) / surface
    for _ in range(_VOLUME_ROUNDS):
        best = outside.copy()
        winner = np.zeros_like(labels)
        for cell, (window, field) in enumerate(zip(windows, fields, strict=True), start=1):
            strength = field + offsets[cell - 1]
            stronger = strength > best[window]
            # Where a blurred cell is all but zero an offset must not make it appear.
            stronger &= field > 0.02
            best[window][stronger] = strength[stronger]
            winner[window][stronger] = cell
        missing = wanted - np.bincount(winner.ravel(), minlength=len(wanted) + 1)[1:]
        if np.abs(missing / wanted).max() < 0.003:
            break
        offsets += (_DAMPING * stiffness * missing).astype(np.float32)
    return winner


def _repelled(
    outside: NDArray[np.float32],
    fields: list[NDArray[np.float32]],
    windows: list[Window],
    pairs: NDArray[np.int64],
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Weaken cells where those are that they shall not touch, as a higher tension would."""
    everywhere: Window = (slice(0, None),) * 3
    before, places = [outside, *fields], [everywhere, *windows]
    after = [field.copy() for field in before]
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            whole = np.zeros(outside.shape, np.float32)
            whole[places[other]] = before[other]
            after[one] -= np.float32(_REPULSION) * whole[places[one]]
    return after[0], after[1:]


def _windows(labels: NDArray[np.int32], count: int, pad: int) -> list[Window]:
    """Return each cell's bounding box with ``pad`` voxels around it."""
    from scipy.ndimage import find_objects

    return [
        tuple(  # type: ignore[misc]
            slice(max(side.start - pad, 0), min(side.stop + pad, size))
            for side, size in zip(box or (slice(0, 0),) * 3, labels.shape, strict=True)
        )
        for box in find_objects(labels, count)
    ]


def _in_one_piece(labels: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Give stray pieces of the cells and of the outside to the nearest cell."""
    from scipy.ndimage import distance_transform_edt, label

    kept = np.zeros(labels.shape, bool)
    for cell in range(count + 1):
        pieces, number = label(labels == cell)
        if number:
            kept |= pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    if kept.all():
        return labels
    # A stray piece lies within a cell or between cells, so it becomes one of them.
    _, nearest = distance_transform_edt(~(kept & (labels > 0)), return_indices=True)
    return np.where(kept, labels, labels[tuple(nearest)])
