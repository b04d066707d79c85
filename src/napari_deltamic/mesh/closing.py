"""Making closed surfaces of meshes that come with small defects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.orientation import consistently_wound, oriented_bodies
from napari_deltamic.mesh.topology import edge_use, vertex_components
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

_ROUNDS = 10


def closed(
    mesh: TriangleMesh, merge_distance: float | None = None, stray_fraction: float = 0.01
) -> TriangleMesh:
    """Return a closed, outwards wound surface near the given one, as region 1.

    Coincident vertices are merged, collapsed and duplicate faces dropped, faces on edges of more
    than two faces cut away, stray pieces dropped, the winding made consistent, and holes filled
    with a fan of triangles from the middle of their rim. A piece wound inwards within another one
    is kept as a cavity. A closed sound mesh comes back
    with the same surface. Large holes get a crude lid.

    Parameters
    ----------
    mesh
        A surface of one region. Close regions of a larger mesh one by one, by
        :meth:`TriangleMesh.region_mesh`.
    merge_distance
        Vertices nearer than this are one, in um; by default 1e-6 of the mesh's extent.
    stray_fraction
        Pieces with less than this fraction of the largest piece's area are dropped, 0 to 1.

    Raises
    ------
    ValueError
        If the mesh has no faces or several regions, if it has one side only, or if it stays open.
    """
    if len(mesh.faces) == 0:
        raise ValueError("mesh: has no faces to close")
    if len(mesh.regions) != 1:
        raise ValueError(
            f"mesh: has {len(mesh.regions)} regions; close them one by one with region_mesh"
        )
    if not 0 <= stray_fraction <= 1:
        raise ValueError(f"stray_fraction: must lie in 0..1, got {stray_fraction}")
    if merge_distance is None:
        merge_distance = 1e-6 * float(np.ptp(mesh.vertices, axis=0).max())
    vertices, faces = _merged(mesh.vertices, mesh.faces, merge_distance)
    for _ in range(_ROUNDS):
        faces = _without_flat_or_twin_faces(faces)
        faces = _without_crowded_edges(faces)
        faces = _without_strays(vertices, faces, stray_fraction)
        if len(faces) == 0:
            break
        faces = consistently_wound(faces)
        use = edge_use(faces)
        if use.balanced and use.face_count.max() == 2:
            used, compact = np.unique(faces, return_inverse=True)
            compact = compact.reshape(-1, 3)
            return TriangleMesh(vertices[used], oriented_bodies(vertices[used], compact)[0])
        vertices, faces = _filled(vertices, faces)
    raise ValueError(
        "mesh: too damaged to close; repair it in a mesh editor, or seed a sphere instead"
    )


def _merged(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], distance: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(vertices).query_pairs(distance, output_type="ndarray")
    count = len(vertices)
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    group = connected_components(graph, directed=False)[1]
    _, first = np.unique(group, return_index=True)
    return vertices[first], np.asarray(group[faces], dtype=np.int64)


def _without_flat_or_twin_faces(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    corners = np.sort(faces, axis=1)
    distinct = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2])
    faces, corners = faces[distinct], corners[distinct]
    _, first = np.unique(corners, axis=0, return_index=True)
    return faces[np.sort(first)]


def _without_crowded_edges(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    use = edge_use(faces)
    crowded = (use.face_count > 2)[use.face_edges].any(axis=1)
    return faces[~crowded]


def _without_strays(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], fraction: float
) -> NDArray[np.int64]:
    if len(faces) == 0:
        return faces
    piece = vertex_components(faces, len(vertices))[faces[:, 0]]
    _, areas = TriangleMesh(vertices, faces).face_normals_and_areas()
    piece_areas = np.bincount(piece, areas)
    return faces[np.flatnonzero(piece_areas[piece] >= fraction * piece_areas.max())]


def _filled(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    lids: list[NDArray[np.int64]] = []
    middles: list[NDArray[np.float64]] = []
    for rim in _rims(faces):
        if len(rim) == 3:
            lids.append(np.array([rim]))
        else:
            middle = len(vertices) + len(middles)
            middles.append(vertices[rim].mean(axis=0))
            lids.append(np.column_stack([rim, np.roll(rim, -1), np.full(len(rim), middle)]))
    new_vertices = np.concatenate([vertices, *[middle[None] for middle in middles]])
    return new_vertices, np.concatenate([faces, *lids])


def _rims(faces: NDArray[np.int64]) -> list[list[int]]:
    """Return the borders as vertex loops, run through as a lid's faces must; no vertex twice."""
    use = edge_use(faces)
    is_border = use.face_count[use.face_edges] == 1
    start, stop = np.roll(faces, -2, axis=1)[is_border], np.roll(faces, -1, axis=1)[is_border]
    following: dict[int, list[int]] = {}
    for a, b in zip(start.tolist(), stop.tolist(), strict=True):
        following.setdefault(a, []).append(b)
    rims = []
    while following:
        path = [next(iter(following))]
        place = {path[0]: 0}
        while path[-1] in following:
            ahead = following[path[-1]].pop()
            if not following[path[-1]]:
                del following[path[-1]]
            if ahead in place:
                # A loop within the path, at a vertex where two rims touch, is a rim of its own.
                rim = path[place[ahead] :]
                rims.append(rim)
                for vertex in rim[1:]:
                    del place[vertex]
                path = path[: place[ahead] + 1]
            else:
                place[ahead] = len(path)
                path.append(ahead)
    return rims
