"""Bodies of several regions for the tests of measures."""

from __future__ import annotations

import numpy as np

from napari_deltamic.mesh.shapes import box_grid
from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def crumpled_grid(seed: int, boxes=(2, 2, 2), divisions: int = 2) -> TriangleMesh:
    """Return boxes of side 1, their vertices out of place, :func:`shuffled`."""
    grid = box_grid((0, 0, 0), boxes, boxes, divisions)
    rng = np.random.default_rng(seed)
    moved = grid.vertices + rng.uniform(-0.1, 0.1, grid.vertices.shape) / divisions
    return shuffled(grid.with_vertices(moved), seed)


def shuffled(mesh: TriangleMesh, seed: int) -> TriangleMesh:
    """Return the same surface with vertices and faces in any order, faces wound either way."""
    rng = np.random.default_rng(seed)
    turned = rng.random(len(mesh.faces)) < 0.5
    faces = np.where(turned[:, None], mesh.faces[:, ::-1], mesh.faces)
    labels = np.where(turned[:, None], mesh.labels[:, ::-1], mesh.labels)
    order, place = rng.permutation(len(faces)), rng.permutation(len(mesh.vertices))
    vertices = np.empty_like(mesh.vertices)
    vertices[place] = mesh.vertices
    return TriangleMesh(vertices, place[faces][order], labels[order])


def rotation(seed: int) -> np.ndarray:
    """Return a random (3, 3) rotation."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return basis * np.sign(np.linalg.det(basis))


def slow_wedges(mesh: TriangleMesh) -> dict[tuple[int, int], list[tuple[int, float]]]:
    """Return (region, angle) of the wedges at every edge, one edge after the other."""
    found = {}
    for low, high in edge_use(mesh.faces).edges:
        along = mesh.vertices[high] - mesh.vertices[low]
        along = along / np.linalg.norm(along)
        helper = np.cross(along, np.eye(3)[np.abs(along).argmin()])
        helper /= np.linalg.norm(helper)
        around = []
        for face, (inner, outer) in zip(mesh.faces.tolist(), mesh.labels.tolist(), strict=True):
            if low not in face or high not in face:
                continue
            (tip,) = set(face) - {low, high}
            way = mesh.vertices[tip] - mesh.vertices[low]
            angle = np.arctan2(way @ np.cross(along, helper), way @ helper) % (2 * np.pi)
            forward = face[(face.index(low) + 1) % 3] == high
            around.append((angle, outer if forward else inner))
        around.sort()
        angles = [angle for angle, _ in around]
        openings = np.diff([*angles, angles[0] + 2 * np.pi])
        regions = [region for _, region in around]
        found[low, high] = list(zip(regions, openings, strict=True))
    return found
