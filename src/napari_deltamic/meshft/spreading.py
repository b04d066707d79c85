"""The two hot loops: triangles to grid, and grid to what the triangles' gradients are made of.

Quadrature points are made on the fly from the patches; no array of points exists.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.meshft.patches import part_corners
from napari_deltamic.meshft.simd import broadcast, load, multiply, multiply_add, store, total

FACE_SUMS = 12
"""Sums gathered per patch: corner weight x gradient (3 x 3), then corner weight x value (3)."""


class SpreadingPlan(NamedTuple):
    """What both loops know of the grid, the kernel and the quadrature; all arrays contiguous."""

    sizes: NDArray[np.int64]
    """(3,) grid nodes along z, y, x."""
    grid_scale: NDArray[np.float64]
    """(3,) grid steps per um."""
    coefficients: NDArray[np.floating]
    """((degree + 1) * width,) kernel polynomials, ascending powers, in the grid's precision."""
    derivative: NDArray[np.floating]
    """(degree * width,) their derivatives with respect to the position in grid steps."""
    width: int
    points: NDArray[np.float64]
    """(rules, most points, 3) barycentric coordinates of the quadrature points."""
    weights: NDArray[np.float64]
    """(rules, most points) weights; each rule's add to 1."""
    counts: NDArray[np.int64]
    """(rules,) number of points."""


@njit(cache=True, nogil=True, fastmath={"contract"})
def _place(position, size, width):  # type: ignore[no-untyped-def]
    """Return the first node of a point's kernel, within the grid, and the polynomials' argument."""
    position -= size * np.floor(position / size)
    start = position - 0.5 * width
    first = np.ceil(start)
    argument = 2.0 * (first - start) - 1.0
    node = int(first)
    if node < 0:
        node += size
    return node, argument


@njit(cache=True, nogil=True, fastmath={"contract"})
def _polynomials(coefficients, argument, width):  # type: ignore[no-untyped-def]
    power = len(coefficients) // width - 1
    s = broadcast(argument)
    value = load(coefficients, power * width)
    for j in range(power - 1, -1, -1):
        value = multiply_add(value, s, load(coefficients, j * width))
    return value


@njit(cache=True, nogil=True)
def _row_offsets(first, size, stride, offsets):  # type: ignore[no-untyped-def]
    for a in range(len(offsets)):
        node = first + a
        if node >= size:
            node -= size
        offsets[a] = node * stride


@njit(cache=True, nogil=True)
def _face_corners(vertices, face, scale, corners):  # type: ignore[no-untyped-def]
    for i in range(3):
        for d in range(3):
            corners[i, d] = vertices[face[i], d] * scale[d]


@njit(cache=True, nogil=True)
def _barycentric(parts, point, out):  # type: ignore[no-untyped-def]
    for i in range(3):
        out[i] = parts[0, i] * point[0] + parts[1, i] * point[1] + parts[2, i] * point[2]


@njit(cache=True, nogil=True, fastmath={"contract"})
def spread(  # type: ignore[no-untyped-def]
    start, stop, step, vertices, faces, masses, patches, rule_of, cuts_of, plan, grid, stride
):
    """Add the masses of patches ``start``, ``start + step``, ... before ``stop`` to the grid.

    Parameters
    ----------
    vertices, faces
        (V, 3) in um from the centre of voxel 0, and (F, 3).
    masses
        (F, C) what each face carries in each of C components, in the grid's precision.
    patches, rule_of, cuts_of
        The cut faces.
    plan
        A :class:`SpreadingPlan`.
    grid
        Flat (C * z * y * stride,); every x row is ``stride`` long, the size plus a halo.
    stride
        Length of an x row.
    """
    width = plan.width
    components = masses.shape[1]
    size_z, size_y, size_x = plan.sizes
    volume = size_z * size_y * stride
    weights_y, weights_z = np.empty(width, grid.dtype), np.empty(width, grid.dtype)
    rows_y, rows_z = np.empty(width, np.int64), np.empty(width, np.int64)
    corners, parts, bary = np.empty((3, 3)), np.empty((3, 3)), np.empty(3)
    for p in range(start, stop, step):
        f = patches.face[p]
        rule, cuts = rule_of[f], cuts_of[f]
        part_corners(patches.part[p], cuts, parts)
        _face_corners(vertices, faces[f], plan.grid_scale, corners)
        for q in range(plan.counts[rule]):
            _barycentric(parts, plan.points[rule, q], bary)
            z = bary[0] * corners[0, 0] + bary[1] * corners[1, 0] + bary[2] * corners[2, 0]
            y = bary[0] * corners[0, 1] + bary[1] * corners[1, 1] + bary[2] * corners[2, 1]
            x = bary[0] * corners[0, 2] + bary[1] * corners[1, 2] + bary[2] * corners[2, 2]
            node_z, s_z = _place(z, size_z, width)
            node_y, s_y = _place(y, size_y, width)
            node_x, s_x = _place(x, size_x, width)
            store(weights_z, 0, _polynomials(plan.coefficients, grid.dtype.type(s_z), width))
            store(weights_y, 0, _polynomials(plan.coefficients, grid.dtype.type(s_y), width))
            weights_x = _polynomials(plan.coefficients, grid.dtype.type(s_x), width)
            _row_offsets(node_z, size_z, size_y * stride, rows_z)
            _row_offsets(node_y, size_y, stride, rows_y)
            share = grid.dtype.type(plan.weights[rule, q] / (cuts * cuts))
            for c in range(components):
                mass = masses[f, c] * share
                origin = c * volume + node_x
                for a in range(width):
                    mass_z = mass * weights_z[a]
                    plane = origin + rows_z[a]
                    for b in range(width):
                        row = plane + rows_y[b]
                        scaled = broadcast(mass_z * weights_y[b])
                        store(grid, row, multiply_add(scaled, weights_x, load(grid, row)))


@njit(cache=True, nogil=True, fastmath={"contract"})
def gather(start, stop, vertices, faces, patches, rule_of, cuts_of, plan, grid, stride, sums):  # type: ignore[no-untyped-def]
    """Integrate the grid's field and its gradient over patches ``start`` to ``stop``.

    Fills ``sums`` (P, 12): for corner i of the patch's face, the patch's share of the face average
    of lambda_i times the field's gradient along z, y, x (entries 3 i to 3 i + 2, per um) and of
    lambda_i times the field (entry 9 + i), with lambda_i the barycentric coordinate. The other
    parameters are those of :func:`spread`, for one component.
    """
    width = plan.width
    size_z, size_y, size_x = plan.sizes
    zero = grid.dtype.type(0.0)
    weights_y, weights_z = np.empty(width, grid.dtype), np.empty(width, grid.dtype)
    slopes_y, slopes_z = np.empty(width, grid.dtype), np.empty(width, grid.dtype)
    rows_y, rows_z = np.empty(width, np.int64), np.empty(width, np.int64)
    corners, parts, bary = np.empty((3, 3)), np.empty((3, 3)), np.empty(3)
    field = np.empty(4)
    for p in range(start, stop):
        f = patches.face[p]
        rule, cuts = rule_of[f], cuts_of[f]
        part_corners(patches.part[p], cuts, parts)
        _face_corners(vertices, faces[f], plan.grid_scale, corners)
        sums[p] = 0.0
        for q in range(plan.counts[rule]):
            _barycentric(parts, plan.points[rule, q], bary)
            z = bary[0] * corners[0, 0] + bary[1] * corners[1, 0] + bary[2] * corners[2, 0]
            y = bary[0] * corners[0, 1] + bary[1] * corners[1, 1] + bary[2] * corners[2, 1]
            x = bary[0] * corners[0, 2] + bary[1] * corners[1, 2] + bary[2] * corners[2, 2]
            node_z, s_z = _place(z, size_z, width)
            node_y, s_y = _place(y, size_y, width)
            node_x, s_x = _place(x, size_x, width)
            s_z, s_y, s_x = grid.dtype.type(s_z), grid.dtype.type(s_y), grid.dtype.type(s_x)
            store(weights_z, 0, _polynomials(plan.coefficients, s_z, width))
            store(weights_y, 0, _polynomials(plan.coefficients, s_y, width))
            store(slopes_z, 0, _polynomials(plan.derivative, s_z, width))
            store(slopes_y, 0, _polynomials(plan.derivative, s_y, width))
            weights_x = _polynomials(plan.coefficients, s_x, width)
            slopes_x = _polynomials(plan.derivative, s_x, width)
            _row_offsets(node_z, size_z, size_y * stride, rows_z)
            _row_offsets(node_y, size_y, stride, rows_y)
            value, along_y, along_z = broadcast(zero), broadcast(zero), broadcast(zero)
            for a in range(width):
                plane = rows_z[a] + node_x
                line, line_slope = broadcast(zero), broadcast(zero)
                for b in range(width):
                    row = load(grid, plane + rows_y[b])
                    line = multiply_add(broadcast(weights_y[b]), row, line)
                    line_slope = multiply_add(broadcast(slopes_y[b]), row, line_slope)
                value = multiply_add(broadcast(weights_z[a]), line, value)
                along_y = multiply_add(broadcast(weights_z[a]), line_slope, along_y)
                along_z = multiply_add(broadcast(slopes_z[a]), line, along_z)
            field[0] = total(multiply(along_z, weights_x)) * plan.grid_scale[0]
            field[1] = total(multiply(along_y, weights_x)) * plan.grid_scale[1]
            field[2] = total(multiply(value, slopes_x)) * plan.grid_scale[2]
            field[3] = total(multiply(value, weights_x))
            share = plan.weights[rule, q] / (cuts * cuts)
            for i in range(3):
                for d in range(3):
                    sums[p, 3 * i + d] += share * bary[i] * field[d]
                sums[p, 9 + i] += share * bary[i] * field[3]
