"""Winding: faces that agree with their neighbours, and normals that point outwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.topology import edge_use, vertex_components
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def oriented_outwards(mesh: TriangleMesh) -> TriangleMesh:
    """Return the mesh with the faces of every inside-out region turned.

    A region is inside out when it is closed and its volume is negative. Regions that share faces
    with other regions are left alone, since turning one would spoil the other; so are open ones.
    """
    if len(mesh.faces) == 0:
        return mesh
    inside_out = mesh.regions[mesh.volumes() < 0]
    sharing = np.unique(mesh.labels[(mesh.labels > 0).all(axis=1)])
    turned = np.setdiff1d(np.setdiff1d(inside_out, sharing), mesh.open_regions())
    if len(turned) == 0:
        return mesh
    flip = np.isin(mesh.labels, turned).any(axis=1, keepdims=True)
    faces = np.where(flip, mesh.faces[:, ::-1], mesh.faces)
    return TriangleMesh(mesh.vertices, faces, mesh.labels)


def with_sides_from_geometry(mesh: TriangleMesh) -> TriangleMesh:
    """Return the mesh with labels put on the side of each face where the region really lies.

    For files that name the two regions at a face in any order. Faces keep their winding. A mesh
    whose regions are open, or cannot all agree, comes back as it is.
    """
    labels = mesh.labels.copy()
    known = np.zeros(len(labels), dtype=bool)
    for region in mesh.regions:
        index = np.flatnonzero((mesh.labels == region).any(axis=1))
        given = mesh.faces[index]
        try:
            wound = consistently_wound(given)
        except ValueError:
            return mesh
        if not edge_use(wound).balanced:
            return mesh
        outwards, _ = oriented_bodies(mesh.vertices, wound)
        inside = (outwards == given).all(axis=1)
        other = mesh.labels[index].sum(axis=1) - region
        sides = np.where(
            inside[:, None],
            np.column_stack([np.full_like(other, region), other]),
            np.column_stack([other, np.full_like(other, region)]),
        )
        if (labels[index] != sides)[known[index]].any():
            return mesh
        labels[index], known[index] = sides, True
    return TriangleMesh(mesh.vertices, mesh.faces, labels)


def oriented_bodies(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Turn closed pieces so that they bound solid bodies, and number the bodies.

    A piece wound inwards that lies within one wound outwards is a cavity of that body and stays
    as it is. Any other piece is a body of its own and is wound outwards. If the largest piece is
    inside out, all of them are taken to be.

    Parameters
    ----------
    vertices
        (V, 3) in um.
    faces
        (F, 3), closed and consistently wound.

    Returns
    -------
    faces
        (F, 3), some turned.
    bodies
        (F,) body of each face, from 1.
    """
    piece = vertex_components(faces, len(vertices))[faces[:, 0]]
    _, piece = np.unique(piece, return_inverse=True)
    v0, v1, v2 = (vertices - vertices.mean(axis=0))[faces].transpose(1, 0, 2)
    volume = np.bincount(piece, np.einsum("ij,ij->i", v0, np.cross(v1, v2)) / 6.0)
    if volume[np.argmax(np.abs(volume))] < 0:
        faces, volume = faces[:, ::-1], -volume
    body = np.arange(len(volume))
    inward = np.flatnonzero(volume < 0)
    # The smallest first, so that a cavity goes to the innermost body round it.
    outward = np.argsort(volume)[len(inward) :] if len(inward) else inward
    for cavity in inward:
        point = vertices[faces[piece == cavity][0, 0]]
        for solid in outward[volume[outward] > -volume[cavity]]:
            if winding_number(point, vertices[faces[piece == solid]]) > 0.5:
                body[cavity] = solid
                break
    turned = (volume < 0) & (body == np.arange(len(volume)))
    faces = np.where(turned[piece][:, None], faces[:, ::-1], faces)
    _, number = np.unique(body[piece], return_inverse=True)
    return faces, number.reshape(-1) + 1


def winding_number(point: NDArray[np.float64], corners: NDArray[np.float64]) -> float:
    """Return how often a closed surface, (F, 3, 3) corners, winds round a point (1 inside)."""
    away = corners - point
    if (point < corners.min(axis=(0, 1))).any() or (point > corners.max(axis=(0, 1))).any():
        return 0.0
    a, b, c = away.transpose(1, 0, 2)
    la, lb, lc = np.linalg.norm(away, axis=2).T
    volume = np.einsum("ij,ij->i", a, np.cross(b, c))
    dots = [np.einsum("ij,ij->i", p, q) for p, q in ((a, b), (b, c), (c, a))]
    # The solid angle of a triangle is twice this arc tangent (van Oosterom and Strackee, 1983).
    half = np.arctan2(volume, la * lb * lc + dots[0] * lc + dots[1] * la + dots[2] * lb)
    return float(half.sum() / (2.0 * np.pi))


def consistently_wound(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (F, 3) faces turned so that neighbours run through their edge in opposite senses.

    Each connected piece keeps the winding of its first face. Edges of one face or of more than
    two say nothing and are passed over.

    Raises
    ------
    ValueError
        If a piece has one side only, like a Moebius strip.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(faces)
    use = edge_use(faces)
    edge = use.face_edges.ravel()
    pairs = np.argsort(edge, kind="stable")
    pairs = pairs[use.face_count[edge[pairs]] == 2].reshape(-1, 2)
    ascending = (np.roll(faces, -1, axis=1) < np.roll(faces, -2, axis=1)).ravel()
    clash = ascending[pairs[:, 0]] == ascending[pairs[:, 1]]
    first, second = (pairs // 3).T
    # Node f is face f as it is and node f + count the same face turned; agreeing nodes are joined.
    rows = np.concatenate([first, first + count])
    columns = np.concatenate([second + clash * count, second + ~clash * count])
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), (2 * count, 2 * count))
    piece = connected_components(graph, directed=False)[1].astype(np.int64)
    kept, turned = piece[:count], piece[count:]
    one_sided = np.flatnonzero(kept == turned)
    if len(one_sided):
        raise ValueError(f"faces: the surface at face {one_sided[0]} has one side only")
    # Of a patch and its mirror image, keep the one that holds the patch's first face as it is.
    _, lowest = np.unique(piece, return_index=True)
    return np.where((lowest[kept] < lowest[turned])[:, None], faces, faces[:, ::-1])
