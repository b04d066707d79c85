"""Keeping every label of a lattice in one piece."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Pockets of the outside with fewer lattice points are gaps between rounded labels, not cavities.
_SMALLEST_POCKET = 12


def in_one_piece(
    labels: NDArray[np.int32], next_labels: NDArray[np.int32], shape: tuple[int, int, int]
) -> NDArray[np.int32]:
    """Return the labels with all but the largest piece of each given to its surroundings.

    Parameters
    ----------
    labels
        (N,) label of each point of a body-centred cubic lattice, 0 all along its border.
    next_labels
        (N,) label that each point is given by preference if it cannot keep its own.
    shape
        Cubes along each axis; N is twice their number.

    Returns
    -------
    NDArray
        (N,) labels; pockets of label 0 stay unless they are tiny.
    """
    neighbours = _neighbour_offsets(shape)
    result = labels.copy()
    root = _pieces(result, neighbours)
    sizes = np.bincount(root, minlength=len(labels))
    roots = np.flatnonzero(sizes)
    # Ascending sizes, so that the last piece written for a label is its largest.
    roots = roots[np.argsort(sizes[roots], kind="stable")]
    largest = np.zeros(int(labels.max()) + 1, dtype=np.int64)
    largest[labels[roots]] = roots
    keep = np.zeros(len(labels), dtype=np.bool_)
    keep[largest] = True
    pockets = roots[labels[roots] == 0]
    keep[pockets[sizes[pockets] >= _SMALLEST_POCKET]] = True
    kept = keep[root]
    _give_away(result, next_labels, kept, neighbours)
    return result


def _neighbour_offsets(shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return (2, 14) index steps from a corner and from a middle to its nearest points.

    Steps over the end of a row lead from border to border, where all labels are 0.
    """
    _, rows, columns = shape
    middle = int(np.prod(shape))
    strides = np.array([rows * columns, columns, 1])
    across = np.concatenate([strides, -strides])
    around = np.indices((2, 2, 2)).reshape(3, 8).T @ strides
    return np.array([[*across, *(middle - around)], [*across, *(around - middle)]])


@njit(cache=True, nogil=True)
def _pieces(labels: NDArray[np.int32], neighbours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (N,) the first point of the connected piece that each point belongs to."""
    count = len(labels)
    root = np.arange(count)
    for point in range(count):
        for step in neighbours[0 if point < count // 2 else 1]:
            other = point + step
            if other < 0 or other >= point or labels[other] != labels[point]:
                continue
            a, b = _find(root, point), _find(root, other)
            root[max(a, b)] = min(a, b)
    for point in range(count):
        root[point] = root[root[point]]
    return root


@njit(cache=True, nogil=True)
def _find(root: NDArray[np.int64], point: int) -> int:
    while root[point] != point:
        root[point] = root[root[point]]
        point = root[point]
    return point


@njit(cache=True, nogil=True)
def _give_away(
    labels: NDArray[np.int32],
    next_labels: NDArray[np.int32],
    kept: NDArray[np.bool_],
    neighbours: NDArray[np.int64],
) -> None:
    """Let points that are not kept join a neighbour that is, from the rim of each piece inwards."""
    left = np.flatnonzero(~kept)
    count = len(labels)
    while len(left):
        goals = np.full(len(left), -1, np.int64)
        for place in range(len(left)):
            point = left[place]
            for step in neighbours[0 if point < count // 2 else 1]:
                other = point + step
                if other < 0 or other >= count or not kept[other]:
                    continue
                if goals[place] < 0 or labels[other] == next_labels[point]:
                    goals[place] = labels[other]
        for place in range(len(left)):
            if goals[place] >= 0:
                labels[left[place]] = goals[place]
                kept[left[place]] = True
        left = left[goals < 0]
