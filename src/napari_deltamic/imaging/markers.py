"""The user's marks of cells: points or painted labels, and the pieces of the image they claim."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.stack import ImageStack


def marker_image(markers: ArrayLike, stack: ImageStack) -> NDArray[np.int32]:
    """Return the marks on the stack's voxels.

    Parameters
    ----------
    markers
        (N, 3) points in um, (z, y, x), or (Z, Y, X) whole numbers, 0 where nothing is marked.
    stack
        The stack they lie in.

    Returns
    -------
    ndarray
        (Z, Y, X) int32: 1, 2, 3, ... at the points, or the given labels; 0 elsewhere.

    Raises
    ------
    ValueError
        If the shape or type is neither, there is no marker, a point lies outside the stack, or two
        lie in one voxel.
    """
    array = np.asarray(markers)
    if array.ndim == 3:
        return _painted(array, stack)
    if array.ndim != 2 or array.shape[1] != 3 or len(array) == 0:
        raise ValueError(
            "markers: expected (N, 3) points in um with N of 1 or more, or a label image of the "
            f"stack's shape {stack.shape}, got shape {array.shape}"
        )
    points = array.astype(np.float64)
    out = ~((points >= stack.lower_corner) & (points <= stack.upper_corner)).all(axis=1)
    if out.any():
        first = int(np.flatnonzero(out)[0])
        lower, upper = (
            tuple(np.round(corner, 3).tolist())
            for corner in (stack.lower_corner, stack.upper_corner)
        )
        raise ValueError(
            f"markers: {int(out.sum())} of {len(points)} lie outside the stack, the first is point "
            f"{first + 1} at {tuple(points[first].tolist())} um; the stack reaches from {lower} to "
            f"{upper} um; points are (z, y, x) in um, not voxels"
        )
    voxels = np.round((points - stack.origin) / stack.spacing).astype(int)
    voxels = np.clip(voxels, 0, np.array(stack.shape) - 1)
    _, first_of, counts = np.unique(voxels, axis=0, return_index=True, return_counts=True)
    if (counts > 1).any():
        twin = int(first_of[counts > 1][0])
        raise ValueError(
            f"markers: point {twin + 1} shares its voxel with another; keep one of them per cell"
        )
    marks = np.zeros(stack.shape, dtype=np.int32)
    marks[tuple(voxels.T)] = np.arange(1, len(points) + 1)
    return marks


def _painted(array: NDArray[np.generic], stack: ImageStack) -> NDArray[np.int32]:
    if array.shape != stack.shape:
        raise ValueError(
            f"markers: a label image must have the stack's shape {stack.shape}, got {array.shape}"
        )
    if not np.issubdtype(array.dtype, np.integer) or int(array.min()) < 0:
        raise ValueError(
            f"markers: a label image must hold whole numbers of 0 or more, got {array.dtype}"
        )
    if not array.any():
        raise ValueError("markers: the label image marks nothing; paint a label in every cell")
    return array.astype(np.int32)


def marked_pieces(
    pieces: NDArray[np.int32],
    marks: NDArray[np.int32],
    strength: NDArray[np.float32],
    domain: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give every marked piece to its mark; split pieces in which several marks lie.

    Parameters
    ----------
    pieces, marks
        (Z, Y, X) labels, 0 for none.
    strength
        (Z, Y, X) of membranes, along which pieces are split.
    domain
        (Z, Y, X) where pieces may lie.

    Returns
    -------
    pieces
        (Z, Y, X) in which no piece holds two marks.
    group
        (count,) the mark of every piece, 0 for none.
    """
    from skimage.segmentation import watershed

    marks = np.where(domain, marks, 0)
    where = marks > 0
    pairs = np.unique(np.stack([pieces[where], marks[where]]), axis=1)
    owners, counts = np.unique(pairs[0], return_counts=True)
    contested = np.isin(pieces, owners[counts > 1]) & domain
    result = pieces
    if contested.any():
        height = np.nan_to_num(strength, nan=0.0)
        top = int(pieces.max())
        split = watershed(height, np.where(contested, marks, 0), mask=contested)
        result = np.where(contested, np.where(split > 0, split + top, 0), pieces).astype(np.int32)
    group = np.zeros(int(result.max()) + 1, dtype=np.int64)
    group[result[where]] = marks[where]
    return result, group
