"""The linear unknowns in closed form, against scipy's own solver and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from napari_deltamic.fitting.linear import bilinear_minimum, bounded_minimum


def normal_equations(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return columns.T @ columns, columns.T @ target


def nonnegative_minimum(gram: np.ndarray, moments: np.ndarray, free: int = 0) -> np.ndarray:
    lower = np.where(np.arange(len(gram)) < len(gram) - free, 0.0, -np.inf)
    return bounded_minimum(gram, moments, lower, np.full(len(gram), np.inf))


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_nnls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, target = rng.normal(size=(30, 6)), rng.normal(size=30)
    expected, _ = nnls(columns, target)
    assert (expected == 0).any() or seed == 0, "the constraint has to matter"
    found = nonnegative_minimum(*normal_equations(columns, target))
    assert found == pytest.approx(expected, abs=1e-6)
    assert ((found == 0) == (expected == 0)).all()


@pytest.mark.parametrize("seed", range(10))
def test_free_entries_may_be_negative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, target = rng.normal(size=(30, 5)), rng.normal(size=30)
    # nnls with the free column and its negative is the same problem.
    split, _ = nnls(np.column_stack([columns, -columns[:, 4]]), target)
    expected = np.append(split[:4], split[4] - split[5])
    found = nonnegative_minimum(*normal_equations(columns, target), free=1)
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_negative_background_is_found_exactly() -> None:
    columns = np.column_stack([np.arange(5.0), np.ones(5)])
    found = nonnegative_minimum(*normal_equations(columns, columns @ [2.0, -3.0]), free=1)
    assert found == pytest.approx([2.0, -3.0], rel=1e-9)


def test_columns_of_very_different_size() -> None:
    rng = np.random.default_rng(0)
    columns = rng.uniform(size=(40, 3)) * [1e-6, 1.0, 1e6]
    known = np.array([3e6, 2.0, 1e-6])
    found = nonnegative_minimum(*normal_equations(columns, columns @ known))
    assert found == pytest.approx(known, rel=1e-5)


def test_a_column_without_light_gets_nothing() -> None:
    columns = np.column_stack([np.zeros(6), np.arange(6.0)])
    found = nonnegative_minimum(*normal_equations(columns, 4.0 * np.arange(6.0)))
    assert found == pytest.approx([0.0, 4.0])


def test_equal_columns_share_what_they_explain() -> None:
    column = np.arange(1.0, 7.0)
    columns = np.column_stack([column, column])
    found = nonnegative_minimum(*normal_equations(columns, 4.0 * column))
    assert found == pytest.approx([2.0, 2.0])


def test_many_like_columns_with_noise() -> None:
    rng = np.random.default_rng(0)
    columns = 1.0 + 0.05 * rng.normal(size=(500, 60))
    target = columns @ rng.uniform(size=60) + rng.normal(size=500)
    expected, residual = nnls(columns, target)
    found = nonnegative_minimum(*normal_equations(columns, target))
    assert (found >= 0).all()
    assert np.linalg.norm(columns @ found - target) == pytest.approx(residual, rel=1e-6)
    assert found == pytest.approx(expected, abs=1e-4)


def test_nothing_but_dark_columns() -> None:
    assert nonnegative_minimum(np.zeros((2, 2)), np.zeros(2)) == pytest.approx([0.0, 0.0])


def test_bounds_on_both_sides() -> None:
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(30, 3))
    lower, upper = np.array([-1.0, 0.5, -np.inf]), np.array([1.0, 0.7, np.inf])
    equations = normal_equations(columns, columns @ [3.0, 0.6, -8.0])
    found = bounded_minimum(*equations, lower, upper)
    assert found[0] == pytest.approx(1.0)
    assert 0.5 <= found[1] <= 0.7
    rest = columns[:, 2] @ (columns @ [3.0, 0.6, -8.0] - columns[:, :2] @ found[:2])
    if 0.5 < found[1] < 0.7:
        assert found[2] == pytest.approx(rest / (columns[:, 2] @ columns[:, 2]))


@pytest.mark.parametrize("free", [0, 1])
@pytest.mark.parametrize("scales", [1, 2])
def test_scales_and_what_changes_every_scaled_column(scales: int, free: int) -> None:
    rng = np.random.default_rng(4)
    shifts = np.array([0.1, -0.2, 0.05])
    columns = rng.normal(size=(80, scales + free + 3 * scales))
    factors = np.array([2.0, 0.5][:scales] + [-1.5] * free)
    target = columns @ np.concatenate([factors, np.outer(factors[:scales], shifts).ravel()])
    equations = normal_equations(columns, target)
    wide = np.full(3, 0.5)
    found, shift = bilinear_minimum(*equations, scales, -wide, wide, np.zeros(3), np.zeros(3))
    assert found == pytest.approx(factors)
    assert shift == pytest.approx(shifts)
    # A bound, and a prior that is worth more than the data.
    found, shift = bilinear_minimum(*equations, scales, -wide / 5, wide, np.ones(3), np.zeros(3))
    assert shift.min() == pytest.approx(-0.1)
    certain = np.array([0.3, 0.2, -0.1])
    found, shift = bilinear_minimum(*equations, scales, -wide, wide, certain, np.full(3, 1e9))
    assert shift == pytest.approx(certain, abs=1e-4)


def test_shifts_of_nothing_keep_to_their_prior() -> None:
    gram = np.zeros((3, 3))
    expected, wide = np.array([0.2, -0.1]), np.ones(2)
    found, shift = bilinear_minimum(gram, np.zeros(3), 1, -wide, wide, expected, np.full(2, 1e-6))
    assert found == pytest.approx([0.0])
    assert shift == pytest.approx(expected)
