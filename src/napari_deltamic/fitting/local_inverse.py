"""Variances from large sparse normal equations.

What is far away hardly matters to the variance of one unknown. So it is taken from the dense
inverse for its neighbourhood, with what lies beyond held fixed: exact up to what the halo leaves
out, the same each time, and a small step each. For sums over many unknowns the equations are solved
by conjugate gradients.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.kernel_threads import run_chunks, thread_count

# Places whose unknowns' variances are taken from one inverse.
_CORE = 128
# Conjugate gradients end when the residual has fallen to this part; variances err by its square.
_PRECISION = 0.01
_STEPS = 100
# Right-hand sides that are solved for together.
_TOGETHER = 16

Matrix = NDArray[np.float64]


class Equations(NamedTuple):
    """Normal equations A x = b with few dense unknowns besides, and what b varies by.

    The dense ones come last: A is [[sparse, border], [border', corner]], and so is the covariance
    of b.
    """

    sparse: Any
    """(N, N) csr, symmetric positive definite."""
    border: Matrix
    """(N, K)."""
    corner: Matrix
    """(K, K)."""
    noise_sparse: Any
    """(N, N) csr: covariance of the right-hand side."""
    noise_border: Matrix
    """(N, K)."""
    noise_corner: Matrix
    """(K, K)."""


def compact_groups(places: Matrix) -> list[NDArray[np.int64]]:
    """Return the indices of (N, 3) places in compact groups."""
    groups, found = [np.arange(len(places))], []
    while groups:
        group = groups.pop()
        if len(group) <= _CORE:
            found.append(group)
            continue
        axis = int(np.ptp(places[group], axis=0).argmax())
        order = group[np.argsort(places[group, axis], kind="stable")]
        groups += [order[len(order) // 2 :], order[: len(order) // 2]]
    return found


def _patches(places: Matrix, halo: float) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield compact groups of (N, 3) places, and for each what else is not farther away than that.

    Neighbours in the list that share a place stay together.
    """
    from scipy.spatial import cKDTree

    moved = np.any(places[1:] != places[:-1], axis=1)
    starts = np.concatenate([[0], np.flatnonzero(moved) + 1, [len(places)]])
    tree = cKDTree(places)
    for group in compact_groups(places[starts[:-1]]):
        core = np.concatenate([np.arange(starts[one], starts[one + 1]) for one in group])
        near = np.zeros(len(places), bool)
        for neighbours in tree.query_ball_point(places[core], halo):
            near[neighbours] = True
        near[core] = False
        yield core, np.flatnonzero(near)


class Solver:
    """Solutions of normal equations, and the variances of sums of the unknowns."""

    def __init__(self, equations: Equations, places: Matrix, overlap: float) -> None:
        """Take (N, 3) where the sparse unknowns are, and how far to look at once, both in um."""
        self.equations = equations
        self._places = places
        self._overlap = overlap
        self._blocks: list[tuple[NDArray[np.int64], Any]] = []
        self._border_solved: Matrix = np.empty(equations.border.shape)
        self._corner_inverse: Matrix = np.empty(equations.corner.shape)

    def prepare(self) -> Generator[None, None, None]:
        """Take the dense unknowns out of the equations; yields often."""
        if not self._blocks:
            from scipy.linalg import cho_factor

            for core, beyond in _patches(self._places, self._overlap):
                part = np.concatenate([core, beyond])
                self._blocks.append((part, cho_factor(_dense(self.equations.sparse, part))))
                yield
            border, corner = self.equations.border, self.equations.corner
            solved = yield from self._solve(border)
            left = corner - border.T @ solved
            scale = 1.0 / np.sqrt(np.maximum(np.diag(corner), np.finfo(float).tiny))
            left = 0.5 * (left + left.T) * scale * scale[:, None]
            inverse = np.linalg.pinv(left, rcond=1e-10, hermitian=True)
            self._corner_inverse = inverse * scale * scale[:, None]
            self._border_solved = solved

    def local_covariances(
        self, halo: float
    ) -> Generator[None, None, list[tuple[NDArray[np.int64], Matrix]]]:
        """Return the covariances of each compact group of sparse unknowns; yields often.

        Parameters
        ----------
        halo
            How far from a group the other sparse unknowns may move too, in um.

        Returns
        -------
        list
            Indices (G,) of the groups' unknowns, and (G, G) their covariances.
        """
        from scipy.linalg import cho_factor, cho_solve

        yield from self.prepare()
        known = self.equations
        solved, inverse = self._border_solved, self._corner_inverse
        # What is known of the dense unknowns only through all of the sparse ones.
        crossed = known.noise_sparse @ solved - known.noise_border
        spread = solved.T @ (crossed - known.noise_border) + known.noise_corner
        found = []
        for core, beyond in _patches(self._places, halo):
            chosen = np.concatenate([core, beyond])
            factor = cho_factor(_dense(known.sparse, chosen), overwrite_a=True, check_finite=False)
            rows = cho_solve(factor, np.eye(len(chosen), len(core)), check_finite=False)
            own = rows.T @ _dense(known.noise_sparse, chosen) @ rows
            through = solved[core] @ inverse
            mixed = through @ crossed[chosen].T @ rows
            found.append((core, own + mixed + mixed.T + through @ spread @ through.T))
            yield
        return found

    def covariance(
        self, sums: Matrix, dense: Matrix | None = None
    ) -> Generator[None, None, Matrix]:
        """Return (M, M) the covariance of M sums; yields often.

        Parameters
        ----------
        sums
            (N, M) weights of the sparse unknowns.
        dense
            (K, M) weights of the dense ones; none by default.
        """
        known = self.equations
        above, below = yield from self.solution(sums, dense)
        noise = known.noise_sparse @ above
        crossed = above.T @ known.noise_border @ below
        return np.asarray(
            above.T @ noise + crossed + crossed.T + below.T @ known.noise_corner @ below,
            dtype=np.float64,
        )

    def solution(
        self, right: Matrix, dense: Matrix | None = None, precision: float = _PRECISION
    ) -> Generator[None, None, tuple[Matrix, Matrix]]:
        """Return (N, M) and (K, M) unknowns for such right-hand sides; yields often.

        That of the dense unknowns is zero by default.
        """
        yield from self.prepare()
        solved = yield from self._solve(right, precision)
        left = -self.equations.border.T @ solved
        if dense is not None:
            left = left + dense
        below = self._corner_inverse @ left
        return solved - self._border_solved @ below, below

    def _solve(self, right: Matrix, precision: float = _PRECISION) -> Generator[None, None, Matrix]:
        """Return the solution of the sparse part alone."""
        found = np.zeros(right.shape)
        for first in range(0, right.shape[1], _TOGETHER):
            some = slice(first, first + _TOGETHER)
            found[:, some] = yield from self._conjugate_gradients(right[:, some], precision)
        return found

    def _conjugate_gradients(
        self, right: Matrix, precision: float
    ) -> Generator[None, None, Matrix]:
        found, left = np.zeros(right.shape), right.astype(np.float64)
        smoothed = self._smoothed(left)
        size = (left * smoothed).sum(axis=0)
        wanted, direction = precision**2 * size, smoothed
        for _ in range(_STEPS):
            if (size <= wanted).all():
                break
            turned = self._times(direction)
            curvature = (direction * turned).sum(axis=0)
            length = np.where(size > wanted, size / np.maximum(curvature, 1e-300), 0.0)
            found += length * direction
            left = left - length * turned
            smoothed = self._smoothed(left)
            before, size = size, (left * smoothed).sum(axis=0)
            direction = smoothed + size / np.maximum(before, 1e-300) * direction
            yield
        return found

    def _times(self, vectors: Matrix) -> Matrix:
        from napari_deltamic.fitting.column_kernels import times

        sparse, count = self.equations.sparse, len(vectors)
        result = np.empty(vectors.shape)
        edges = np.linspace(0, count, 4 * thread_count() + 1).astype(int).tolist()
        parts = sparse.indptr, sparse.indices, sparse.data
        dense = np.ascontiguousarray(vectors)
        run_chunks(times, list(pairwise(edges)), *parts, dense, result)
        return result

    def _smoothed(self, left: Matrix) -> Matrix:
        from scipy.linalg import cho_solve

        result = np.zeros(left.shape)
        for part, factor in self._blocks:
            result[part] += cho_solve(factor, left[part], check_finite=False)
        return result


def _dense(sparse: Any, some: NDArray[np.int64]) -> Matrix:
    return np.asarray(sparse[some][:, some].toarray(), dtype=np.float64)
