"""The faces round each edge in order, and the wedge of a region between each two of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

UNKNOWN = -1
"""In place of a region: the faces beside a wedge do not agree on it, or one has no area."""

FLAT = 1e-12
"""Height over an edge, as a part of a face's size, at which a face has no direction any more."""


class EdgeFans(NamedTuple):
    """The wedges of all edges, N = 3 F in number, those of one edge in succession."""

    edges: NDArray[np.int64]
    """(E, 2) vertex pairs, each ascending."""
    face_edges: NDArray[np.int64]
    """(F, 3) edge opposite each corner of each face."""
    lengths: NDArray[np.float64]
    """(E,) in um."""
    face_count: NDArray[np.int64]
    """(E,) number of faces, and so of wedges, at each edge."""
    start: NDArray[np.int64]
    """(E,) first wedge of each edge."""
    wedge_edges: NDArray[np.int64]
    """(N,) edge of each wedge."""
    wedge_faces: NDArray[np.int64]
    """(N, 2) faces with which the wedge begins and ends, turning round the edge's direction."""
    wedge_regions: NDArray[np.int64]
    """(N,) region that fills the wedge, or :data:`UNKNOWN`."""
    wedge_angles: NDArray[np.float64]
    """(N,) opening in radians, 0 to 2 pi; those of one edge sum to 2 pi."""
    open_regions: NDArray[np.int64]
    """The regions whose surface is not closed and consistently wound."""


def edge_fans(mesh: TriangleMesh) -> EdgeFans:
    """Return the wedges between successive faces round every edge of a mesh."""
    use = edge_use(mesh.faces)
    edge = use.face_edges.ravel()
    tail = mesh.faces[:, [1, 2, 0]].ravel()
    low, high = mesh.vertices[use.edges.T]
    along = high - low
    lengths = np.linalg.norm(along, axis=1)
    angle, is_flat = _angles_round_edges(mesh, edge, low, along, lengths)

    # A face that runs along its edge has its outer side ahead as one turns round the edge.
    forward = tail == use.edges[edge, 0]
    inner, outer = np.repeat(mesh.labels, 3, axis=0).T
    ahead, behind = np.where(forward, outer, inner), np.where(forward, inner, outer)

    order = np.lexsort((angle, edge))
    start = np.cumsum(use.face_count) - use.face_count
    following = np.arange(1, len(order) + 1)
    following[start + use.face_count - 1] = start
    sorted_angle = angle[order]
    opening = sorted_angle[following] - sorted_angle
    # The last wedge of an edge leads back to its first face.
    opening[start + use.face_count - 1] += 2.0 * np.pi
    region = np.where(ahead[order] == behind[order][following], ahead[order], UNKNOWN)
    region[(np.bincount(edge, is_flat, len(use.edges)) > 0)[edge[order]]] = UNKNOWN
    return EdgeFans(
        use.edges,
        use.face_edges,
        lengths,
        use.face_count,
        start,
        edge[order],
        np.stack([order, order[following]], axis=1) // 3,
        region,
        opening,
        _unbalanced_regions(edge, ahead, behind),
    )


def _angles_round_edges(
    mesh: TriangleMesh,
    edge: NDArray[np.int64],
    low: NDArray[np.float64],
    along: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (3F,) angles from one face of the edge, 0 to 2 pi, and where faces have no area."""
    unit = along / np.where(lengths > 0, lengths, 1.0)[:, None]
    across = mesh.vertices[mesh.faces.ravel()] - low[edge]
    least = FLAT * (np.linalg.norm(across, axis=1) + lengths[edge])
    across -= np.einsum("ij,ij->i", across, unit[edge])[:, None] * unit[edge]
    chosen = np.empty(len(lengths), np.int64)
    chosen[edge] = np.arange(len(edge))
    axis = across[chosen]
    cosine = np.einsum("ij,ij->i", across, axis[edge])
    sine = np.einsum("ij,ij->i", across, np.cross(unit, axis)[edge])
    angle = np.arctan2(sine, cosine)
    is_flat = np.asarray(np.linalg.norm(across, axis=1) <= least)
    return np.where(angle < 0, angle + 2.0 * np.pi, angle), is_flat


def _unbalanced_regions(
    edge: NDArray[np.int64], ahead: NDArray[np.int64], behind: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the regions that do not begin as often as they end in a turn round every edge."""
    stride = int(max(ahead.max(initial=0), behind.max(initial=0))) + 1
    begins, ends = np.sort(edge * stride + ahead), np.sort(edge * stride + behind)
    if np.array_equal(begins, ends):
        return np.empty(0, np.int64)
    keys, inverse = np.unique(np.concatenate([begins, ends]), return_inverse=True)
    signs = np.repeat([1.0, -1.0], len(begins))
    regions = np.unique(keys[np.bincount(inverse, signs) != 0] % stride)
    return regions[regions > 0]
