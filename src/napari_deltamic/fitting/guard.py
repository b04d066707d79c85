"""What keeps a surface from running through itself: steps end before faces can meet.

Every vertex has room to move in which no face can reach one that is no neighbour of it. Those that
are neighbours may still fold over one another, so no face may turn far in one step either. Where
faces cross already they are left alone, for the way out may lead through.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.mesh.clearance import face_clearances
from napari_deltamic.mesh.folding import folding

# Of the distance between two faces, the part that each may go. Less than half.
_SHARE = 0.45
# Of the farthest that is looked for: faces this near do not come any nearer.
_LEAST = 0.02
# How often a step is halved where faces would turn too far.
_HALVINGS = 5

Array = NDArray[np.float64]


class Guard:
    """Shortens steps on one set of faces.

    Parameters
    ----------
    faces
        (F, 3) vertex indices.
    farthest
        Longest step of a vertex that will be asked for, in um.
    anchor
        (V, 3) where the room was last measured, of an earlier guard that this one goes on from.

    Attributes
    ----------
    anchor
        The same of this one.
    """

    def __init__(
        self, faces: NDArray[np.int64], farthest: float, anchor: Array | None = None
    ) -> None:
        self._faces = faces
        self._reach = (1.0 + _LEAST) * 2.0 * farthest / _SHARE
        self.anchor = anchor
        self._crossed = np.empty(0, np.bool_)
        self._room = np.empty(0) if anchor is None else self._measured(anchor)

    def crossing(self, vertices: Array) -> bool:
        """Return whether any faces cross."""
        return bool((face_clearances(vertices, self._faces, self._reach) == 0.0).any())

    def allowed(
        self, position: torch.Tensor, step: torch.Tensor
    ) -> Generator[None, None, torch.Tensor]:
        """Return a step, shortened at vertices where it would lead too far.

        Yields before and after the room is measured.

        Parameters
        ----------
        position, step
            (V, 3) float64 in um. Shorter steps in the same direction are allowed as well.
        """
        here, move = position.cpu().numpy(), step.cpu().numpy()
        factor = yield from self._within_room(here, move)
        factor = self._without_folds(here, move, factor)
        factor[self._crossed] = 1.0
        if factor.min(initial=1.0) == 1.0:
            return step
        return step * torch.from_numpy(factor).to(step)[:, None]

    def _within_room(self, here: Array, move: Array) -> Generator[None, None, Array]:
        length = _lengths(move)
        if self.anchor is not None:
            used = _lengths(here - self.anchor)
            if (used + length <= self._room).all():
                return np.ones(len(here))
        yield
        self.anchor, self._room = here.copy(), self._measured(here)
        yield
        factor = np.minimum(1.0, self._room / np.maximum(length, 1e-300))
        return self._shared(factor)

    def _measured(self, here: Array) -> Array:
        """Return (V,) how far each vertex may go."""
        gaps = face_clearances(here, self._faces, self._reach)
        self._crossed = np.zeros(len(here), np.bool_)
        self._crossed[self._faces[gaps == 0.0].ravel()] = True
        gaps[gaps == 0.0] = self._reach
        room = np.full(len(here), self._reach)
        np.minimum.at(room, self._faces, gaps[:, None])
        return np.asarray(_SHARE * np.maximum(room - _LEAST * self._reach, 0.0))

    def _without_folds(self, here: Array, move: Array, factor: Array) -> Array:
        for _ in range(_HALVINGS):
            folded = folding(self._faces, here, factor[:, None] * move)
            if not folded.any():
                break
            slower = factor.copy()
            np.minimum.at(slower, self._faces[folded], 0.5 * factor[self._faces[folded]])
            factor = slower
        return factor

    def _shared(self, factor: Array) -> Array:
        """Return the least factor among each vertex and its neighbours."""
        if factor.min(initial=1.0) == 1.0:
            return factor
        result = factor.copy()
        np.minimum.at(result, self._faces, factor[self._faces].min(axis=1)[:, None])
        return result


def _lengths(vectors: Array) -> Array:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)))
