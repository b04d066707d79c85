"""Closed-form solution of the linear unknowns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nonnegative_minimum(
    gram: NDArray[np.float64], moments: NDArray[np.float64], free: int = 0
) -> NDArray[np.float64]:
    """Return the x that minimises x.G.x - 2 h.x with all but the last ``free`` entries >= 0.

    Parameters
    ----------
    gram
        (N, N) G, symmetric and positive semidefinite.
    moments
        (N,) h.
    free
        How many entries, at the end, may be negative.
    """
    from scipy.optimize import lsq_linear

    scale = np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
    scaled = gram / scale / scale[:, None]
    # A root of G turns the quadratic form into least squares; tiny eigenvalues are noise.
    values, vectors = np.linalg.eigh(scaled)
    kept = values > 1e-10 * values.max()
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    target = (vectors[:, kept].T @ (moments / scale)) / np.sqrt(values[kept])
    plain = np.linalg.lstsq(root, target, rcond=None)[0]
    bounded = len(gram) - free
    if (plain[:bounded] < 0).any():
        lower = np.full(len(gram), -np.inf)
        lower[:bounded] = 0.0
        # An active set leaves what is dark at exactly zero; interior points stay off the bound.
        plain = np.asarray(lsq_linear(root, target, (lower, np.inf), method="bvls").x)
    return np.asarray(plain / scale)
