"""Closed-form solution of the linear unknowns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Of the products that matrices are made of, in single precision.
_ROUNDING = 1e-6
# Of Gauss-Newton; two or three are enough, as the shifts change little.
_STEPS = 8
# Of the room that shifts have.
_PRECISION = 1e-7


def bounded_minimum(
    gram: NDArray[np.float64],
    moments: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the x within bounds that minimises x.G.x - 2 h.x.

    Parameters
    ----------
    gram
        (N, N) G, symmetric and positive semidefinite.
    moments
        (N,) h.
    lower, upper
        (N,) bounds, perhaps infinite.
    """
    from scipy.optimize import lsq_linear

    scale = np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
    scaled = gram / scale / scale[:, None]
    # A root of G turns the quadratic form into least squares; tiny eigenvalues are rounding.
    values, vectors = np.linalg.eigh(scaled)
    kept = values > _ROUNDING * values.max()
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    target = (vectors[:, kept].T @ (moments / scale)) / np.sqrt(values[kept])
    plain = np.linalg.lstsq(root, target, rcond=None)[0]
    within = lower * scale, upper * scale
    if (plain < within[0]).any() or (plain > within[1]).any():
        # An active set leaves what is dark at exactly zero; interior points stay off the bound.
        plain = np.asarray(lsq_linear(root, target, within, method="bvls").x)
    return np.asarray(plain / scale)


def bilinear_minimum(
    gram: NDArray[np.float64],
    moments: NDArray[np.float64],
    scales: int,
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    expected: NDArray[np.float64],
    cost: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scales of columns, free factors, and shifts that change every scaled column.

    With s the scales, f the free factors and t the shifts, this minimises x.G.x - 2 h.x +
    sum of cost * (t - expected)^2 for x = (s, f, s_0 t, s_1 t, ...), s >= 0 and t within bounds.

    Parameters
    ----------
    gram
        (N, N) G, symmetric and positive semidefinite: of S columns, F free ones, and of what each
        of P shifts adds to each of the S columns, the shifts of one column together.
    moments
        (N,) h.
    scales
        S.
    lower, upper
        (P,) bounds of the shifts.
    expected, cost
        (P,) their prior.

    Returns
    -------
    ndarray, ndarray
        (S + F,) scales and free factors, and (P,) shifts.

    Notes
    -----
    Gauss-Newton steps from shifts of zero; each is a bounded linear problem.
    """
    count = len(lower)
    factors = len(gram) - scales * count
    least = np.concatenate([np.zeros(scales), np.full(factors - scales, -np.inf)])
    known = gram[:factors, :factors], moments[:factors]
    found = bounded_minimum(*known, least, np.full(factors, np.inf))
    if count == 0:
        return found, np.empty(0)
    shift = np.zeros(count)
    least, most = np.append(least, lower), np.append(np.full(factors, np.inf), upper)
    prior = np.concatenate([np.zeros(factors), cost])
    for _ in range(_STEPS):
        # x is taken as map . (s, f, t) - apart near the s and t at hand.
        linear = np.zeros((len(gram), factors + count))
        linear[:factors, :factors] = np.eye(factors)
        apart = np.zeros(len(gram))
        for i in range(scales):
            rows = slice(factors + i * count, factors + (i + 1) * count)
            linear[rows, i] = shift
            linear[rows, factors:] = found[i] * np.eye(count)
            apart[rows] = found[i] * shift
        inner = linear.T @ gram @ linear + np.diag(prior)
        right = linear.T @ (moments + gram @ apart)
        right[factors:] += cost * expected
        solved = bounded_minimum(inner, right, least, most)
        change = np.abs(solved[factors:] - shift).max()
        found, shift = solved[:factors], solved[factors:]
        if change < _PRECISION * np.abs(most[factors:] - least[factors:]).max():
            break
    return found, shift
