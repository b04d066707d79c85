"""How well two label volumes agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def dice_scores(labels: NDArray[np.integer], reference: NDArray[np.integer]) -> dict[int, float]:
    """Return the Dice score of every reference label, against the label that overlaps it most.

    Parameters
    ----------
    labels, reference
        (Z, Y, X) labels, 0 outside.

    Returns
    -------
    dict
        Score by reference label: twice the shared voxels over the sum of both; 0 if nothing
        overlaps.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if labels.shape != reference.shape:
        raise ValueError(f"labels: shape {labels.shape} is not the reference's {reference.shape}")
    # Labels may be any large numbers, so what is counted are their places.
    found, places, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    places = places.reshape(labels.shape)
    scores = {}
    for label in np.unique(reference[reference > 0]):
        truth = reference == label
        shared = np.bincount(places[truth], minlength=len(found))
        shared[found == 0] = 0
        best = int(np.argmax(shared))
        scores[int(label)] = float(2.0 * shared[best] / (sizes[best] + truth.sum()))
        if shared[best] == 0:
            scores[int(label)] = 0.0
    return scores


def variation_of_information(
    labels: NDArray[np.integer],
    reference: NDArray[np.integer],
    ignore: int | None = None,
) -> tuple[float, float]:
    """Return how much two label volumes differ, in nats: by splitting and by merging.

    The first is the conditional entropy of the labels given the reference: it grows where one
    reference label is split into several. The second is that of the reference given the labels: it
    grows where several reference labels are merged into one. Their sum is the variation of
    information, a metric; 0 if both differ in the numbers alone. 0 is a label like any other.

    Parameters
    ----------
    labels, reference
        (Z, Y, X) labels.
    ignore
        A reference label whose voxels do not count.

    Returns
    -------
    tuple
        Split and merge, both 0 or more.

    Raises
    ------
    ValueError
        If the shapes differ, or no voxel counts.
    """
    if labels.shape != reference.shape:
        raise ValueError(f"labels: shape {labels.shape} is not the reference's {reference.shape}")
    counted = np.ones(labels.shape, dtype=bool) if ignore is None else reference != ignore
    if not counted.any():
        raise ValueError(
            f"reference: no voxel counts: there are none, or all hold the ignored label {ignore}"
        )
    found, ours = np.unique(labels[counted], return_inverse=True)
    _, theirs = np.unique(reference[counted], return_inverse=True)
    joint = np.unique(theirs.astype(np.int64) * len(found) + ours, return_counts=True)[1]
    both = _entropy(joint)
    split = both - _entropy(np.bincount(theirs))
    merge = both - _entropy(np.bincount(ours))
    return max(split, 0.0), max(merge, 0.0)


def _entropy(counts: NDArray[np.integer]) -> float:
    share = counts / counts.sum()
    return float(-np.sum(share * np.log(share)))


def with_boundary_offset(
    labels: NDArray[np.integer], spacing: ArrayLike, offset: float
) -> NDArray[np.integer]:
    """Return the labels with every boundary to the outside moved outwards by one distance.

    Parameters
    ----------
    labels
        (Z, Y, X) labels, 0 outside.
    spacing
        (3,) voxel size in um.
    offset
        Distance in um; negative moves boundaries inwards.

    Returns
    -------
    NDArray
        (Z, Y, X); voxels that several labels could grow into go to the nearest.
    """
    step = np.asarray(spacing, dtype=np.float64)
    if offset < 0:
        depth, _ = _boundary_distance(labels > 0, step)
        return np.where(depth > -offset, labels, 0)
    distance, nearest = _boundary_distance(labels == 0, step)
    return np.where(distance <= offset, labels[nearest], 0)


def _boundary_distance(
    inside: NDArray[np.bool_], step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[NDArray[np.int64], ...]]:
    """Return the distance in um to the end of ``inside``, and the nearest voxel out of it."""
    from scipy.ndimage import distance_transform_edt

    distance, nearest = distance_transform_edt(inside, sampling=tuple(step), return_indices=True)
    way = (np.indices(inside.shape) - nearest) * step[:, None, None, None]
    length = np.where(distance > 0, distance, 1.0)
    # The boundary runs half a voxel before the centre of the first voxel behind it.
    half = 0.5 * np.linalg.norm(way * step[:, None, None, None], axis=0) / length
    return distance - half, tuple(nearest)


def best_boundary_offset(
    labels: NDArray[np.integer],
    reference: NDArray[np.integer],
    spacing: ArrayLike,
    offsets: ArrayLike,
) -> tuple[float, dict[int, float]]:
    """Return the one offset for all boundaries that agrees best with a reference, and its scores.

    Annotators draw boundaries more or less generously; the offset takes that out and leaves the
    shape.

    Parameters
    ----------
    labels, reference
        (Z, Y, X) labels, 0 outside.
    spacing
        (3,) voxel size in um.
    offsets
        Distances in um to try.

    Returns
    -------
    float
        The offset in um with the highest mean Dice score.
    dict
        Dice score by reference label at that offset.
    """
    tried = [
        (float(offset), dice_scores(with_boundary_offset(labels, spacing, offset), reference))
        for offset in np.asarray(offsets, dtype=np.float64)
    ]
    return max(tried, key=lambda one: float(np.mean(list(one[1].values()))))
