"""How much of its surroundings a label fills: smooth fields on a lattice of points.

A label's field is its voxels, as solid boxes, convolved with a Gaussian, evaluated exactly: both
are products of three functions of one coordinate each, so the field is the label times a matrix
along each axis. Fields of all labels and the outside add up to one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Sigmas from a label at which its field counts as zero; it is below 1e-3 there.
_REACH = 3.2
# Lattice points all round that no field reaches.
_MARGIN = 2


@dataclass
class LabelFields:
    """Fields of labels 1..R on a body-centred cubic lattice; label 0 is the outside.

    Lattice point ``p`` of the first half is a corner of a cube, of the second half a cube's middle.
    """

    start: NDArray[np.float64]
    """(3,) position of the first lattice point in um."""
    step: float
    """Side of the cubes in um."""
    shape: tuple[int, int, int]
    """Cubes along each axis."""
    outside: NDArray[np.float32]
    """(N,) field of label 0."""
    windows: list[tuple[slice, slice, slice]]
    """Cubes that the field of label i + 1 reaches."""
    inside: list[NDArray[np.float32]]
    """(2, ...) field of label i + 1 at corners and middles of these cubes."""
    weights: NDArray[np.float64] = field(init=False)
    """(R + 1,) what each label's field is multiplied by, to make it larger or smaller; 1 first."""

    def positions(self, points: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (N, 3) where lattice points lie, in um."""
        half, rest = np.divmod(points, int(np.prod(self.shape)))
        places = np.stack(np.unravel_index(rest, self.shape), axis=-1)
        return np.asarray(self.start + self.step * (places + 0.5 * half[..., None]))

    def values(self, labels: NDArray[np.int32], points: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (N,) the weighted fields of given labels at given lattice points."""
        half, rest = np.divmod(points, int(np.prod(self.shape)))
        places = np.stack(np.unravel_index(rest, self.shape), axis=-1)
        low, size, begin, everything = self._table
        within = places - low[labels]
        extent = size[labels]
        reached = ((within >= 0) & (within < extent)).all(axis=1)
        index = ((half * extent[:, 0] + within[:, 0]) * extent[:, 1] + within[:, 1]) * extent[:, 2]
        index += within[:, 2] + begin[labels]
        found = np.where(reached, everything[np.where(reached, index, 0)], 0.0)
        return np.asarray(found * self.weights[labels])

    def __post_init__(self) -> None:
        """Lay all fields out in one array, so that one look-up serves points of many labels."""
        self.weights = np.ones(len(self.inside) + 1)
        low = [(0, 0, 0)] + [tuple(side.start for side in window) for window in self.windows]
        size = [self.shape] + [values.shape[1:] for values in self.inside]
        parts = [self.outside, *(values.reshape(-1) for values in self.inside)]
        begin = np.cumsum([0, *(len(part) for part in parts)])[:-1]
        everything = np.concatenate(parts)
        self._table = np.array(low), np.array(size), begin, everything
        self.outside = everything[: len(parts[0])]
        self.inside = [
            everything[first : first + len(part)].reshape(values.shape)
            for first, part, values in zip(begin[1:], parts[1:], self.inside, strict=True)
        ]

    def strongest(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return (N,) the label with the largest weighted field at each point, and the next one."""
        best = self.outside.reshape(2, *self.shape).copy()
        first = np.zeros(best.shape, dtype=np.int32)
        next_best = np.full(best.shape, -np.inf, dtype=np.float32)
        second = np.zeros(best.shape, dtype=np.int32)
        for number, (window, values) in enumerate(zip(self.windows, self.inside, strict=True), 1):
            place = (slice(None), *window)
            value = values * np.float32(self.weights[number])
            wins = value > best[place]
            runs_up = ~wins & (value > next_best[place])
            next_best[place] = np.where(
                wins, best[place], np.where(runs_up, value, next_best[place])
            )
            second[place] = np.where(wins, first[place], np.where(runs_up, number, second[place]))
            best[place] = np.where(wins, value, best[place])
            first[place][wins] = number
        return first.reshape(-1), second.reshape(-1)


def label_fields(
    labels: NDArray[np.int32],
    spacing: NDArray[np.float64],
    origin: NDArray[np.float64],
    smoothing: NDArray[np.float64],
    step: float,
) -> LabelFields:
    """Return the fields of labels 1..R on a lattice with cubes of side ``step`` um.

    Parameters
    ----------
    labels
        (Z, Y, X) labels 1..R, each of them present, and 0 outside. Voxels of -1 belong to none
        and are left to their surroundings.
    spacing, origin
        (3,) voxel size and centre of the first voxel in um.
    smoothing
        (3,) sigma of the Gaussian along each axis in um.
    """
    from scipy.ndimage import find_objects

    boxes = find_objects(labels)
    ends = np.array([[(side.start, side.stop) for side in box] for box in boxes])
    reach = _REACH * smoothing
    low = origin + spacing * (ends[..., 0] - 0.5) - reach
    high = origin + spacing * (ends[..., 1] - 0.5) + reach
    start = low.min(axis=0) - _MARGIN * step
    shape = np.ceil((high.max(axis=0) - start) / step).astype(int) + 1 + _MARGIN
    windows, inside = [], []
    outside = np.ones((2, *shape), dtype=np.float32)
    for number, box in enumerate(boxes, start=1):
        first = np.floor((low[number - 1] - start) / step).astype(int)
        last = np.ceil((high[number - 1] - start) / step).astype(int) + 1
        window = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        values = (labels[box] == number).astype(np.float32)
        halves = []
        for half in (0.0, 0.5):
            result = values
            for axis in range(3):
                points = start[axis] + step * (np.arange(first[axis], last[axis]) + half)
                voxels = np.arange(box[axis].start, box[axis].stop)
                centers = origin[axis] + spacing[axis] * voxels
                matrix = _box_weights(points, centers, spacing[axis], smoothing[axis])
                # Each product moves the axis to the end, so three of them restore the order.
                result = np.tensordot(result, matrix, axes=(0, 1))
            halves.append(result)
        field_values = np.stack(halves)
        outside[(slice(None), *window)] -= field_values
        windows.append((window[0], window[1], window[2]))
        inside.append(field_values)
    size = (int(shape[0]), int(shape[1]), int(shape[2]))
    return LabelFields(start, step, size, outside.reshape(-1), windows, inside)


def _box_weights(
    points: NDArray[np.float64], centers: NDArray[np.float64], width: float, sigma: float
) -> NDArray[np.float32]:
    """Return (P, V) the integral over each voxel's extent of a Gaussian about each point."""
    from scipy.special import ndtr

    away = points[:, None] - centers
    weights = ndtr((away + 0.5 * width) / sigma) - ndtr((away - 0.5 * width) / sigma)
    return np.asarray(weights, dtype=np.float32)
