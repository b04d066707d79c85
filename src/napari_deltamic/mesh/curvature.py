"""Mean curvature of interfaces, from the angles at the edges inside them.

The sign follows the numbers of the regions: positive where the surface bulges out of the region
with the higher number into that with the lower one. Against the outside, region 0, that is where a
cell is convex. Lines where interfaces meet belong to none of them and add nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.fans import UNKNOWN, EdgeFans, edge_fans
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

LEAST_AREA = 0.5
"""Of a third of the faces beside an edge: what edges have at least, on faces of poor shape."""


class FaceCurvature(NamedTuple):
    """What the edges inside an interface say about each face; those at its rim say nothing."""

    integrals: NDArray[np.float64]
    """(F,) half the sum over the face's edges of the integral of the mean curvature, in um."""
    areas: NDArray[np.float64]
    """(F,) half the sum of the areas that lie nearest to these edges, in um^2."""
    thirds: NDArray[np.float64]
    """(F,) the same with a third of each face at an edge for the area, which is never negative."""


def vertex_curvature(mesh: TriangleMesh) -> NDArray[np.float64]:
    """Return (V,) mean curvature in 1/um round each vertex, to colour a surface by.

    It is averaged over the faces round the vertex, each with the sign of its interface: positive
    where the region with the higher number bulges into the lower. Vertices on lines where
    interfaces meet have the average of those; use :func:`face_curvature` to keep them apart.
    Vertices of no face have 0.
    """
    return _averages(mesh, face_integrals(mesh), mesh.faces, len(mesh.vertices))


def face_curvature(mesh: TriangleMesh, fans: EdgeFans | None = None) -> NDArray[np.float64]:
    """Return (F,) mean curvature in 1/um at each face, smooth within each interface.

    Positive where the region with the higher number bulges into that with the lower one. It is the
    mean over the face's corners of the averages over the faces of the same interface round them.

    Parameters
    ----------
    mesh
        The mesh.
    fans
        The mesh's :func:`~napari_deltamic.mesh.fans.edge_fans`, if they are at hand.
    """
    keys = mesh.faces * len(mesh.interfaces) + mesh.face_interfaces[:, None]
    unique, corner = np.unique(keys, return_inverse=True)
    corner = corner.reshape(-1, 3)
    around = _averages(mesh, face_integrals(mesh, fans), corner, len(unique))
    return np.asarray(around[corner].mean(axis=1))


def interface_curvature(mesh: TriangleMesh, faces: FaceCurvature) -> NDArray[np.float64]:
    """Return (I,) mean curvature of each interface in 1/um, NaN where it has no inner edge."""
    return _ratios(faces, mesh.face_interfaces[:, None], len(mesh.interfaces))


def face_integrals(mesh: TriangleMesh, fans: EdgeFans | None = None) -> FaceCurvature:
    """Return the integrals of the mean curvature at the faces of a mesh.

    Parameters
    ----------
    mesh
        The mesh.
    fans
        The mesh's :func:`~napari_deltamic.mesh.fans.edge_fans`, if they are at hand.
    """
    fans = edge_fans(mesh) if fans is None else fans
    inner = inner_edges(mesh, fans)
    one, other = fans.start[inner], fans.start[inner] + 1
    higher = mesh.labels[fans.wedge_faces[one, 0]].max(axis=1)
    opening = np.where(
        fans.wedge_regions[one] == higher, fans.wedge_angles[one], fans.wedge_angles[other]
    )
    known = fans.wedge_regions[one] != UNKNOWN
    # The integral at an edge is half its length times its turning angle.
    integral = 0.5 * fans.lengths[inner] * np.where(known, np.pi - opening, 0.0)
    nearest, thirds = _edge_areas(mesh, fans)
    sums = []
    for at_inner in (integral, nearest[inner], thirds[inner]):
        at_edges = np.zeros(len(fans.edges))
        at_edges[inner] = 0.5 * at_inner
        sums.append(at_edges[fans.face_edges].sum(axis=1))
    return FaceCurvature(*sums)


def inner_edges(mesh: TriangleMesh, fans: EdgeFans) -> NDArray[np.int64]:
    """Return the edges inside an interface: at which just two faces meet, both of it."""
    paired = np.flatnonzero(fans.face_count == 2)
    interface = mesh.face_interfaces[fans.wedge_faces[fans.start[paired]]]
    return np.asarray(paired[interface[:, 0] == interface[:, 1]])


def _edge_areas(
    mesh: TriangleMesh, fans: EdgeFans
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (E,) the area nearest to each edge, and (E,) a third of the faces beside it.

    The first is what the circumcentres of the faces span with the edge, less than nothing behind
    obtuse corners. With it every edge inside a triangulated sphere shows the sphere's own
    curvature, so that it does no harm to leave out those at a rim.
    """
    corners = mesh.vertices[mesh.faces]
    opposite = np.roll(corners, 1, axis=1) - np.roll(corners, -1, axis=1)
    _, areas = mesh.face_normals_and_areas()
    squares = np.einsum("fij,fij->fi", opposite, opposite)
    # |e|^2 cot(corner) / 4, by the law of cosines in the squares of the edges alone.
    shares = squares * (squares.sum(axis=1)[:, None] - 2.0 * squares)
    shares /= 16.0 * np.where(areas > 0, areas, np.inf)[:, None]
    edge, count = fans.face_edges.ravel(), len(fans.edges)
    thirds = np.bincount(edge, np.repeat(areas / 3.0, 3), count).astype(np.float64)
    return np.bincount(edge, shares.ravel(), count).astype(np.float64), thirds


def _averages(
    mesh: TriangleMesh, faces: FaceCurvature, corner: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return (count,) curvatures round the (F, 3) corners, those of the interface for want of any.

    A corner has none where all faces round it are lone ones; then it counts as flat at worst.
    """
    around = _ratios(faces, corner, count)
    missing = np.isnan(around[corner])
    if missing.any():
        of_interface = np.nan_to_num(interface_curvature(mesh, faces))[mesh.face_interfaces]
        around[corner[missing]] = np.repeat(of_interface, 3)[missing.ravel()]
    return np.nan_to_num(around)


def _ratios(faces: FaceCurvature, group: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return (count,) integrals over areas, summed over the faces in the (F, N) groups."""
    width = group.shape[1]
    integrals, nearest, thirds = (
        np.bincount(group.ravel(), np.repeat(values, width), count) for values in faces
    )
    areas = np.maximum(nearest, LEAST_AREA * thirds)
    return np.where(areas > 0, integrals / np.where(areas > 0, areas, 1.0), np.nan)
