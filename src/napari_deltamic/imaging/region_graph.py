"""Regions of a label image and their contacts: how strong each is, and which to merge."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Contacts:
    """Which regions touch, over which area, and how strongly they are separated there.

    Attributes
    ----------
    count
        One more than the largest label.
    first, second
        (C,) labels of the two sides; first < second; 0 takes no part.
    area
        (C,) of the voxel faces that they share, in um^2.
    strength
        (C,) integral of the separating strength over that area.
    """

    count: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    area: NDArray[np.float64]
    strength: NDArray[np.float64]

    def mean(self) -> NDArray[np.float64]:
        """Return (C,) mean strengths."""
        return np.asarray(self.strength / self.area)

    def region_mean(self) -> NDArray[np.float64]:
        """Return (count,) the mean strength round every region; infinite where it touches none."""
        area, strength = (
            np.bincount(self.first, values, self.count)
            + np.bincount(self.second, values, self.count)
            for values in (self.area, self.strength)
        )
        mean = np.full(self.count, np.inf)
        np.divide(strength, area, out=mean, where=area > 0)
        return mean


def contacts(
    labels: NDArray[np.integer], strength: NDArray[np.float32], spacing: NDArray[np.float64]
) -> Contacts:
    """Return the contacts of a label image.

    Parameters
    ----------
    labels
        (Z, Y, X) labels; 0 takes no part.
    strength
        (Z, Y, X); a voxel face is as strong as the stronger of its two voxels, and NaN in either
        leaves it out.
    spacing
        (3,) voxel size in um.
    """
    count = int(labels.max()) + 1
    keys, areas, strengths = [], [], []
    for area, low, high in _faces(spacing):
        one, other = labels[low], labels[high]
        here = (one != other) & (one > 0) & (other > 0)
        found = np.maximum(strength[low][here], strength[high][here])
        known = ~np.isnan(found)
        keys.append(_keys(one[here], other[here], count)[known])
        strengths.append(found[known] * area)
        areas.append(np.full(int(known.sum()), area))
    unique, place = np.unique(np.concatenate(keys), return_inverse=True)
    return Contacts(
        count=count,
        first=unique // count,
        second=unique % count,
        area=np.bincount(place, np.concatenate(areas), len(unique)).astype(np.float64),
        strength=np.bincount(place, np.concatenate(strengths), len(unique)).astype(np.float64),
    )


def boundary_voxels(
    labels: NDArray[np.integer],
    graph: Contacts | None = None,
    chosen: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Return which voxels share a face with another label.

    Parameters
    ----------
    labels
        (Z, Y, X).
    graph, chosen
        Contacts of these labels and (C,) which of them count; by default every change of label
        counts.
    """
    result = np.zeros(labels.shape, dtype=bool)
    for _, low, high in _faces(np.ones(3)):
        one, other = labels[low], labels[high]
        differ = one != other
        if graph is not None and chosen is not None:
            key = _keys(one[differ], other[differ], graph.count)
            known = graph.first * graph.count + graph.second
            place = np.minimum(np.searchsorted(known, key), len(known) - 1)
            differ[differ] = chosen[place] & (known[place] == key)
        result[low] |= differ
        result[high] |= differ
    return result


def exposed_areas(labels: NDArray[np.integer], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (count,) the area in um^2 over which every label borders on 0 or the stack's end."""
    count = int(labels.max()) + 1
    result = np.zeros(count)
    for area, low, high in _faces(spacing):
        one, other = labels[low], labels[high]
        for inner, outer in ((one, other), (other, one)):
            result += area * np.bincount(inner[outer == 0], minlength=count)
    for axis in range(3):
        for end in (0, -1):
            side = np.take(labels, end, axis=axis).ravel()
            result += spacing.prod() / spacing[axis] * np.bincount(side, minlength=count)
    result[0] = 0.0
    return result


def merge(
    graph: Contacts,
    limit: float,
    apart: NDArray[np.integer] | None = None,
    reluctant: int | None = None,
    reluctance: float = 1.0,
) -> NDArray[np.int64]:
    """Merge regions over their weakest contacts until all contacts left are strong enough.

    Contacts of merged regions are pooled: their mean strength is that over the whole shared area.

    Parameters
    ----------
    graph
        The contacts.
    limit
        Mean strength below which a contact separates nothing.
    apart
        (count,) classes; regions of different classes, 0 apart, never become one.
    reluctant, reluctance
        A region whose contacts count as so many times stronger.

    Returns
    -------
    ndarray
        (count,) for every region the number of the one that it now belongs to.
    """
    around: list[dict[int, list[float]]] = [{} for _ in range(graph.count)]
    group = [0] * graph.count if apart is None else [int(value) for value in apart]
    slow = [region == reluctant for region in range(graph.count)]
    owner = list(range(graph.count))
    queue: list[tuple[float, int, int, float]] = []

    def score_of(one: int, other: int, contact: list[float]) -> float:
        mean = contact[1] / contact[0]
        return mean * reluctance if slow[one] or slow[other] else mean

    def offer(one: int, other: int, contact: list[float]) -> None:
        # Areas only grow, so that an entry whose area is not the contact's is out of date.
        score = score_of(one, other, contact)
        heapq.heappush(queue, (score, min(one, other), max(one, other), contact[0]))

    table = (graph.first.tolist(), graph.second.tolist())
    for one, other, *contact in zip(
        *table, graph.area.tolist(), graph.strength.tolist(), strict=True
    ):
        around[one][other] = around[other][one] = contact
        offer(one, other, contact)
    while queue and queue[0][0] < limit:
        score, kept, gone, area = heapq.heappop(queue)
        current = around[kept].get(gone)
        if current is None or current[0] != area:
            continue
        if score < score_of(kept, gone, current):
            offer(kept, gone, current)  # it was scored before one of them joined the reluctant
            continue
        if group[kept] and group[gone] and group[kept] != group[gone]:
            continue
        if len(around[kept]) < len(around[gone]):
            kept, gone = gone, kept
        owner[gone] = kept
        group[kept] = group[kept] or group[gone]
        slow[kept] = slow[kept] or slow[gone]
        for third, contact in around[gone].items():
            if third == kept:
                continue
            del around[third][gone]
            shared = around[kept].setdefault(third, [0.0, 0.0])
            around[third][kept] = shared
            shared[0] += contact[0]
            shared[1] += contact[1]
            offer(kept, third, shared)
        del around[kept][gone]
        around[gone] = {}
    return _roots(np.array(owner, dtype=np.int64))


def _keys(one: NDArray[np.integer], other: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Return one number per unordered pair of labels."""
    low, high = np.minimum(one, other).astype(np.int64), np.maximum(one, other).astype(np.int64)
    return np.asarray(low * count + high)


def _roots(owner: NDArray[np.int64]) -> NDArray[np.int64]:
    while True:
        further = owner[owner]
        if (further == owner).all():
            return owner
        owner = further


def _faces(
    spacing: NDArray[np.float64],
) -> Iterator[tuple[float, tuple[slice, ...], tuple[slice, ...]]]:
    """Yield, for every axis, a voxel face's area and the slices of the voxels on its two sides."""
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        yield float(spacing.prod() / spacing[axis]), tuple(low), tuple(high)
