"""One conforming mesh of a label image, with the labels' volumes."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.consistency import unmatched_edges
from napari_deltamic.mesh.intersection import intersecting
from napari_deltamic.mesh.label_fields import LabelFields, label_fields
from napari_deltamic.mesh.label_image import has_thin_label
from napari_deltamic.mesh.label_surface import label_surface
from napari_deltamic.mesh.lattice_pieces import in_one_piece
from napari_deltamic.mesh.triangle_mesh import TriangleMesh
from napari_deltamic.mesh.untangling import untangled
from napari_deltamic.mesh.volume_matching import with_volumes

# Side of the lattice's cubes in mean voxel sizes: as long as the edges wished for, within limits.
_FINEST, _COARSEST = 1.25, 2.0
# The same where a label is thin, in smallest voxel sizes.
_THIN_CUBE = 1.2
# The same in cube roots of the smallest label's volume.
_SMALLEST_CUBE = 0.9
_MOST_POINTS = 12_000_000
# Mean voxel sizes that the lattice is longer than the labels along each axis, about.
_ROOM = 12.0
_ROUNDS = 14
# Volume errors that are left to moving the finished mesh.
_TOLERANCE = 0.01
_LARGEST_CHANGE = 0.8
# Cubes that are tried, in units of the side wished for, until no face is at fault.
_ATTEMPTS = (1.0, 0.85, 0.72)
# Labels with fewer voxels are tiny.
_TINY = 100
# Of remeshing: the two that it makes more by itself change little here.
_ITERATIONS = 3


def conforming_mesh(
    labels: NDArray[np.int32],
    spacing: NDArray[np.float64],
    origin: NDArray[np.float64],
    smoothing: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> Generator[None, None, TriangleMesh]:
    """Return the smooth interfaces between labels 1..R and the outside; yields now and then.

    Parameters
    ----------
    labels
        (Z, Y, X) labels 1..R, each present and in one piece, and 0 outside.
    spacing, origin
        (3,) voxel size and centre of the first voxel in um.
    smoothing
        (3,) sigma of the Gaussian that rounds the voxels off, along each axis, in um.
    lengths
        (R,) edge length to aim at on each label's surface, in um.
    """
    counts = np.bincount(labels.ravel())[1:]
    volumes: NDArray[np.float64] = np.asarray(counts * float(np.prod(spacing)))
    tiny = np.flatnonzero(counts < _TINY) + 1
    side = _cube(labels, spacing, volumes, float(lengths.min()))
    best, fewest = None, np.inf
    for finer in _ATTEMPTS:
        fields = label_fields(labels, spacing, origin, smoothing, finer * side)
        yield
        surface = yield from _with_matched_weights(fields, volumes, float(smoothing.mean()))
        remeshed = yield from _remeshed(surface, lengths)
        yield
        mesh = with_volumes(untangled(remeshed), volumes)
        yield
        faults = yield from _faults(mesh, tiny)
        if best is None or faults < fewest:
            best, fewest = mesh, faults
        if faults == 0:
            break
    assert best is not None
    return best


def _remeshed(
    surface: TriangleMesh, lengths: NDArray[np.float64]
) -> Generator[None, None, TriangleMesh]:
    """Return the surface with the edge lengths of its regions, the shorter one at interfaces."""
    from napari_deltamic.mesh.remeshing import remeshing

    wished = np.concatenate([[np.inf], lengths])[surface.labels].min(axis=1)
    at_vertex = np.full(len(surface.vertices), np.inf)
    np.minimum.at(at_vertex, surface.faces, wished[:, None])
    return (yield from remeshing(surface, at_vertex, _ITERATIONS))


def _faults(mesh: TriangleMesh, tiny: NDArray[np.int64]) -> Generator[None, None, int]:
    """Return how many edges do not close up and how many pairs of faces cross.

    Faces can cross where they are crowded: at triple lines and round tiny regions. Elsewhere they
    follow from a surface whose faces do not, and looking for crossings is slow.
    """
    crowded = np.zeros(len(mesh.vertices), dtype=np.bool_)
    crowded[mesh.triple_edges] = True
    crowded[mesh.faces[np.isin(mesh.labels, tiny).any(axis=1)]] = True
    near = crowded[mesh.faces].any(axis=1)
    part = TriangleMesh(mesh.vertices, mesh.faces[near], mesh.labels[near])
    crossing = yield from intersecting(part)
    return len(unmatched_edges(mesh)) + len(crossing)


def _cube(
    labels: NDArray[np.int32],
    spacing: NDArray[np.float64],
    volumes: NDArray[np.float64],
    edge_length: float,
) -> float:
    """Return the side of the lattice's cubes, in um, that resolves all labels."""
    mean = float(spacing.mean())
    side = float(np.clip(edge_length, _FINEST * mean, _COARSEST * mean))
    side = min(side, _SMALLEST_CUBE * float(np.cbrt(volumes.min())))
    if has_thin_label(labels):
        side = min(side, _THIN_CUBE * float(spacing.min()))
    used = [np.flatnonzero(labels.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    extent = [(indices[-1] - indices[0] + 1) for indices in used]
    room = float(np.prod(np.array(extent) * spacing + _ROOM * mean))
    return max(side, float(np.cbrt(2.0 * room / _MOST_POINTS)))


def _with_matched_weights(
    fields: LabelFields, volumes: NDArray[np.float64], smoothing: float
) -> Generator[None, None, TriangleMesh]:
    """Weigh the labels' fields until their regions have about the volumes asked for.

    Where the weights of two labels differ by a small factor, their interface moves by half the
    factor's logarithm over the fields' slope, which for a flat one follows from the smoothing.
    """
    slope = 2.0 / (np.sqrt(2.0 * np.pi) * smoothing)
    logarithms = np.zeros(len(volumes))
    # Thin labels go all at once; between weights that were too small and too large, halve.
    too_small, too_large = np.full((2, len(volumes)), [[-np.inf], [np.inf]])
    best, least = None, np.inf
    for _ in range(_ROUNDS):
        fields.weights[1:] = np.exp(logarithms)
        first, second = fields.strongest()
        yield
        _with_missing_labels(first, fields)
        surface = label_surface(in_one_piece(first, second, fields.shape), fields)
        yield
        missing = volumes - surface.volumes()
        error = float(np.max(np.abs(missing) / volumes))
        if error < least:
            best, least = surface, error
        if error < _TOLERANCE:
            break
        small = missing > 0
        too_small = np.where(small, np.maximum(too_small, logarithms), too_small)
        too_large = np.where(small, too_large, np.minimum(too_large, logarithms))
        # The other labels have changed too, so that an old bound may no longer hold.
        crossed = too_small >= too_large
        too_large[crossed & small], too_small[crossed & ~small] = np.inf, -np.inf
        change = _pressures(surface, missing) * 2.0 * slope
        wished = logarithms + np.clip(change, -_LARGEST_CHANGE, _LARGEST_CHANGE)
        outside = (wished <= too_small) | (wished >= too_large)
        halve = outside & np.isfinite(too_small) & np.isfinite(too_large)
        middle = 0.5 * (np.where(halve, too_small, 0.0) + np.where(halve, too_large, 0.0))
        logarithms = np.where(halve, middle, wished)
    assert best is not None
    return best


def _pressures(surface: TriangleMesh, missing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (R,) numbers, 0 outside, whose differences across interfaces, times area, add up.

    They are how far to move each interface, in um, for regions larger by given volumes.
    """
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import spsolve

    _, areas = surface.face_normals_and_areas()
    between = np.bincount(surface.face_interfaces, areas)
    one, two = surface.interfaces.T
    count = len(missing) + 1
    graph = coo_matrix((between, (one, two)), (count, count)).tocsr()
    graph = graph + graph.T
    matrix = (diags(np.asarray(graph.sum(axis=1)).ravel()) - graph).tocsc()
    return np.atleast_1d(spsolve(matrix[1:, 1:], missing))


def _with_missing_labels(labels: NDArray[np.int32], fields: LabelFields) -> None:
    """Give every label that has no lattice point the one where its field is largest."""
    counts = np.bincount(labels, minlength=len(fields.weights))
    size = int(np.prod(fields.shape))
    for number in np.flatnonzero(counts == 0):
        if number == 0:
            continue
        window, values = fields.windows[number - 1], fields.inside[number - 1]
        low = [side.start for side in window]
        for place in np.argsort(-values, axis=None):
            half, *rest = np.unravel_index(place, values.shape)
            cube = [int(a + b) for a, b in zip(low, rest, strict=True)]
            point = int(half) * size + int(np.ravel_multi_index(cube, fields.shape))
            if labels[point] == 0 or counts[labels[point]] > 1:
                counts[labels[point]] -= 1
                labels[point] = number
                counts[number] = 1
                break
