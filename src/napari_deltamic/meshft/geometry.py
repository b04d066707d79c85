"""Areas, volumes and gradients of faces: the work before spreading and after gathering."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

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


@njit(cache=True, nogil=True)
def vertex_gradient(cut: Cut, membrane: Array, jump: Array, sums: Array) -> NDArray[np.float64]:
    """Return (V, 3) the gradient from the patches' sums.

    Membrane: area times the averaged gradient, plus the averaged field times the area's own
    gradient. Interior: Hadamard's formula, the field on the face times the face's normal.
    """
    vertices, faces = cut.vertices, cut.faces
    gradient = np.zeros_like(vertices)
    opposite, turned = np.empty(3), np.empty(3)
    for p in range(len(cut.patches.face)):
        f = cut.patches.face[p]
        normal = cut.cross[f]
        double_area = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
        mean = sums[p, 9] + sums[p, 10] + sums[p, 11]
        for i in range(3):
            v = faces[f, i]
            if len(membrane) and double_area > 0:
                for d in range(3):
                    opposite[d] = vertices[faces[f, (i + 2) % 3], d]
                    opposite[d] -= vertices[faces[f, (i + 1) % 3], d]
                turned[0] = normal[1] * opposite[2] - normal[2] * opposite[1]
                turned[1] = normal[2] * opposite[0] - normal[0] * opposite[2]
                turned[2] = normal[0] * opposite[1] - normal[1] * opposite[0]
                for d in range(3):
                    moved = double_area * sums[p, 3 * i + d]
                    stretched = mean * turned[d] / double_area
                    gradient[v, d] += 0.5 * membrane[f] * (moved + stretched)
            if len(jump):
                for d in range(3):
                    gradient[v, d] += 0.5 * jump[f] * normal[d] * sums[p, 9 + i]
    return gradient
