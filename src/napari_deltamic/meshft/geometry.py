"""Areas, volumes and gradients of faces: the work before spreading and after gathering."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.kernel_threads import run_chunks
from napari_deltamic.meshft.spreading import Cut

Array = NDArray[Any]


@njit(cache=True, nogil=True)
def face_cross(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (F, 3) normals as long as twice the area."""
    cross = np.empty((len(faces), 3))
    for f in range(len(faces)):
        v0, v1, v2 = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        for d in range(3):
            y, x = (d + 1) % 3, (d + 2) % 3
            cross[f, d] = (v1[y] - v0[y]) * (v2[x] - v0[x]) - (v1[x] - v0[x]) * (v2[y] - v0[y])
    return cross


def norms(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (F,) the lengths of vectors (F, 3)."""
    squared: NDArray[np.float64] = np.einsum("fi,fi->f", vectors, vectors)
    return np.sqrt(squared)


def face_volumes(cut: Cut) -> NDArray[np.float64]:
    """Return (F,) the signed volume between each face and the mean vertex, in um^3."""
    about = cut.vertices - cut.vertices.mean(axis=0)
    volumes: NDArray[np.float64] = np.einsum("fi,fi->f", about[cut.faces[:, 0]], cut.cross) / 6.0
    return volumes


def face_means(cut: Cut, sums: Array) -> NDArray[np.float64]:
    """Return (F,) the field's mean over each face."""
    values = sums[:, 9] + sums[:, 10] + sums[:, 11]
    means = np.bincount(cut.patches.face, values, len(cut.faces))
    return means.astype(np.float64, copy=False)


def vertex_gradient(cut: Cut, membrane: Array, jump: Array, sums: Array) -> NDArray[np.float64]:
    """Return (V, 3) the gradient from the patches' sums.

    Membrane: area times the averaged gradient, plus the averaged field times the area's own
    gradient. Interior: Hadamard's formula, the field on the face times the face's normal.
    """
    # Always two parts: the rounding of their sum must not depend on the number of threads.
    parts, count = np.zeros((2, *cut.vertices.shape)), len(cut.patches.face)
    chunks = [(0, count // 2, 0), (count // 2, count, 1)]
    run_chunks(_add_gradient, chunks, cut, membrane, jump, sums, parts)
    total: NDArray[np.float64] = parts[0] + parts[1]
    return total


@njit(cache=True, nogil=True)
def _add_gradient(start, stop, part, cut, membrane, jump, sums, parts):  # type: ignore[no-untyped-def]
    """Add the gradient from patches ``start`` to ``stop`` to one of the parts."""
    # Taking an array from a tuple counts a reference, which is slow in a loop.
    vertices, faces, cross, face_of = cut.vertices, cut.faces, cut.cross, cut.patches.face
    gradient = parts[part]
    for p in range(start, stop):
        f = face_of[p]
        nz, ny, nx = cross[f, 0], cross[f, 1], cross[f, 2]
        double_area = np.sqrt(nz**2 + ny**2 + nx**2)
        mean = sums[p, 9] + sums[p, 10] + sums[p, 11]
        lit = len(membrane) and double_area > 0
        half = 0.5 * membrane[f] if lit else 0.0
        stretch = half * mean / double_area if lit else 0.0
        for i in range(3):
            v = faces[f, i]
            if lit:
                after, before = faces[f, (i + 1) % 3], faces[f, (i + 2) % 3]
                z = vertices[before, 0] - vertices[after, 0]
                y = vertices[before, 1] - vertices[after, 1]
                x = vertices[before, 2] - vertices[after, 2]
                moved = half * double_area
                gradient[v, 0] += moved * sums[p, 3 * i] + stretch * (ny * x - nx * y)
                gradient[v, 1] += moved * sums[p, 3 * i + 1] + stretch * (nx * z - nz * x)
                gradient[v, 2] += moved * sums[p, 3 * i + 2] + stretch * (nz * y - ny * z)
            if len(jump):
                pushed = 0.5 * jump[f] * sums[p, 9 + i]
                gradient[v, 0] += pushed * nz
                gradient[v, 1] += pushed * ny
                gradient[v, 2] += pushed * nx
