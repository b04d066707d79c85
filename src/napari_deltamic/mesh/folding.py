"""Faces that a step turns so far that they may fold over their neighbours."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.kernel_threads import run_chunks, thread_count
from napari_deltamic.mesh.remeshing.vectors import Vector, cross, dot, minus, plus, row

# A face may turn by less than the angle with this cosine.
_TURN = 0.3
# Faces that are worth a thread of their own.
_FACES = 5000


def folding(
    faces: NDArray[np.int64], vertices: NDArray[np.float64], move: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (F,) which faces a step turns too far.

    Parameters
    ----------
    faces
        (F, 3) vertex indices.
    vertices, move
        (V, 3) in um: where the step begins, and the step.
    """
    result = np.zeros(len(faces), np.bool_)
    parts = min(thread_count(), len(faces) // _FACES + 1)
    ends = np.linspace(0, len(faces), parts + 1).astype(int)
    run_chunks(_folding, list(pairwise(ends.tolist())), faces, vertices, move, result)
    return result


@njit(cache=True, nogil=True)
def _folding(first, last, faces, vertices, move, result):  # type: ignore[no-untyped-def]
    for face in range(first, last):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        steps = row(move, a), row(move, b), row(move, c)
        # Faces that stay cannot fold.
        if steps[0] == steps[1] == steps[2] == (0.0, 0.0, 0.0):
            continue
        corners = row(vertices, a), row(vertices, b), row(vertices, c)
        before = _normal(corners[0], corners[1], corners[2])
        after = _normal(
            plus(corners[0], steps[0]), plus(corners[1], steps[1]), plus(corners[2], steps[2])
        )
        # Faces without area have no direction that they could keep.
        sizes = np.sqrt(dot(before, before)) * np.sqrt(dot(after, after))
        result[face] = dot(before, after) < _TURN * sizes


@njit(cache=True, nogil=True, forceinline=True)
def _normal(a: Vector, b: Vector, c: Vector) -> Vector:
    return cross(minus(b, a), minus(c, a))
