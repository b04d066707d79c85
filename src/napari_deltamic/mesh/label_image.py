"""Label images made fit for meshing: one piece a label, no holes, continued past the border."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# Of a label's voxels: if less is dropped with its smaller pieces, nobody needs to know.
_NEGLIGIBLE = 0.05


def tidied(labels: NDArray[np.int32], values: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return labels 1..R with one piece each and without holes.

    Smaller pieces go to the label that they touch most. Of a label that is one voxel thin all
    over, voxels that share an edge or a corner count as one piece.

    Parameters
    ----------
    labels
        (Z, Y, X) labels 1..R, each present, and 0 outside.
    values
        (R,) what the labels are called in warnings.

    Warns
    -----
    UserWarning
        If more than a twentieth of a label was dropped.
    """
    from scipy.ndimage import binary_fill_holes, find_objects, label

    result = labels.copy()
    thick = _has_inner_voxel(labels, len(values))
    for number, box in enumerate(find_objects(labels), start=1):
        mask = labels[box] == number
        structure = None if thick[number] else np.ones((3, 3, 3))
        pieces, count = label(mask, structure)
        if count == 1:
            continue
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        if sizes.max() < (1.0 - _NEGLIGIBLE) * sizes.sum():
            warnings.warn(
                f"labels: label {values[number - 1]} is in {count} pieces; the largest is kept, "
                f"{sizes.max() / sizes.sum():.0%} of its voxels",
                stacklevel=5,
            )
        _give_away(result, box, pieces, int(sizes.argmax()))
    for number, box in enumerate(find_objects(result, len(values)), start=1):
        if box is not None:
            mask = result[box] == number
            result[box][binary_fill_holes(mask) & (result[box] == 0)] = number
    return result


def _has_inner_voxel(labels: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """Return (R + 1,) whether some voxel of each label has only the label round it."""
    padded = np.pad(labels, 1)
    inner = labels > 0
    for axis in range(3):
        for shift in (-1, 1):
            inner &= np.roll(padded, shift, axis)[1:-1, 1:-1, 1:-1] == labels
    found = np.zeros(count + 1, dtype=np.bool_)
    found[labels[inner]] = True
    return found


def _give_away(
    labels: NDArray[np.int32],
    box: tuple[slice, slice, slice],
    pieces: NDArray[np.int32],
    kept: int,
) -> None:
    """Give all pieces but one, numbered within a box, to what they touch most."""
    from scipy.ndimage import binary_dilation, find_objects

    for number, part in enumerate(find_objects(pieces), start=1):
        if number == kept:
            continue
        low = [side.start + offset.start for side, offset in zip(part, box, strict=True)]
        high = [side.stop + offset.start for side, offset in zip(part, box, strict=True)]
        before = [min(edge, 1) for edge in low]
        around = tuple(slice(max(a - 1, 0), b + 1) for a, b in zip(low, high, strict=True))
        inside = np.zeros(labels[around].shape, dtype=np.bool_)
        sizes = [side.stop - side.start for side in part]
        core = tuple(slice(a, a + size) for a, size in zip(before, sizes, strict=True))
        inside[core] = pieces[part] == number
        rim = binary_dilation(inside) & ~inside
        labels[around][inside] = np.bincount(labels[around][rim]).argmax() if rim.any() else 0


def continued(
    labels: NDArray[np.int32], spacing: NDArray[np.float64], beyond: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Repeat the border voxels for ``beyond`` (3,) um outside; return labels and shift in um."""
    width = np.ceil(beyond / spacing - 1e-9).astype(int)
    return np.pad(labels, [(n, n) for n in width], mode="edge"), -width * spacing


def solitary(
    labels: NDArray[np.int32], reach: NDArray[np.int64], numbers: NDArray[np.int64]
) -> Iterator[int]:
    """Yield those of some labels that have no other label within ``reach`` (3,) voxels."""
    from scipy.ndimage import find_objects

    boxes = find_objects(labels)
    for number in numbers:
        box = boxes[number - 1]
        wide = tuple(
            slice(max(side.start - n, 0), side.stop + n) for side, n in zip(box, reach, strict=True)
        )
        if np.isin(labels[wide], (0, number)).all():
            yield int(number)


def has_thin_label(labels: NDArray[np.int32]) -> bool:
    """Return whether some label 1..R has no voxel that the label surrounds."""
    return not _has_inner_voxel(labels, int(labels.max()))[1:].all()
