"""Distances between faces that are no neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.mesh import bumpy_sphere, concatenate, icosphere
from napari_deltamic.mesh.clearance import clearances_from, face_clearances, surroundings
from napari_deltamic.mesh.topology import edge_use


def sampled_clearances(vertices: np.ndarray, faces: np.ndarray, reach: float) -> np.ndarray:
    """The same from many points of each face; never too small."""
    weights = np.array([(i, j, 12 - i - j) for i in range(13) for j in range(13 - i)]) / 12
    points = np.einsum("nc,fcx->fnx", weights, vertices[faces])
    edges = {tuple(edge) for edge in edge_use(faces).edges.tolist()}
    found = np.full(len(faces), reach)
    for one in range(len(faces)):
        for two in range(one + 1, len(faces)):
            pairs = [(int(a), int(b)) for a in faces[one] for b in faces[two]]
            if any(a == b or (min(a, b), max(a, b)) in edges for a, b in pairs):
                continue
            gap = np.linalg.norm(points[one][:, None] - points[two], axis=2).min()
            found[[one, two]] = np.minimum(found[[one, two]], gap)
    return found


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.05, 2.0))
def test_clearances_are_those_of_sampled_points(seed: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    # Loose triangles, none of which crosses another: each in a layer of its own.
    count = 9
    vertices = rng.uniform(-1, 1, (count, 3, 3))
    vertices[:, :, 0] = 0.05 * vertices[:, :, 0] + 0.15 * np.arange(count)[:, None]
    vertices = vertices.reshape(-1, 3) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    faces = np.arange(3 * count).reshape(-1, 3)
    expected = sampled_clearances(vertices, faces, reach)
    found = face_clearances(vertices, surroundings(faces), reach)
    assert (found <= expected + 1e-12).all()
    # Samples lie up to a sixth of an edge from the nearest place.
    assert (expected - found < 0.2).all()


def test_two_balls_are_as_far_apart_as_they_are() -> None:
    pair = concatenate([icosphere((0, 0, 0), 1.0, 3), icosphere((0, 0, 2.1), 1.0, 3)])
    found = face_clearances(pair.vertices, surroundings(pair.faces), 1.0)
    assert found.min() == pytest.approx(0.1, abs=0.01)
    assert (found <= 1.0).all()


def test_pairs_of_some_faces_are_found_without_the_others() -> None:
    pair = concatenate([bumpy_sphere((0, 0, x), 1.0, 0.2, seed=1) for x in (0, 2.1)])
    around = surroundings(pair.faces)
    everywhere = face_clearances(pair.vertices, around, 0.6)
    sought = np.random.default_rng(0).random(len(pair.faces)) < 0.3
    found = clearances_from(pair.vertices, around, 0.6, sought)
    assert (everywhere[sought] < 0.3).any()
    np.testing.assert_allclose(found[sought], everywhere[sought], rtol=1e-12)
    assert (found >= everywhere - 1e-12).all()
    # Whoever is the nearest to one of them knows it too.
    assert 0 < (found[~sought] <= everywhere[~sought] + 1e-12).mean() < 1


def test_neighbours_do_not_count() -> None:
    ball = icosphere((0, 0, 0), 1.0, 3)
    assert (face_clearances(ball.vertices, surroundings(ball.faces), 0.1) == 0.1).all()


def test_moves_by_less_than_half_keep_faces_apart() -> None:
    from napari_deltamic.mesh import self_intersections

    pair = concatenate(
        [bumpy_sphere((0, 0, x), 1.0, 0.2, seed=1, subdivisions=3) for x in (0, 2.1)]
    )
    assert len(self_intersections(pair)) == 0
    around = surroundings(pair.faces)
    gaps = face_clearances(pair.vertices, around, 0.3)
    room = np.full(len(pair.vertices), 0.3)
    np.minimum.at(room, pair.faces, gaps[:, None])
    assert room.min() < 0.3
    rng = np.random.default_rng(0)
    for _ in range(20):
        moves = rng.normal(size=pair.vertices.shape)
        moves *= 0.49 * room[:, None] / np.linalg.norm(moves, axis=1, keepdims=True)
        after = face_clearances(pair.vertices + moves, around, 0.3)
        crossing = self_intersections(pair.with_vertices(pair.vertices + moves))
        bodies = pair.labels[crossing, 0]
        assert (bodies[:, 0] == bodies[:, 1]).all() if len(bodies) else True
        assert after.min() > 0


def test_faces_without_area_and_no_faces() -> None:
    vertices = np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 0], [1, 0, 1], [1, 1, 0]])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    assert face_clearances(vertices, surroundings(faces), 5.0) == pytest.approx([1.0, 1.0])
    assert len(face_clearances(vertices, surroundings(faces[:0]), 1.0)) == 0
