"""Cells of a stack whose membranes are marked, as a label image or as one point per cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.envelope import closed_mask, outside_pieces, typical_volume
from napari_deltamic.imaging.markers import marked_pieces, marker_image
from napari_deltamic.imaging.region_graph import (
    Contacts,
    boundary_voxels,
    contacts,
    exposed_areas,
    merge,
)
from napari_deltamic.imaging.sheetness import membrane_scale, relative_sheetness, sharpened
from napari_deltamic.imaging.stack import ImageStack

LEAST_STRENGTH = 0.3
"""Of a contact between cells: half-way from noise to a membrane as strong as those around it."""
_STRONG_WALL = 1.15
_RELUCTANCE_OF_OUTSIDE = 1.2
_FRAGMENT_STRENGTH = 1.4
_CELL_STRENGTH = 1.2
"""In units of the least strength: what stops the outside's ball, how much stronger contacts with
the outside count, what keeps a fragment apart, and the mean all round a cell."""
_FRAGMENT = 0.3
_SMALLEST = 0.05
"""In typical cell volumes: less is a fragment, and too small for a cell."""
_DARKEST = 0.05
_BRIGHT_PERCENTILE = 99.0
"""The square root is taken from so far below zero that it does not stretch what is dark."""
_PIECE_SMOOTHING = 0.7
_BOUNDARY_SCALE = 0.85
_BOUNDARY_SHARPENING = 3.0
_BRIDGED = 2.0
_SMALLEST_RADIUS = 4.0
"""In units of the membranes' scale; cells reach across untrusted gaps of twice the third; a typical
cell has at least the fourth as its radius."""


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What the image says: where membranes are, and small pieces that they bound."""

    image: NDArray[np.float32]
    spacing: NDArray[np.float64]
    scale: float
    strength: NDArray[np.float32]  # (Z, Y, X) relative sheetness; NaN where untrusted
    domain: NDArray[np.bool_]  # (Z, Y, X) where labels may lie
    pieces: NDArray[np.int32]  # (Z, Y, X); 0 off the domain

    def contacts(self, labels: NDArray[np.integer]) -> Contacts:
        return contacts(labels, self.strength, self.spacing)

    def least_volume(self) -> float:
        """Return the volume in um^3 that what noise alone is cut into does not reach."""
        return float(4.0 / 3.0 * np.pi * (_SMALLEST_RADIUS * self.scale) ** 3)

    def volumes(self, labels: NDArray[np.integer]) -> NDArray[np.float64]:
        volumes = np.bincount(labels.ravel()) * self.spacing.prod()
        volumes[0] = 0.0
        return np.asarray(volumes)


def membrane_labels(
    stack: ImageStack,
    markers: ArrayLike | None = None,
    smoothing: float | None = None,
    cell_size: float | None = None,
    envelope: bool | ArrayLike | None = None,
    least_strength: float = LEAST_STRENGTH,
) -> NDArray[np.int32]:
    """Find the cells of a stack whose membranes are marked.

    Membranes are ridges of the image, compared with those nearby, so that dim ones count too. The
    space between them is cut into pieces; pieces are merged over weak contacts; then boundaries
    are placed on the ridges. The same stack always gives the same labels.

    Parameters
    ----------
    stack
        The image. Untrusted voxels get label 0, but for gaps so narrow that cells reach across.
    markers
        What the cells are, if it is known: (N, 3) points in um, (z, y, x), one per cell, or a
        (Z, Y, X) label image of marks. Every marked cell is found, with the number of its point
        (1, 2, 3, ...) or of its mark, and no other; cells without a mark go to their neighbours or
        to the outside. By default the cells are found too.
    smoothing
        Standard deviation in um of the Gaussian at which membranes are sought, about their
        apparent half thickness; by default where they show best.
    cell_size
        Typical diameter of a cell in um; by default that of the cells found at first. Pieces of
        less than a twentieth of such a cell's volume are no cells.
    envelope
        Whether there is an outside, which becomes label 0: True for an embryo, False for tissue
        that fills the stack, or a (Z, Y, X) mask that is True where cells are. By default there is
        if one region takes more than half of the stack's border.
    least_strength
        Mean relative strength, 0 to 1, that a contact needs to separate two cells; membranes have
        about 0.5. Higher values merge more.

    Returns
    -------
    ndarray
        (Z, Y, X) int32: 0 outside, cells 1, 2, 3, ... in the order of their first voxels, or as
        marked.

    Raises
    ------
    ValueError
        If an argument is out of range, the image is constant, a marker lies outside the stack, or
        no cell is found.
    """
    size = _checked_length("cell_size", cell_size)
    sigma = _checked_length("smoothing", smoothing)
    if not 0.0 < least_strength < 1.0:
        raise ValueError(
            f"least_strength: expected a number between 0 and 1, got {least_strength}; membranes "
            "have about 0.5, noise less than 0.3"
        )
    inside = _checked_envelope(envelope, stack)
    marks = None if markers is None else marker_image(markers, stack)
    evidence = _evidence(stack, sigma, inside)
    if marks is not None and not (marks[evidence.domain] > 0).any():
        raise ValueError(
            "markers: all lie where the stack's mask or the envelope admits no cell; move them"
        )

    graph = evidence.contacts(evidence.pieces)
    rough = merge(graph, _STRONG_WALL * least_strength)[evidence.pieces]
    exposed = exposed_areas(rough, evidence.spacing)
    largest = int(exposed.argmax())
    surrounded = isinstance(envelope, bool | np.bool_) and bool(envelope)
    if envelope is None:
        surrounded = bool(exposed[largest] > 0.5 * exposed.sum())
    if surrounded:
        volumes = evidence.volumes(rough)
        volumes[largest] = 0.0
    else:
        volumes = evidence.volumes(merge(graph, least_strength)[evidence.pieces])
    usual = np.pi / 6.0 * size**3 if size is not None else typical_volume(volumes)
    usual = max(usual, evidence.least_volume())

    pieces, group = evidence.pieces, None
    if marks is not None:
        pieces, group = marked_pieces(pieces, marks, evidence.strength, evidence.domain)
        graph = evidence.contacts(pieces)
    outside = 0
    if surrounded:
        walls = boundary_voxels(pieces, graph, graph.mean() > _STRONG_WALL * least_strength)
        beyond = outside_pieces(pieces, walls, usual, evidence.spacing)
        if not beyond.any():
            # Walls of noise everywhere: what surrounds the cells is told by its contacts alone.
            beyond = np.zeros(graph.count, dtype=bool)
            beyond[np.unique(pieces[rough == largest])] = True
        if group is not None:
            beyond &= group == 0
        pieces, group, outside = _joined(pieces, beyond, group)
        graph = evidence.contacts(pieces)
    if group is None or marks is None:
        cells, outside = _found(evidence, pieces, graph, outside, usual, least_strength)
    else:
        if outside:
            group[outside] = int(group.max()) + 1
        owner = merge(graph, np.inf, group, outside or None, _RELUCTANCE_OF_OUTSIDE)
        number = np.zeros(graph.count, dtype=np.int64)
        number[owner[group > 0]] = group[group > 0]
        cells = number[owner][pieces]
        outside = int(group[outside]) if outside else 0
    labels = _with_sharp_boundaries(evidence, cells, outside, marks)
    return labels if marks is not None else _numbered(labels)


def automatic_markers(
    stack: ImageStack,
    smoothing: float | None = None,
    cell_size: float | None = None,
    envelope: bool | ArrayLike | None = None,
    least_strength: float = LEAST_STRENGTH,
) -> NDArray[np.float64]:
    """Return one point in each cell that :func:`membrane_labels` finds, for the user to edit.

    Parameters
    ----------
    stack, smoothing, cell_size, envelope, least_strength
        As in :func:`membrane_labels`.

    Returns
    -------
    ndarray
        (N, 3) points in um, (z, y, x), in the order of the labels: of each cell the voxel farthest
        from its boundary.

    Raises
    ------
    ValueError
        As :func:`membrane_labels` does.
    """
    labels = membrane_labels(stack, None, smoothing, cell_size, envelope, least_strength)
    return label_centers(labels, stack)


def label_centers(labels: NDArray[np.integer], stack: ImageStack) -> NDArray[np.float64]:
    """Return (N, 3) in um: of each label of the stack's label image the innermost voxel."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(
        ~boundary_voxels(np.pad(labels, 1)), sampling=stack.spacing
    )[1:-1, 1:-1, 1:-1]
    numbers = np.unique(labels[labels > 0])
    places = ndimage.maximum_position(depth, labels, numbers)
    return np.asarray(stack.origin + stack.spacing * np.array(places).reshape(-1, 3))


def _evidence(
    stack: ImageStack, sigma: float | None, inside: NDArray[np.bool_] | None
) -> _Evidence:
    from scipy import ndimage

    trusted = stack.data if stack.mask is None else stack.data[stack.mask]
    low = float(trusted.min())
    if low == float(trusted.max()):
        raise ValueError(
            f"stack: every voxel holds {low:g}, so there is nothing to find; check the file and "
            "the chosen channel"
        )
    data = stack.data
    if stack.mask is not None:
        # The nearest trusted value makes no ridge at the mask's edge.
        nearest = ndimage.distance_transform_edt(
            ~stack.mask, stack.spacing, return_distances=False, return_indices=True
        )
        data = data[tuple(nearest)]
    # Photon counts' noise is the same everywhere in their square root, and dim membranes count.
    offset = _DARKEST * (float(np.percentile(trusted, _BRIGHT_PERCENTILE)) - low)
    image = np.sqrt(data - np.float32(low - offset))
    scale = membrane_scale(image, stack.spacing) if sigma is None else sigma
    strength = relative_sheetness(image, stack.spacing, scale)
    domain = np.ones(stack.shape, dtype=bool) if inside is None else inside.copy()
    if stack.mask is not None:
        domain &= closed_mask(stack.mask, _BRIDGED * scale, stack.spacing)
    pieces = _pieces(strength, domain, stack.spacing, scale)
    if stack.mask is not None:
        strength = np.where(stack.mask, strength, np.float32(np.nan))
    return _Evidence(image, stack.spacing, scale, strength, domain, pieces)


def _pieces(
    strength: NDArray[np.float32],
    domain: NDArray[np.bool_],
    spacing: NDArray[np.float64],
    scale: float,
) -> NDArray[np.int32]:
    """Return the basins of the smoothed strength: far more than there are cells."""
    from scipy import ndimage
    from skimage.segmentation import watershed

    height = ndimage.gaussian_filter(strength, _PIECE_SMOOTHING * scale / spacing, mode="nearest")
    window = 2 * np.maximum(1, np.round(scale / spacing)).astype(int) + 1
    lowest = (ndimage.minimum_filter(height, size=tuple(window)) == height) & domain
    minima, _ = ndimage.label(lowest, structure=np.ones((3, 3, 3)))
    return np.asarray(watershed(height, minima, mask=domain), dtype=np.int32)


def _joined(
    pieces: NDArray[np.int32], beyond: NDArray[np.bool_], group: NDArray[np.int64] | None
) -> tuple[NDArray[np.int32], NDArray[np.int64] | None, int]:
    """Make one piece of those beyond the envelope; return the pieces, their groups, its number."""
    if not beyond.any():
        return pieces, group, 0
    outside = int(np.flatnonzero(beyond)[0])
    number = np.arange(len(beyond), dtype=np.int32)
    number[beyond] = outside
    joined = number[pieces]
    return joined, None if group is None else group[: int(joined.max()) + 1], outside


def _found(
    evidence: _Evidence,
    pieces: NDArray[np.int32],
    graph: Contacts,
    outside: int,
    usual: float,
    least_strength: float,
) -> tuple[NDArray[np.int64], int]:
    """Merge pieces to cells; return the cells and the number of the outside, 0 for none."""
    owner = merge(graph, least_strength, None, outside or None, _RELUCTANCE_OF_OUTSIDE)
    cells, outside = owner[pieces], int(owner[outside]) if outside else 0
    # Specks of noise lie beside an outside; in tissue, cells that the border cuts may be small.
    speck = evidence.least_volume() if outside else 0.0
    for smallest, strength in (
        (_FRAGMENT * usual, _FRAGMENT_STRENGTH * least_strength),
        (max(_SMALLEST * usual, speck), np.inf),
    ):
        volumes = evidence.volumes(cells)
        apart = np.where(volumes >= smallest, np.arange(len(volumes)), 0)
        apart[outside] = outside
        owner = merge(evidence.contacts(cells), strength, apart)
        cells, outside = owner[cells], int(owner[outside])
    graph = evidence.contacts(cells)
    apart = np.where(
        graph.region_mean() >= _CELL_STRENGTH * least_strength, np.arange(graph.count), 0
    )
    apart[outside] = outside
    owner = merge(graph, np.inf, apart)
    return owner[cells], int(owner[outside])


def _with_sharp_boundaries(
    evidence: _Evidence,
    cells: NDArray[np.int64],
    outside: int,
    marks: NDArray[np.int32] | None,
) -> NDArray[np.int32]:
    """Flood the cells anew from their cores, up to the ridges of the sharpened image."""
    from scipy import ndimage
    from skimage.segmentation import watershed

    depth = ndimage.distance_transform_edt(~boundary_voxels(cells), sampling=evidence.spacing)
    deepest = np.zeros(int(cells.max()) + 1)
    np.maximum.at(deepest, cells.ravel(), depth.ravel())
    core = (depth > np.minimum(evidence.scale, 0.5 * deepest)[cells]) & (cells > 0)
    core = _largest_parts(core, cells, outside)
    seeds = np.where(core, cells, 0).astype(np.int32)
    if marks is not None:
        seeds = np.where(marks > 0, marks, seeds)
    ridges = sharpened(
        evidence.image,
        evidence.spacing,
        _BOUNDARY_SCALE * evidence.scale,
        _BOUNDARY_SHARPENING,
    )
    labels = watershed(ridges, seeds, mask=evidence.domain)
    if outside:
        labels[labels == outside] = 0
    if not labels.any():
        raise ValueError(
            "stack: no cell found; check that the channel shows membranes, smooth by about half "
            "their thickness, lower the least strength, or, if cells fill the stack, say that "
            "more cells surround them (no envelope)"
        )
    return np.asarray(labels, dtype=np.int32)


def _largest_parts(
    core: NDArray[np.bool_], cells: NDArray[np.int64], outside: int
) -> NDArray[np.bool_]:
    """Keep of every cell's core the largest connected part, and all of the outside's."""
    from scipy import ndimage

    parts, count = ndimage.label(core)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    cell_of = np.zeros(count + 1, dtype=np.int64)
    cell_of[parts[core]] = cells[core]
    order = np.argsort(sizes[1:], kind="stable") + 1
    largest = np.zeros(int(cells.max()) + 1, dtype=np.int64)
    largest[cell_of[order]] = order
    kept = largest[cell_of] == np.arange(count + 1)
    kept[0] = False
    if outside:
        kept |= cell_of == outside
    return np.asarray(kept[parts])


def _numbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Renumber the labels 1, 2, 3, ... in the order of their first voxels."""
    found, first = np.unique(labels, return_index=True)
    first = first[found > 0]
    found = found[found > 0]
    numbers = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    numbers[found[np.argsort(first)]] = np.arange(1, len(found) + 1)
    return np.asarray(numbers[labels])


def _checked_length(name: str, value: float | None) -> float | None:
    if value is not None and not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name}: expected a positive length in um, got {value}")
    return value


def _checked_envelope(
    envelope: bool | ArrayLike | None, stack: ImageStack
) -> NDArray[np.bool_] | None:
    if envelope is None or isinstance(envelope, bool | np.bool_):
        return None
    mask = np.asarray(envelope)
    if mask.shape != stack.shape:
        raise ValueError(
            f"envelope: expected True, False, None or a mask of the stack's shape {stack.shape}, "
            f"got shape {mask.shape}"
        )
    if not mask.any():
        raise ValueError("envelope: the mask admits no voxel; it must be True where cells are")
    return mask.astype(bool)
