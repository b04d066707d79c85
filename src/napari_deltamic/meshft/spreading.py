"""The two hot loops: triangles to grid, and grid to what the triangles' gradients are made of.

Quadrature points are made on the fly, a patch at a time: first the places and kernel weights of
all its points, then their rows of the grid. The first part's long chains of dependent operations
run side by side for several points, and the second is left to loads and stores.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.meshft.patches import Patches, part_corners
from napari_deltamic.meshft.simd import broadcast, lanes, load, multiply, multiply_add, store, total

FACE_SUMS = 12
"""Sums gathered per patch: corner weight x gradient (3 x 3), then corner weight x value (3)."""


class SpreadingPlan(NamedTuple):
    """What both loops know of the grid, the kernel and the quadrature; all arrays contiguous."""

    sizes: NDArray[np.int64]
    """(3,) grid nodes along z, y, x."""
    steps: NDArray[np.int64]
    """(3,) array elements from one node to the next along z, y, x; y and x have a halo."""
    grid_scale: NDArray[np.float64]
    """(3,) grid steps per um."""
    taps: tuple[int, ...]
    """The nodes that a point reaches along an axis: their number is known when loops compile."""
    coefficients: NDArray[np.floating]
    """(taps * lanes,) kernel polynomials, ascending powers, in the grid's precision.

    A vector holds those of all nodes, and zeros where it has more lanes than there are nodes.
    """
    derivative: NDArray[np.floating]
    """((taps - 1) * lanes,) their derivatives with respect to the position in grid steps."""
    points: NDArray[np.float64]
    """(rules, 3, most points) barycentric coordinates of the quadrature points."""
    weights: NDArray[np.float64]
    """(rules, most points) weights; each rule's add to 1."""
    counts: NDArray[np.int64]
    """(rules,) number of points."""


class Cut(NamedTuple):
    """A mesh, ready to be spread and gathered."""

    vertices: NDArray[np.float64]
    """(V, 3) in um from the centre of voxel 0."""
    faces: NDArray[np.int64]
    """(F, 3) vertex indices."""
    cross: NDArray[np.float64]
    """(F, 3) normals as long as twice the area."""
    areas: NDArray[np.float64]
    """(F,) in um^2."""
    patches: Patches
    """What the faces are cut into."""
    rule_of: NDArray[np.int64]
    """(F,) quadrature rule of each face's patches."""
    cuts_of: NDArray[np.int64]
    """(F,) in how many pieces each edge is cut."""


@njit(cache=True, nogil=True, fastmath={"contract"})
def _patch_corners(vertices, faces, f, part, cuts, scale, parts, corners):  # type: ignore[no-untyped-def]
    """Fill the corners of a patch: ``parts`` (3, 3) barycentric, ``corners`` in grid steps."""
    part_corners(part, cuts, parts)
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    for d in range(3):
        for i in range(3):
            position = parts[i, 0] * vertices[a, d]
            position += parts[i, 1] * vertices[b, d] + parts[i, 2] * vertices[c, d]
            corners[i, d] = position * scale[d]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _place(points, rule, count, corners, sizes, width, nodes, arguments):  # type: ignore[no-untyped-def]
    """Fill each point's first node within the grid, and the polynomials' argument, (3, count)."""
    for d in range(3):
        size = float(sizes[d])
        inverse = 1.0 / size
        c0, c1, c2 = corners[0, d], corners[1, d], corners[2, d]
        for q in range(count):
            position = points[rule, 0, q] * c0 + points[rule, 1, q] * c1 + points[rule, 2, q] * c2
            position -= size * np.floor(position * inverse)
            start = position - 0.5 * width
            first = np.ceil(start)
            arguments[d, q] = 2.0 * (first - start) - 1.0
            nodes[d, q] = int(first) + (sizes[d] if first < 0.0 else 0)


@njit(cache=True, nogil=True, fastmath={"contract"})
def _evaluate(polynomials, degree, arguments, count, values):  # type: ignore[no-untyped-def]
    """Fill ``values`` (3 * most * lanes,) with the polynomials at the arguments (3, most)."""
    wide, most = lanes(values), arguments.shape[1]
    for q in range(count):
        for d in range(3):
            argument = broadcast(arguments[d, q])
            value = load(polynomials, degree * wide)
            for j in range(degree - 1, -1, -1):
                value = multiply_add(value, argument, load(polynomials, j * wide))
            store(values, (d * most + q) * wide, value)


@njit(cache=True, nogil=True)
def _wrapped_planes(plan, width):  # type: ignore[no-untyped-def]
    """Return where each plane of the periodic grid begins, and where the first ones come again."""
    planes = np.empty(plan.sizes[0] + width, np.int64)
    for a in range(len(planes)):
        planes[a] = a % plan.sizes[0] * plan.steps[0]
    return planes


@njit(cache=True, nogil=True, fastmath={"contract"})
def spread(start, stop, copy, step, cut, masses, plan, grids):  # type: ignore[no-untyped-def]
    """Add the masses of patches ``start``, ``start + step``, ... before ``stop`` to a grid.

    Parameters
    ----------
    copy
        Which of the grids to add to.
    cut
        A :class:`Cut`.
    masses
        (F, C) what each face carries in each of C components, in the grid's precision.
    plan
        A :class:`SpreadingPlan`.
    grids
        Flat (copies * C * z * (y + halo) * (x + halo),).
    """
    wide, width = lanes(grids), len(plan.taps)
    components, most = masses.shape[1], plan.points.shape[2]
    volume = plan.sizes[0] * plan.steps[0]
    stride = plan.steps[1]
    planes = _wrapped_planes(plan, width)
    nodes, arguments = np.empty((3, most), np.int64), np.empty((3, most), grids.dtype)
    weights = np.empty(3 * most * wide, grids.dtype)
    corners, parts = np.empty((3, 3)), np.empty((3, 3))
    # Taking an array from a tuple counts a reference, which is slow in a loop.
    vertices, faces, rule_of, cuts_of = cut.vertices, cut.faces, cut.rule_of, cut.cuts_of
    patch_face, patch_part = cut.patches.face, cut.patches.part
    sizes, scale, polynomials = plan.sizes, plan.grid_scale, plan.coefficients
    points, point_weights, counts = plan.points, plan.weights, plan.counts
    for p in range(start, stop, step):
        f = patch_face[p]
        rule, cuts = rule_of[f], cuts_of[f]
        count, fraction = counts[rule], 1.0 / (cuts * cuts)
        _patch_corners(vertices, faces, f, patch_part[p], cuts, scale, parts, corners)
        _place(points, rule, count, corners, sizes, width, nodes, arguments)
        _evaluate(polynomials, width - 1, arguments, count, weights)
        for q in range(count):
            share = grids.dtype.type(point_weights[rule, q] * fraction)
            along_z, along_y = q * wide, (most + q) * wide
            weights_x = load(weights, (2 * most + q) * wide)
            origin = copy * components * volume + nodes[1, q] * stride + nodes[2, q]
            for c in range(components):
                mass = masses[f, c] * share
                for a in range(width):
                    mass_z = mass * weights[along_z + a]
                    row = origin + c * volume + planes[nodes[0, q] + a]
                    for b in range(width):
                        scaled = broadcast(mass_z * weights[along_y + b])
                        sums = multiply_add(scaled, weights_x, load(grids, row + b * stride))
                        store(grids, row + b * stride, sums)


@njit(cache=True, nogil=True, fastmath={"contract"})
def gather(start, stop, cut, plan, grid, sums):  # type: ignore[no-untyped-def]
    """Integrate the grid's field and its gradient over patches ``start`` to ``stop``.

    Fills ``sums`` (P, 12): for corner i of the patch's face, the patch's share of the face average
    of lambda_i times the field's gradient along z, y, x (entries 3 i to 3 i + 2, per um) and of
    lambda_i times the field (entry 9 + i), with lambda_i the barycentric coordinate. The other
    parameters are those of :func:`spread`, for one component.
    """
    wide, width = lanes(grid), len(plan.taps)
    zero = broadcast(grid.dtype.type(0.0))
    most, stride = plan.points.shape[2], plan.steps[1]
    planes = _wrapped_planes(plan, width)
    nodes, arguments = np.empty((3, most), np.int64), np.empty((3, most), grid.dtype)
    weights, slopes = np.empty(3 * most * wide, grid.dtype), np.empty(3 * most * wide, grid.dtype)
    fields = np.empty(4 * most * wide, grid.dtype)
    corners, parts, found = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 4))
    # Taking an array from a tuple counts a reference, which is slow in a loop.
    vertices, faces, rule_of, cuts_of = cut.vertices, cut.faces, cut.rule_of, cut.cuts_of
    patch_face, patch_part = cut.patches.face, cut.patches.part
    sizes, scale, polynomials, derivative = (
        plan.sizes,
        plan.grid_scale,
        plan.coefficients,
        plan.derivative,
    )
    points, point_weights, counts = plan.points, plan.weights, plan.counts
    for p in range(start, stop):
        f = patch_face[p]
        rule, cuts = rule_of[f], cuts_of[f]
        count, fraction = counts[rule], 1.0 / (cuts * cuts)
        _patch_corners(vertices, faces, f, patch_part[p], cuts, scale, parts, corners)
        _place(points, rule, count, corners, sizes, width, nodes, arguments)
        _evaluate(polynomials, width - 1, arguments, count, weights)
        _evaluate(derivative, width - 2, arguments, count, slopes)
        for q in range(count):
            along_z, along_y, along_x = q * wide, (most + q) * wide, (2 * most + q) * wide
            origin = nodes[1, q] * stride + nodes[2, q]
            value, slope_y, slope_z = zero, zero, zero
            for a in range(width):
                row = origin + planes[nodes[0, q] + a]
                line, line_slope = zero, zero
                for b in range(width):
                    field = load(grid, row + b * stride)
                    line = multiply_add(broadcast(weights[along_y + b]), field, line)
                    line_slope = multiply_add(broadcast(slopes[along_y + b]), field, line_slope)
                weight_z = broadcast(weights[along_z + a])
                value = multiply_add(weight_z, line, value)
                slope_y = multiply_add(weight_z, line_slope, slope_y)
                slope_z = multiply_add(broadcast(slopes[along_z + a]), line, slope_z)
            weights_x = load(weights, along_x)
            store(fields, 4 * along_z, multiply(slope_z, weights_x))
            store(fields, 4 * along_z + wide, multiply(slope_y, weights_x))
            store(fields, 4 * along_z + 2 * wide, multiply(value, load(slopes, along_x)))
            store(fields, 4 * along_z + 3 * wide, multiply(value, weights_x))
        _integrate(points, point_weights, rule, count, fields, found)
        # From the patch's own corners to the face's.
        for i in range(3):
            for d in range(4):
                share = parts[0, i] * found[0, d] + parts[1, i] * found[1, d]
                share = fraction * (share + parts[2, i] * found[2, d])
                if d < 3:
                    sums[p, 3 * i + d] = share * scale[d]
                else:
                    sums[p, 9 + i] = share


@njit(cache=True, nogil=True, fastmath={"contract"})
def _integrate(points, weights, rule, count, fields, found):  # type: ignore[no-untyped-def]
    """Fill ``found`` (3, 4): integrals of the fields (count, 4, width) times each coordinate."""
    width = lanes(fields)
    zero = broadcast(fields.dtype.type(0.0))
    for i in range(3):
        z, y, x, value = zero, zero, zero, zero
        for q in range(count):
            share = broadcast(fields.dtype.type(weights[rule, q] * points[rule, i, q]))
            z = multiply_add(share, load(fields, 4 * q * width), z)
            y = multiply_add(share, load(fields, (4 * q + 1) * width), y)
            x = multiply_add(share, load(fields, (4 * q + 2) * width), x)
            value = multiply_add(share, load(fields, (4 * q + 3) * width), value)
        found[i, 0], found[i, 1], found[i, 2] = total(z), total(y), total(x)
        found[i, 3] = total(value)
