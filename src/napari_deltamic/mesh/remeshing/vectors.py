"""Arithmetic on points and directions as tuples of three floats, which numba keeps in registers."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Vector = tuple[float, float, float]


@njit(cache=True, nogil=True, forceinline=True)
def row(array: NDArray[np.float64], index: int) -> Vector:
    """Return a row of an (N, 3) array."""
    return array[index, 0], array[index, 1], array[index, 2]


@njit(cache=True, nogil=True, forceinline=True)
def set_row(array: NDArray[np.float64], index: int, value: Vector) -> None:
    """Write a row of an (N, 3) array."""
    array[index, 0], array[index, 1], array[index, 2] = value


@njit(cache=True, nogil=True, forceinline=True)
def plus(a: Vector, b: Vector) -> Vector:
    """Return a + b."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@njit(cache=True, nogil=True, forceinline=True)
def minus(a: Vector, b: Vector) -> Vector:
    """Return a - b."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@njit(cache=True, nogil=True, forceinline=True)
def times(a: Vector, factor: float) -> Vector:
    """Return a * factor."""
    return a[0] * factor, a[1] * factor, a[2] * factor


@njit(cache=True, nogil=True, forceinline=True)
def dot(a: Vector, b: Vector) -> float:
    """Return the scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, nogil=True, forceinline=True)
def cross(a: Vector, b: Vector) -> Vector:
    """Return the vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@njit(cache=True, nogil=True, forceinline=True)
def squared_distance(a: Vector, b: Vector) -> float:
    """Return the squared distance between two points."""
    x, y, z = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return x * x + y * y + z * z


@njit(cache=True, nogil=True, forceinline=True)
def doubled_area_normal(a: Vector, b: Vector, c: Vector) -> Vector:
    """Return the normal of triangle abc, as long as twice its area."""
    return cross(minus(b, a), minus(c, a))
