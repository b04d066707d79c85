"""Steps of L-BFGS on functions whose minimum is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_deltamic.fitting.densities import Brightness
from napari_deltamic.fitting.lbfgs import Memory, step
from napari_deltamic.fitting.misfit import Evaluation

DARK = Brightness(np.empty(0), np.empty(0), 0.0)
Objective = Callable[[torch.Tensor], Evaluation]


def same(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.clone()


def quadratic(position: torch.Tensor) -> Evaluation:
    """Curvatures from 1 to 1000 about (1, 2, 3)."""
    away = position - torch.tensor([1.0, 2.0, 3.0])
    curvature = torch.logspace(0.0, 3.0, away.numel(), dtype=torch.float64).reshape(away.shape)
    return Evaluation(0.5 * float((curvature * away**2).sum()), curvature * away, DARK)


def rosenbrock(position: torch.Tensor) -> Evaluation:
    x, y, z = position.T
    loss = ((1 - x) ** 2 + 100 * (y - x**2) ** 2 + z**2).sum()
    slopes = 2 * (x - 1) - 400 * x * (y - x**2), 200 * (y - x**2), 2 * z
    gradient = torch.stack(slopes, dim=1)
    return Evaluation(float(loss), gradient, DARK)


def descend(evaluate: Objective, start: np.ndarray, farthest: float, steps: int) -> np.ndarray:
    position, memory = torch.tensor(start), Memory()
    here = evaluate(position)
    for _ in range(steps):
        taken = step(evaluate, position, here, memory, same, farthest)
        if taken is None:
            break
        moved, there = taken
        assert there.objective <= here.objective
        assert torch.linalg.norm(moved - position, dim=1).max() <= farthest * (1 + 1e-12)
        assert there.loss == evaluate(moved).loss
        position, here = taken
    return position.numpy()


def test_quadratic_converges() -> None:
    found = descend(quadratic, np.zeros((4, 3)), farthest=0.5, steps=200)
    assert found == pytest.approx(np.tile([1.0, 2.0, 3.0], (4, 1)), abs=1e-4)


def test_rosenbrock_converges() -> None:
    start = np.array([[-1.2, 1.0, 0.5], [0.0, 0.0, -1.0]])
    found = descend(rosenbrock, start, farthest=0.3, steps=200)
    assert found == pytest.approx(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]), abs=1e-4)


def test_no_vertex_moves_farther_than_allowed() -> None:
    start = np.zeros((4, 3))
    found = descend(quadratic, start, farthest=0.01, steps=10)
    assert np.linalg.norm(found - start, axis=1).max() <= 0.1 + 1e-12


def test_there_is_no_step_from_a_minimum() -> None:
    minimum = torch.tensor([[1.0, 2.0, 3.0]] * 2, dtype=torch.float64)
    assert step(quadratic, minimum, quadratic(minimum), Memory(), same, 1.0) is None


def test_there_is_no_step_where_the_gradient_lies() -> None:
    def uphill(position: torch.Tensor) -> Evaluation:
        away = position - 1.0
        return Evaluation(float((away**2).sum()), -2 * away, DARK)

    memory = Memory()
    start = torch.zeros((2, 3), dtype=torch.float64)
    assert step(uphill, start, uphill(start), memory, same, 0.1) is None
    assert memory.steps == []


def test_the_penalty_is_part_of_what_decreases() -> None:
    def pulled(position: torch.Tensor) -> Evaluation:
        misfit = quadratic(position)
        return misfit._replace(
            gradient=misfit.gradient + 2e3 * position, penalty=1e3 * float((position**2).sum())
        )

    found = descend(pulled, np.ones((1, 3)), farthest=1.0, steps=100)
    assert pulled(torch.tensor(found)).gradient.abs().max() < 1e-2


def test_what_misleads_is_forgotten() -> None:
    start = torch.tensor([[1.0, 2.0, 3.0]] * 4, dtype=torch.float64)
    start[0, 0] += 1.0
    start[3, 2] += 1e-6
    memory = Memory()
    # As if the steepest coordinate were nearly flat: every trial along it goes much too far.
    stretch, change = (torch.zeros((4, 3), dtype=torch.float64) for _ in range(2))
    stretch[3, 2], change[3, 2], change[1, 1] = 1.0, 1e-6, 1.0
    memory.remember(stretch, change, same)
    assert len(memory.steps) == 1
    here = quadratic(start)
    taken = step(quadratic, start, here, memory, same, 1.0)
    assert taken is not None
    assert taken[1].loss < 0.9 * here.loss
    assert not any(torch.equal(remembered, stretch) for remembered in memory.steps)


def test_the_newest_pair_obeys_the_secant_equation() -> None:
    rng = np.random.default_rng(0)
    memory = Memory()
    for _ in range(12):
        last = torch.tensor(rng.normal(size=(5, 3)))
        memory.remember(last, quadratic(last).gradient - quadratic(0 * last).gradient, same)
    assert len(memory.steps) == 8
    found = -memory.direction(memory.changes[-1], same)
    assert found.numpy() == pytest.approx(last.numpy(), rel=1e-9)


def test_pairs_without_positive_curvature_are_passed_over() -> None:
    memory = Memory()
    ones = torch.ones((2, 3), dtype=torch.float64)
    memory.remember(ones, -ones, same)
    assert memory.steps == []
    assert memory.smoothed is None
