"""Steps that would lead a surface through itself are shortened."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deltamic.fitting import guard as guard_module
from napari_deltamic.fitting.guard import Guard
from napari_deltamic.mesh import TriangleMesh, concatenate, icosphere, self_intersections
from napari_deltamic.mesh.clearance import clearances_from
from napari_deltamic.mesh.steps import at_once


def walked(
    mesh: TriangleMesh, step: np.ndarray, steps: int, farthest: float | None = None
) -> TriangleMesh:
    longest = float(np.linalg.norm(step, axis=1).max())
    guard = Guard(mesh.faces, longest if farthest is None else farthest)
    vertices = torch.tensor(mesh.vertices)
    for _ in range(steps):
        vertices = vertices + at_once(guard.allowed(vertices, torch.tensor(step)))
    return mesh.with_vertices(vertices.numpy())


def test_two_balls_never_run_into_each_other() -> None:
    pair = concatenate([icosphere((0, 0, 0), 1.0, 3), icosphere((0, 0, 2.3), 1.0, 3)])
    towards = np.zeros(pair.vertices.shape)
    towards[:, 2] = np.where(pair.vertices[:, 2] < 1.15, 0.2, -0.2)
    free = pair.with_vertices(pair.vertices + 3 * towards)
    assert len(self_intersections(free)) > 0
    moved = walked(pair, towards, 12)
    assert len(self_intersections(moved)) == 0
    # They did come close, and what is not in each other's way went all the way.
    left, right = (moved.vertices[pair.vertices[:, 2] < 1.15], moved.vertices)
    assert 0 < right[pair.vertices[:, 2] > 1.15][:, 2].min() - left[:, 2].max() < 0.1
    assert left[:, 2].min() > 0.0


def test_looking_where_it_is_tight_does_what_looking_everywhere_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = concatenate([icosphere((0, 0, 0), 1.0, 3), icosphere((0, 0, 2.1), 1.0, 3)])
    towards = np.zeros(pair.vertices.shape)
    towards[:, 2] = np.where(pair.vertices[:, 2] < 1.05, 0.03, -0.03)
    counts: list[int] = []

    def counted(*arguments: object) -> np.ndarray:
        counts.append(1)
        return clearances_from(*arguments)

    monkeypatch.setattr(guard_module, "clearances_from", counted)
    moved = walked(pair, towards, 15, farthest=0.3)
    assert len(counts) >= 4
    monkeypatch.setattr(guard_module, "_MOST_SPENT", -1.0)
    expected = walked(pair, towards, 15, farthest=0.3)
    np.testing.assert_allclose(moved.vertices, expected.vertices, atol=1e-12)
    assert np.abs(expected.vertices - pair.vertices - 15 * towards).max() > 0.1


def test_a_step_that_is_safe_is_left_alone() -> None:
    ball = icosphere((0, 0, 0), 1.0, 3)
    guard = Guard(ball.faces, 0.05)
    step = torch.tensor(0.05 * ball.vertices)
    assert at_once(guard.allowed(torch.tensor(ball.vertices), step)) is step


def test_no_face_is_turned_over() -> None:
    ball = icosphere((0, 0, 0), 1.0, 3)
    # One vertex is pushed far below its neighbours, across the faces beside them.
    step = np.zeros(ball.vertices.shape)
    step[50] = 1.2 * (ball.vertices[ball.faces[(ball.faces == 50).any(axis=1)]][0, 1:].mean(axis=0))
    step[50] -= ball.vertices[50] * 1.3
    guard = Guard(ball.faces, 1.0)
    start = torch.tensor(ball.vertices)
    allowed = at_once(guard.allowed(start, torch.tensor(step))).numpy()
    before, _ = ball.face_normals_and_areas()
    after, _ = ball.with_vertices(ball.vertices + allowed).face_normals_and_areas()
    assert ((before * after).sum(axis=1) > 0.29).all()
    assert 0 < np.linalg.norm(allowed[50]) < np.linalg.norm(step[50])


def test_many_short_steps_add_up() -> None:
    pair = concatenate([icosphere((0, 0, 0), 1.0, 3), icosphere((0, 0, 2.02), 1.0, 3)])
    towards = np.zeros(pair.vertices.shape)
    towards[:, 2] = np.where(pair.vertices[:, 2] < 1.01, 0.003, -0.003)
    assert len(self_intersections(walked(pair, towards, 40))) == 0
