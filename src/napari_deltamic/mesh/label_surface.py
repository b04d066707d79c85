"""The interfaces between labelled points of a lattice, as one conforming surface.

The points form a body-centred cubic lattice, cut into equal tetrahedra. Within a tetrahedron the
interfaces follow from its four labels: a point on each edge between two labels, one on each face
between three, one inside among four. So faces meet only along shared edges, never cross, and every
region's surface is closed and without singular points, whatever the labels are: a cubic grid has
configurations of which none of this holds.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.label_fields import LabelFields
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# Corners of a tetrahedron at its local points: six on edges, four on faces, one inside.
_EDGES = tuple(combinations(range(4), 2))
_FACES = tuple(combinations(range(4), 3))
_LOCAL_POINTS = (*_EDGES, *_FACES, (0, 1, 2, 3))
_INSIDE = len(_LOCAL_POINTS) - 1
# Points on edges keep this share of the edge from its ends, so that no face is degenerate.
_CLEARANCE = 0.06
# The least share of each of the three points on its edges that a point on a face is mixed from.
_TRIPLE_CLEARANCE = 0.08


class _Triangle(NamedTuple):
    points: tuple[int, int, int]
    """Local points, wound from the inside to the outside."""
    inside: int
    """Corner of the tetrahedron on the inner side."""
    outside: int


def label_surface(labels: NDArray[np.int32], fields: LabelFields) -> TriangleMesh:
    """Return the interfaces between differently labelled lattice points.

    Parameters
    ----------
    labels
        (N,) label of each lattice point; 0 at all points near the lattice's border.
    fields
        The lattice, and the fields whose crossing says where along an edge the interface lies.

    Returns
    -------
    TriangleMesh
        Positions in um; regions are the labels.
    """
    tetrahedra = _mixed_tetrahedra(labels, fields)
    corners = labels[tetrahedra]
    ids, positions = _points(tetrahedra, labels, fields)
    pattern = np.zeros(len(tetrahedra), dtype=np.int64)
    for bit, (i, j) in enumerate(_EDGES):
        pattern |= (corners[:, i] != corners[:, j]).astype(np.int64) << bit
    faces, sides = [], []
    for value in np.unique(pattern):
        rows = np.flatnonzero(pattern == value)
        for triangle in _triangles(int(value)):
            faces.append(ids[rows[:, None], triangle.points])
            sides.append(corners[rows[:, None], [triangle.inside, triangle.outside]])
    if not faces:
        return TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int))
    return TriangleMesh(positions, np.concatenate(faces), np.concatenate(sides))


def _mixed_tetrahedra(labels: NDArray[np.int32], fields: LabelFields) -> NDArray[np.int64]:
    """Return (T, 4) lattice points of the tetrahedra with more than one label, wound alike."""
    found = []
    for offsets in _tetrahedron_offsets(fields):
        low, high = offsets.min(), offsets.max()
        base = slice(-min(low, 0), len(labels) - high)
        one, *rest = (labels[base.start + step : base.stop + step] for step in offsets)
        mixed = one != rest[0]
        for other in rest[1:]:
            mixed |= one != other
        found.append((np.flatnonzero(mixed) + base.start)[:, None] + offsets)
    return np.concatenate(found)


def _tetrahedron_offsets(fields: LabelFields) -> NDArray[np.int64]:
    """Return (12, 4) how far a tetrahedron's points lie from its first cell's corner point.

    Each consists of the middles of two neighbouring cells and two neighbouring corners of the
    square between them. Index arithmetic runs over row ends, which only joins border points.
    """
    _, rows, columns = fields.shape
    middle = int(np.prod(fields.shape))
    strides = np.array([rows * columns, columns, 1])
    result = []
    for axis in range(3):
        ahead, u, v = (np.roll(np.eye(3, dtype=np.int64), -axis, axis=0))[:3]
        ring = [ahead, ahead + u, ahead + u + v, ahead + v]
        for number in range(4):
            low, high = ring[number], ring[(number + 1) % 4]
            first, second = np.full(3, 0.5), ahead + 0.5
            turn = np.linalg.det([second - first, low - first, high - first])
            pair = (low, high) if turn > 0 else (high, low)
            result.append([middle, middle + strides @ ahead, strides @ pair[0], strides @ pair[1]])
    return np.array(result, dtype=np.int64)


def _points(
    tetrahedra: NDArray[np.int64], labels: NDArray[np.int32], fields: LabelFields
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (T, 11) numbers of the local points, where used, and (P, 3) all their positions."""
    numbers = np.zeros((len(tetrahedra), len(_LOCAL_POINTS)), dtype=np.int64)
    ends = tetrahedra[:, np.array(_EDGES)]
    apart = labels[ends[..., 0]] != labels[ends[..., 1]]
    first, second = np.sort(ends[apart], axis=1).T
    keys, inverse = np.unique(first * len(labels) + second, return_inverse=True)
    numbers[:, : len(_EDGES)][apart] = inverse.reshape(-1)
    on_edges = _crossings(keys // len(labels), keys % len(labels), labels, fields)

    edges_of_face = np.array([[_EDGES.index(pair) for pair in combinations(f, 2)] for f in _FACES])
    triple = apart[:, edges_of_face].all(axis=2)
    sides = np.sort(numbers[:, edges_of_face][triple], axis=1)
    # Two of its edges say which face it is.
    _, one, inverse = np.unique(
        sides[:, 0] * len(on_edges) + sides[:, 1], return_index=True, return_inverse=True
    )
    numbers[:, len(_EDGES) : _INSIDE][triple] = len(on_edges) + inverse.reshape(-1)
    ends_of_face = tetrahedra[:, np.array(_FACES)][triple][one]
    on_faces = _triple_points(ends_of_face, on_edges[sides[one]], labels, fields)

    inside = np.flatnonzero(triple.all(axis=1))
    numbers[inside, _INSIDE] = len(on_edges) + len(on_faces) + np.arange(len(inside))
    positions = np.concatenate([on_edges, on_faces])
    middles = positions[numbers[inside, len(_EDGES) : _INSIDE]].mean(axis=1)
    return numbers, np.concatenate([positions, middles])


def _crossings(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    labels: NDArray[np.int32],
    fields: LabelFields,
) -> NDArray[np.float64]:
    """Return where on the edges between lattice points the fields of the ends' labels are equal."""
    one, two = labels[first], labels[second]
    before = fields.values(one, first) - fields.values(two, first)
    after = fields.values(two, second) - fields.values(one, second)
    # Where a label was given for another reason than its field, the interface is put near its end.
    before, after = np.maximum(before, 0.0), np.maximum(after, 0.0)
    total = before + after
    share = np.where(total > 0, before / np.where(total > 0, total, 1.0), 0.5)
    share = np.clip(share, _CLEARANCE, 1.0 - _CLEARANCE)[:, None]
    return (1.0 - share) * fields.positions(first) + share * fields.positions(second)


def _triple_points(
    points: NDArray[np.int64],
    on_edges: NDArray[np.float64],
    labels: NDArray[np.int32],
    fields: LabelFields,
) -> NDArray[np.float64]:
    """Return (N, 3) where on faces between three labels their fields are equal.

    Parameters
    ----------
    points
        (N, 3) lattice points of each face.
    on_edges
        (N, 3, 3) points on its edges. The result lies between them: then the faces of a
        tetrahedron cannot cross one another.
    """
    own = labels[points]
    values = [[fields.values(own[:, i], points[:, k]) for k in range(3)] for i in range(3)]
    first, second, third = np.array(values)
    # With values linear on the face: shares of its corners at which both differences vanish.
    shares = np.cross((first - second).T, (first - third).T)
    total = shares.sum(axis=1)
    sound = np.abs(total) > 1e-12
    shares /= np.where(sound, total, 1.0)[:, None]
    corners = fields.positions(points)
    goal = np.einsum("ni,nij->nj", shares, corners)
    # The same point as shares of the three points on the edges.
    a, b, c = on_edges.transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    area = np.maximum(np.einsum("ni,ni->n", normal, normal), 1e-300)
    mixed = np.stack(
        [
            np.einsum("ni,ni->n", np.cross(q - p, goal - p), normal) / area
            for p, q in ((b, c), (c, a), (a, b))
        ],
        axis=1,
    )
    mixed = np.where(sound[:, None], np.clip(mixed, _TRIPLE_CLEARANCE, 1.0), 1.0)
    mixed /= mixed.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("ni,nij->nj", mixed, on_edges))


@cache
def _triangles(pattern: int) -> tuple[_Triangle, ...]:
    """Return the triangles within a tetrahedron, given as bits which edges' ends differ."""
    differ = {edge for bit, edge in enumerate(_EDGES) if pattern >> bit & 1}
    groups: list[list[int]] = []
    for corner in range(4):
        for group in groups:
            if (group[0], corner) not in differ:
                group.append(corner)
                break
        else:
            groups.append([corner])
    groups.sort(key=len, reverse=True)
    sizes = [len(group) for group in groups]
    if sizes == [4]:
        return ()
    if sizes == [3, 1]:
        (a, b, c), (d,) = groups
        return (_wound((a, d), (b, d), (c, d), sides=(d, a)),)
    if sizes == [2, 2]:
        (a, b), (c, d) = groups
        return _square((a, c), (b, c), (b, d), (a, d), sides=(a, c))
    if sizes == [2, 1, 1]:
        (a, b), (c,), (d,) = groups
        line = (a, c, d), (b, c, d)
        return (
            _wound((c, d), *line, sides=(c, d)),
            *_square((a, c), (b, c), line[1], line[0], sides=(c, a)),
            *_square((a, d), (b, d), line[1], line[0], sides=(d, a)),
        )
    found: list[_Triangle] = []
    for i, j in _EDGES:
        k, m = sorted({0, 1, 2, 3} - {i, j})
        found.extend(_square((i, j), (i, j, k), (0, 1, 2, 3), (i, j, m), sides=(i, j)))
    return tuple(found)


def _square(
    a: tuple[int, ...],
    b: tuple[int, ...],
    c: tuple[int, ...],
    d: tuple[int, ...],
    sides: tuple[int, int],
) -> tuple[_Triangle, _Triangle]:
    return _wound(a, b, c, sides=sides), _wound(a, c, d, sides=sides)


def _wound(*points: tuple[int, ...], sides: tuple[int, int]) -> _Triangle:
    """Return a triangle whose normal points from the first to the second of two corners."""
    corners = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    p, q, r = (corners[sorted(point)].mean(axis=0) for point in points)
    local = [_LOCAL_POINTS.index(tuple(sorted(point))) for point in points]
    normal = np.cross(q - p, r - p)
    if normal @ (corners[sides[1]] - corners[sides[0]]) < 0:
        local.reverse()
    return _Triangle((local[0], local[1], local[2]), *sides)
