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

from napari_deltamic.mesh.clearance import clearances_from, face_clearances, surroundings
from napari_deltamic.mesh.folding import folding

# Of the distance between two faces, the part that each may go. Less than half.
_SHARE = 0.45
# Of the farthest that is looked for: faces this near do not come any nearer.
_LEAST = 0.02
# Against rounding, how much farther is looked than a step may lead.
_MORE = 1.001
# Where no more of the faces than this have used up their room, it is measured there alone.
_MOST_SPENT = 0.2
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
        self._faces, self._around = faces, surroundings(faces)
        self._reach = (1.0 + _LEAST) * 2.0 * farthest / _SHARE
        self._least = _LEAST * self._reach
        self.anchor = anchor
        self._room, self._crossed = np.empty(0), np.empty(0, np.bool_)
        if anchor is not None:
            self._room, self._crossed = self._measured(anchor)

    def crossing(self, vertices: Array) -> bool:
        """Return whether any faces cross."""
        return bool((face_clearances(vertices, self._around, self._reach) == 0.0).any())

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
        factor, crossed = yield from self._within_room(here, _lengths(move))
        factor = self._without_folds(here, move, factor)
        factor[crossed] = 1.0
        if factor.min(initial=1.0) == 1.0:
            return step
        return step * torch.from_numpy(factor).to(step)[:, None]

    def _within_room(
        self, here: Array, length: Array
    ) -> Generator[None, None, tuple[Array, NDArray[np.bool_]]]:
        """Return (V,) which part of the step may be done, and where faces cross."""
        if self.anchor is not None:
            spent = _lengths(here - self.anchor) + length > self._room
            if not spent.any():
                return np.ones(len(here)), self._crossed
            sought = np.any(spent[self._faces], axis=1)
            if sought.mean() <= _MOST_SPENT:
                yield
                reach = self._least + _MORE * float(length.max()) / _SHARE
                gaps = clearances_from(here, self._around, reach, sought)
                yield
                room, crossed = self._room_of(gaps, reach, len(here))
                return self._factor(room, length), self._crossed | crossed
        yield
        self.anchor, (self._room, self._crossed) = here.copy(), self._measured(here)
        yield
        return self._factor(self._room, length), self._crossed

    def _measured(self, here: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Return (V,) how far each vertex may go, and where faces cross."""
        gaps = face_clearances(here, self._around, self._reach)
        return self._room_of(gaps, self._reach, len(here))

    def _room_of(self, gaps: Array, reach: float, count: int) -> tuple[Array, NDArray[np.bool_]]:
        crossed, room = np.zeros(count, np.bool_), np.full(count, reach)
        crossed[self._faces[gaps == 0.0]] = True
        near = (gaps > 0.0) & (gaps < reach)
        np.minimum.at(room, self._faces[near], gaps[near, None])
        return _SHARE * np.maximum(room - self._least, 0.0), crossed

    def _factor(self, room: Array, length: Array) -> Array:
        factor = np.divide(room, length, out=np.ones(len(length)), where=length > room)
        return self._shared(factor)

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
