import numpy as np
import pytest
from numpy.typing import NDArray

from napari_deltamic.mesh import intersection
from napari_deltamic.mesh.intersection import intersecting, self_intersections
from napari_deltamic.mesh.shapes import icosphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate


def edge_crossings(mesh: TriangleMesh) -> NDArray[np.int64]:
    """Return the pairs of faces without a common vertex of which an edge of one cuts the other."""
    corners, found = mesh.vertices[mesh.faces], set()
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for face, (a, b, c) in enumerate(corners):
        for start, end in ((a, b), (b, c), (c, a)):
            before = ((start - corners[:, 0]) * normals).sum(axis=1)
            after = ((end - corners[:, 0]) * normals).sum(axis=1)
            candidates = np.flatnonzero(before * after < 0)
            along = (before / np.where(before == after, 1.0, before - after))[candidates, None]
            arms = (start + along * (end - start))[:, None] - corners[candidates]
            edges = np.roll(corners[candidates], -1, axis=1) - corners[candidates]
            sides = (np.cross(edges, arms) * normals[candidates, None]).sum(axis=2)
            for other in candidates[(sides > 0).all(axis=1)]:
                if not set(mesh.faces[face]) & set(mesh.faces[other]):
                    found.add((min(face, other), max(face, other)))
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


def test_a_sphere_has_none() -> None:
    pairs = self_intersections(icosphere((5, -3, 2), 4.0, 3))
    assert pairs.shape == (0, 2)
    assert pairs.dtype == np.int64


def test_overlapping_spheres_cross_where_their_edges_say() -> None:
    mesh = concatenate([icosphere((0, 0, 0), 10.0, 2), icosphere((3, 2, 1), 8.0, 2)])
    pairs = self_intersections(mesh)
    assert len(pairs) > 20
    assert (pairs[:, 0] < 320).all()
    assert (pairs[:, 1] >= 320).all()
    np.testing.assert_array_equal(pairs, edge_crossings(mesh))


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_a_crumpled_sphere_is_searched_completely_at_any_size(size: float) -> None:
    sphere = icosphere((100, 0, -50), 10.0, 2)
    noise = np.random.default_rng(1).normal(0.0, 1.5, sphere.vertices.shape)
    mesh = sphere.with_vertices((sphere.vertices + noise) * size)
    expected = edge_crossings(mesh)
    assert len(expected) > 10
    np.testing.assert_array_equal(self_intersections(mesh), expected)


def test_a_fold_is_found() -> None:
    sphere = icosphere((0, 0, 0), 5.0, 3)
    top = int(np.argmax(sphere.vertices[:, 0]))
    vertices = sphere.vertices.copy()
    vertices[top, 0] = -6.0
    folded = sphere.with_vertices(vertices)
    pairs = self_intersections(folded)
    around_top = (sphere.faces == top).any(axis=1)
    assert len(pairs) > 0
    assert around_top[pairs].any(axis=1).all()


def test_no_faces_no_pairs() -> None:
    assert self_intersections(TriangleMesh(np.empty((0, 3)), np.empty((0, 3)))).shape == (0, 2)


def test_bit_by_bit_it_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = concatenate([icosphere((0, 0, 0), 1.0, 2), icosphere((0.3, 0.4, 1.2), 1.0, 2)])
    expected = self_intersections(mesh)
    assert len(expected) > 20
    monkeypatch.setattr(intersection, "_FACES", 20)
    assert len(list(intersecting(mesh))) > 2
    np.testing.assert_array_equal(self_intersections(mesh), expected)


@pytest.mark.parametrize("largest", [1.0, 300.0])
def test_what_is_not_looked_at_closely_does_not_meet(
    largest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    size = np.where(np.arange(300) == 7, largest, 1.0)[:, None, None]
    corners = rng.uniform(0.0, 8.0, (300, 1, 3)) + size * rng.normal(size=(300, 3, 3))
    soup = TriangleMesh(corners.reshape(-1, 3), np.arange(900).reshape(-1, 3))
    found = self_intersections(soup)
    assert len(found) > 50
    monkeypatch.setattr(intersection, "_suspects", lambda _, faces: np.ones(len(faces), bool))
    np.testing.assert_array_equal(found, self_intersections(soup))
