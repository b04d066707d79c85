"""In which directions the vertices of a mesh may be wrong, and what its image loses or gains then.

Sliding along the surface does not change the image: of a vertex inside an interface only the shift
along the normal is seen, where interfaces meet in a line the two across the line, and where lines
meet all three.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.meshft.quadrature import RULES, expand, quadrature_tables

# Relative error of the quadrature.
_TOLERANCE = 1e-2
# A face is cut at most into the square of so many triangles.
_MOST_CUTS = 16


class Unknowns(NamedTuple):
    """The directions of the vertices, one after the other."""

    vertex: NDArray[np.int64]
    """(N,) which vertex each moves, ascending."""
    direction: NDArray[np.float64]
    """(N, 3) unit vectors; those of one vertex are orthogonal."""

    def along(self, gradients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (..., N) derivatives in the unknowns from (..., V, 3) those in the vertices."""
        return np.asarray((gradients[..., self.vertex, :] * self.direction).sum(axis=-1))


class Points(NamedTuple):
    """What each column of a matrix is made of: images of points and of their shifts."""

    starts: NDArray[np.int64]
    """(N + 1,) first point of each column, and the end."""
    positions: NDArray[np.float64]
    """(P, 3) in um."""
    coefficients: NDArray[np.float32]
    """(P, 4) of the point's image, and of its derivatives along z, y and x."""


class Quadrature(NamedTuple):
    """Points on the faces."""

    face: NDArray[np.int64]
    """(Q,) the face of each."""
    corners: NDArray[np.float64]
    """(Q, 3) barycentric coordinates."""
    weight: NDArray[np.float64]
    """(Q,) those of one face add to 1."""


def unknowns(mesh: TriangleMesh) -> Unknowns:
    """Return the directions in which the image changes with a vertex: one, two or three."""
    normals, areas = mesh.face_normals_and_areas()
    corner = mesh.faces.ravel()
    count = len(mesh.vertices)
    # Both windings of a face are the same surface.
    outer = np.einsum("fi,fj->fij", normals, areas[:, None] * normals)
    tensors = np.zeros((count, 3, 3))
    np.add.at(tensors, corner, np.repeat(outer, 3, axis=0))
    _, axes = np.linalg.eigh(tensors)
    pairs = np.unique(np.column_stack([corner, np.repeat(mesh.face_interfaces, 3)]), axis=0)
    meeting = np.bincount(pairs[:, 0], minlength=count)
    free = np.where(meeting <= 1, 1, np.where(meeting <= 3, 2, 3))
    smooth = _vertex_normals(mesh, normals * areas[:, None])
    known = (free == 1) & (np.linalg.norm(smooth, axis=1) > 0)
    # Largest first.
    directions = axes[:, :, ::-1]
    directions[known, :, 0] = smooth[known]
    directions, _ = np.linalg.qr(directions)
    seen = np.arange(3) < free[:, None]
    return Unknowns(np.nonzero(seen)[0], directions.transpose(0, 2, 1)[seen])


def quadrature(mesh: TriangleMesh, highest: NDArray[np.float64]) -> Quadrature:
    """Return points that serve for frequencies up to ``highest``, (3,) in cycles/um."""
    tables = quadrature_tables(_TOLERANCE)
    corners = mesh.vertices[mesh.faces] * (2.0 * np.pi * highest)
    spread = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    last = len(RULES) - 1
    rule = np.minimum(np.searchsorted(tables.largest_spread, spread), last)
    cuts = np.ceil(spread / tables.largest_spread[-1]).clip(1, _MOST_CUTS).astype(np.int64)
    found = []
    for index, cut in np.unique(np.column_stack([rule, cuts]), axis=0):
        points, weights = _cut(*expand(RULES[index]), int(cut))
        faces = np.flatnonzero((rule == index) & (cuts == cut))
        found.append(
            Quadrature(
                np.repeat(faces, len(weights)),
                np.tile(points, (len(faces), 1)),
                np.tile(weights, len(faces)),
            )
        )
    return Quadrature(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def moving_points(
    mesh: TriangleMesh,
    free: Unknowns,
    points: Quadrature,
    membrane: NDArray[np.float64],
    jump: NDArray[np.float64],
) -> Points:
    """Return the derivative of a mesh's light in the unknowns.

    Parameters
    ----------
    mesh, free
        The mesh, and its :func:`unknowns`.
    points
        Its :func:`quadrature`.
    membrane, jump
        (F,) light of each face per um^2, and the step of the interior's light across it per um^3,
        inner side minus outer.
    """
    faces, normals = mesh.faces, mesh.face_normals_and_areas()[0]
    areas = mesh.face_normals_and_areas()[1]
    first, found = np.searchsorted(free.vertex, np.arange(len(mesh.vertices) + 1)), []
    positions = _positions(mesh, points)
    weight = points.weight * areas[points.face]
    for corner in range(3):
        vertex = faces[points.face, corner]
        share = points.corners[:, corner]
        # A corner's shift turns and stretches the face: its area's derivative.
        opposite = (
            mesh.vertices[faces[:, (corner + 2) % 3]] - (mesh.vertices[faces[:, (corner + 1) % 3]])
        )
        stretch = 0.5 * np.cross(normals, opposite)
        for which in range(3):
            has = first[vertex] + which < first[vertex + 1]
            unknown = first[vertex[has]] + which
            face, direction = points.face[has], free.direction[unknown]
            widened = (stretch[face] * direction).sum(axis=1)
            swept = (normals[face] * direction).sum(axis=1) * share[has] * weight[has]
            carried = -membrane[face] * weight[has] * share[has]
            value = membrane[face] * points.weight[has] * widened + jump[face] * swept
            found.append((unknown, positions[has], value, carried[:, None] * direction))
    unknown, where, value, slope = (np.concatenate(parts) for parts in zip(*found, strict=True))
    coefficients = np.column_stack([value, slope]).astype(np.float32)
    return _in_order(unknown, len(free.vertex), where, coefficients)


def shining_points(mesh: TriangleMesh, points: Quadrature) -> Points:
    """Return the light of the interfaces, each of 1 per um^2, a column for each."""
    _, areas = mesh.face_normals_and_areas()
    coefficients = np.zeros((len(points.face), 4), np.float32)
    coefficients[:, 0] = points.weight * areas[points.face]
    which = mesh.face_interfaces[points.face]
    return _in_order(which, len(mesh.interfaces), _positions(mesh, points), coefficients)


def _positions(mesh: TriangleMesh, points: Quadrature) -> NDArray[np.float64]:
    corners = mesh.vertices[mesh.faces[points.face]]
    return np.asarray(np.einsum("qc,qca->qa", points.corners, corners))


def _in_order(
    column: NDArray[np.int64],
    count: int,
    positions: NDArray[np.float64],
    coefficients: NDArray[np.float32],
) -> Points:
    order = np.argsort(column, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=count))])
    return Points(starts, positions[order], coefficients[order])


def _vertex_normals(mesh: TriangleMesh, crossed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (V, 3) unit normals; zero where the faces' cancel."""
    # From the smaller to the larger region, so that faces of one interface agree.
    crossed = np.where((mesh.labels[:, 0] > mesh.labels[:, 1])[:, None], crossed, -crossed)
    summed = np.zeros(mesh.vertices.shape)
    np.add.at(summed, mesh.faces.ravel(), np.repeat(crossed, 3, axis=0))
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.asarray(summed / np.where(length > 0, length, 1.0))


def _cut(
    points: NDArray[np.float64], weights: NDArray[np.float64], cuts: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a rule on each of the similar triangles that a face is cut into."""
    parts = []
    for row in range(cuts):
        for column in range(cuts - row):
            corner = np.array([row, column, cuts - row - column])
            upright = corner + np.array([[0, 0, 0], [1, 0, -1], [0, 1, -1]])
            parts.append(points @ upright)
            if row + column < cuts - 1:
                turned = corner + np.array([[1, 1, -2], [1, 0, -1], [0, 1, -1]])
                parts.append(points @ turned)
    return np.concatenate(parts) / cuts, np.tile(weights, cuts**2) / cuts**2
