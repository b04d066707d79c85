"""The linear unknowns in closed form, against scipy's own solver and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from napari_deltamic.fitting.linear import nonnegative_minimum


def normal_equations(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return columns.T @ columns, columns.T @ target


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
