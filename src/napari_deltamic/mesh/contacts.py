"""Measures of the interfaces of a mesh: contacts of cells, and their free surfaces."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.curvature import face_integrals, inner_edges, interface_curvature
from napari_deltamic.mesh.fans import EdgeFans, edge_fans
from napari_deltamic.mesh.tables import Row, with_column
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


@dataclass(frozen=True)
class ContactMeasures:
    """Measures of one interface."""

    region_a: int
    """The lower of the two regions; 0 where the interface is a free surface."""
    region_b: int
    """The higher of the two regions."""
    area: float
    """In um^2."""
    mean_curvature: float
    """In 1/um, averaged over the area, positive where b bulges into a; NaN for a lone face."""
    pieces: int
    """How many separate patches it consists of."""
    perimeter: float
    """Length in um of the lines where it ends: at other interfaces, or at a border."""


COLUMNS = ("region_a", "region_b", "area", "mean_curvature", "pieces", "perimeter")
"""Columns of :func:`contacts_table`; units as :class:`ContactMeasures` says."""


def measure_contacts(mesh: TriangleMesh) -> list[ContactMeasures]:
    """Return the measures of every interface, in the order of ``mesh.interfaces``.

    Mean curvature is that of the edges inside the interface, over the area that belongs to these:
    the lines where it ends are no part of it. Regions need not be closed.
    """
    fans = edge_fans(mesh)
    _, face_areas = mesh.face_normals_and_areas()
    areas = np.bincount(mesh.face_interfaces, face_areas, len(mesh.interfaces))
    columns = (
        *mesh.interfaces.T.tolist(),
        areas.tolist(),
        interface_curvature(mesh, face_integrals(mesh, fans)).tolist(),
        _pieces(mesh, fans).tolist(),
        _perimeters(mesh, fans).tolist(),
    )
    return [ContactMeasures(*values) for values in zip(*columns, strict=True)]


def contacts_table(mesh: TriangleMesh, brightness: ArrayLike | None = None) -> list[Row]:
    """Return the measures of the interfaces as one flat row for each.

    Parameters
    ----------
    mesh
        The mesh.
    brightness
        (I,) per um^2 of each interface, in the order of ``mesh.interfaces``: a column more.

    Raises
    ------
    ValueError
        If there is not one brightness for each interface.
    """
    contacts = measure_contacts(mesh)
    rows: list[Row] = [dict(zip(COLUMNS, astuple(one), strict=True)) for one in contacts]
    return with_column(rows, "brightness", brightness, "brightness")


def _pieces(mesh: TriangleMesh, fans: EdgeFans) -> NDArray[np.int64]:
    """Return (I,) numbers of parts that hang together over edges inside the interface."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    one, other = fans.wedge_faces[fans.start[inner_edges(mesh, fans)]].T
    size = len(mesh.faces)
    graph = coo_matrix((np.ones(len(one)), (one, other)), (size, size))
    count, piece = connected_components(graph, directed=False)
    interface_of_piece = np.zeros(count, np.int64)
    interface_of_piece[piece] = mesh.face_interfaces
    return np.bincount(interface_of_piece, minlength=len(mesh.interfaces)).astype(np.int64)


def _perimeters(mesh: TriangleMesh, fans: EdgeFans) -> NDArray[np.float64]:
    """Return (I,) lengths of the edges where an interface ends, each counted once."""
    interfaces = len(mesh.interfaces)
    keys = fans.face_edges * interfaces + mesh.face_interfaces[:, None]
    keys, faces_there = np.unique(keys, return_counts=True)
    edge, interface = keys // interfaces, keys % interfaces
    # A lone face borders on nothing; fewer faces than the edge has border on other interfaces.
    ends = (faces_there == 1) | (faces_there < fans.face_count[edge])
    return np.bincount(interface[ends], fans.lengths[edge[ends]], interfaces).astype(np.float64)
