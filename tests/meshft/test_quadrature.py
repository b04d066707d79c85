"""The quadrature rules are exact up to their degree, and as accurate as their tables say."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.meshft.exact import divided_difference
from napari_deltamic.meshft.quadrature import RULES, Rule, expand, quadrature_tables

IDS = [f"degree {rule.degree}" for rule in RULES]


def moment(*powers: int) -> float:
    """Return the mean over a triangle of a monomial in the barycentric coordinates."""
    return 2.0 * np.prod([factorial(n) for n in powers]) / factorial(sum(powers) + 2)


def monomials(degree: int) -> list[tuple[int, int, int]]:
    return [(a, b, degree - a - b) for a in range(degree + 1) for b in range(degree + 1 - a)]


def errors(rule: Rule, degree: int) -> np.ndarray:
    points, weights = expand(rule)
    return np.array(
        [
            weights @ np.prod(points**powers, axis=1) / moment(*powers) - 1
            for powers in monomials(degree)
        ]
    )


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_rules_are_exact_up_to_their_degree_and_no_further(rule: Rule) -> None:
    for degree in range(rule.degree + 1):
        assert np.abs(errors(rule, degree)).max() < 1e-12
    assert np.abs(errors(rule, rule.degree + 1)).max() > 1e-5


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_points_lie_inside_with_positive_weights(rule: Rule) -> None:
    points, weights = expand(rule)
    assert (points > 0).all()
    assert (weights > 0).all()
    np.testing.assert_allclose(points.sum(axis=1), 1.0, rtol=1e-15)
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_rules_are_symmetric(rule: Rule) -> None:
    points, weights = expand(rule)
    table = {tuple(np.round(p, 12)): w for p, w in zip(points, weights, strict=True)}
    for p, w in zip(points, weights, strict=True):
        for order in ([1, 0, 2], [0, 2, 1], [1, 2, 0]):
            assert table[tuple(np.round(p[order], 12))] == w


@pytest.mark.parametrize("rule", RULES, ids=IDS)
@given(shape=st.tuples(*[st.floats(0, 1)] * 2), exponent=st.integers(1, 11))
def test_phase_spreads_keep_their_errors(rule: Rule, shape, exponent: int) -> None:
    # Any shape of triangle, in a band from -1 to 1 along two axes; the third axis is across it.
    corners = np.array([[0, 0], [1, 0], [0.5 * shape[0], shape[1]]])
    corners /= max(np.linalg.norm(corners[i] - corners[i - 1]) for i in range(3))
    corners *= rule.spreads[exponent - 1]
    axis = np.linspace(-1, 1, 13)
    band = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    phases = corners @ band.T
    exact = -2 * divided_difference(*torch.from_numpy(phases)).numpy()
    points, weights = expand(rule)
    found = weights @ np.exp(-1j * (points @ phases))
    error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    # The tables hold the worst of 30 shapes; a shape between them may be a little worse.
    assert error <= 1.5 * 10.0**-exponent + 1e-15


def test_tables_hold_the_rules() -> None:
    tables = quadrature_tables(1e-5)
    for row, rule in enumerate(RULES):
        points, weights = expand(rule)
        assert tables.counts[row] == len(weights)
        np.testing.assert_array_equal(tables.points[row, : len(points)], points)
        np.testing.assert_array_equal(tables.weights[row, : len(points)], weights)
        assert not tables.weights[row, len(points) :].any()
        assert tables.largest_spread[row] == pytest.approx(rule.spreads[4])


def test_a_finer_tolerance_allows_less_spread() -> None:
    spreads = np.array([quadrature_tables(10.0**-e).largest_spread for e in np.arange(1, 13, 0.5)])
    assert (np.diff(spreads, axis=0) < 0).all()
    # A rule of higher degree serves larger triangles.
    assert (np.diff(spreads, axis=1) > 0).all()
