"""Faces that turn too far."""

from __future__ import annotations

import numpy as np

from napari_deltamic.mesh import folding as of_mesh
from napari_deltamic.mesh import icosphere
from napari_deltamic.mesh.folding import folding


def by_normals(faces: np.ndarray, vertices: np.ndarray, move: np.ndarray) -> np.ndarray:
    """Return the same from the unit normals."""
    normals = []
    for points in (vertices, vertices + move):
        a, b, c = points[faces].transpose(1, 0, 2)
        normal = np.cross(b - a, c - a)
        normals.append(normal / np.linalg.norm(normal, axis=1, keepdims=True))
    return (normals[0] * normals[1]).sum(axis=1) < of_mesh._TURN


def test_faces_that_turn_are_those_whose_normals_do() -> None:
    ball = icosphere((0, 0, 0), 1.0, 5)
    move = np.random.default_rng(0).normal(0.0, 0.03, ball.vertices.shape)
    move[ball.vertices[:, 0] > 0.5] = 0.0
    found = folding(ball.faces, ball.vertices, move)
    assert 100 < found.sum() < 0.5 * len(ball.faces)
    np.testing.assert_array_equal(found, by_normals(ball.faces, ball.vertices, move))


def test_faces_that_stay_or_move_as_a_whole_do_not_fold() -> None:
    ball = icosphere((0, 0, 0), 1.0, 2)
    assert not folding(ball.faces, ball.vertices, np.zeros_like(ball.vertices)).any()
    assert not folding(ball.faces, ball.vertices, np.full_like(ball.vertices, 3.0)).any()
    # Without area before and after.
    assert not folding(ball.faces, 0.0 * ball.vertices, 0.0 * ball.vertices).any()
