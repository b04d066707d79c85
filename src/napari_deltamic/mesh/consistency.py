"""What keeps a mesh from dividing space into its regions, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.edges import edge_lengths
from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# Height of a face over its longest edge, below which its normal is rounding.
_FLATTEST = 1e-9
_MOST_NAMED = 5


def inconsistencies(mesh: TriangleMesh) -> list[str]:
    """Return a sentence for each thing that is wrong with the mesh; an empty list if it is sound.

    A sound mesh has faces with area, each once, and no other vertices than theirs; every region's
    surface is closed; and on the way round any edge, each face leads into the region that the next
    one leads out of.
    """
    if len(mesh.faces) == 0:
        return ["the mesh has no faces"]
    found = []
    unused = np.flatnonzero(np.bincount(mesh.faces.ravel(), minlength=len(mesh.vertices)) == 0)
    if len(unused):
        found.append(f"no face uses {_listed('vertex', 'vertices', unused)}")
    degenerate = _degenerate(mesh)
    if len(degenerate):
        found.append(f"no area has {_listed('face', 'faces', degenerate)}")
    twins = _twins(mesh.faces)
    if len(twins):
        found.append(f"the same vertices as an earlier one has {_listed('face', 'faces', twins)}")
    is_open = mesh.open_regions()
    if len(is_open):
        found.append(f"not closed is {_listed('region', 'regions', is_open)}")
    edges = unmatched_edges(mesh)
    if len(edges):
        places = [f"({a}, {b})" for a, b in edges]
        found.append(f"the regions do not match round {_listed('edge', 'edges', places)}")
    return found


def unmatched_edges(mesh: TriangleMesh) -> NDArray[np.int64]:
    """Return (N, 2) vertex pairs of the edges round which the labels do not close up.

    Going round an edge, from face to face by angle, the region behind a face must be the one in
    front of the next. An edge of one face never closes up.
    """
    use = edge_use(mesh.faces)
    edge = use.face_edges.ravel()
    face = np.repeat(np.arange(len(mesh.faces)), 3)
    starts = np.roll(mesh.faces, -1, axis=1).ravel()
    low, high = use.edges[edge].T
    along = _unit(mesh.vertices[high] - mesh.vertices[low])
    # Two directions across the edge, the same for all of its faces.
    helper = np.eye(3)[np.abs(along).argmin(axis=1)]
    across = _unit(np.cross(along, helper))
    upright = np.cross(along, across)
    spoke = mesh.vertices[mesh.faces.ravel()] - mesh.vertices[low]
    angle = np.arctan2(np.sum(spoke * upright, axis=1), np.sum(spoke * across, axis=1))
    # A face that runs along its edge from low to high has its normal towards larger angles.
    forward = starts == low
    before = np.where(forward, mesh.labels[face, 0], mesh.labels[face, 1])
    behind = np.where(forward, mesh.labels[face, 1], mesh.labels[face, 0])
    order = np.lexsort((angle, edge))
    first = np.concatenate([[0], np.cumsum(use.face_count)])[:-1]
    following = np.arange(1, len(order) + 1)
    following[first + use.face_count - 1] = first
    wrong = behind[order] != before[order][following]
    return np.asarray(use.edges[np.unique(edge[order][wrong])])


def _degenerate(mesh: TriangleMesh) -> NDArray[np.int64]:
    longest = edge_lengths(mesh).max(axis=1)
    _, areas = mesh.face_normals_and_areas()
    return np.flatnonzero(2.0 * areas <= _FLATTEST * longest**2)


def _twins(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return np.setdiff1d(np.arange(len(faces)), first)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)


def _listed(one: str, several: str, names: NDArray[np.int64] | list[str]) -> str:
    shown = ", ".join(str(name) for name in names[:_MOST_NAMED])
    if len(names) == 1:
        return f"{one} {shown}"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{len(names)} {several}: {shown}{more}"
