"""Closed surfaces of known shape, in um on (z, y, x) axes, wound outwards."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.triangle_mesh import TriangleMesh

ICOSAHEDRON_EDGE_ANGLE = float(np.arctan(2.0))


def icosphere(center: ArrayLike, radius: float, subdivisions: int = 3) -> TriangleMesh:
    """Return a sphere of 20 * 4**subdivisions nearly equal faces.

    Its vertices lie on the sphere, so that its volume is a little smaller than the ball's.

    Parameters
    ----------
    center
        (3,) in um, (z, y, x).
    radius
        In um.
    subdivisions
        How often the icosahedron's edges are halved, 0 to 8.

    Raises
    ------
    ValueError
        If the centre is not three finite positions, the radius is not a positive length or the
        subdivisions are out of range.
    """
    return ellipsoid(center, np.full(3, positive_length("radius", radius)), subdivisions)


def ellipsoid(center: ArrayLike, semi_axes: ArrayLike, subdivisions: int = 4) -> TriangleMesh:
    """Return an ellipsoid with (3,) semi-axes in um along z, y and x; see :func:`icosphere`.

    Raises
    ------
    ValueError
        If the centre, a semi-axis or the subdivisions are out of range.
    """
    axes = np.asarray(semi_axes, dtype=np.float64)
    if axes.shape != (3,) or not np.isfinite(axes).all() or (axes <= 0).any():
        raise ValueError(f"semi_axes: expected three positive lengths in um, got {semi_axes!r}")
    directions, faces = _subdivided_sphere(subdivisions)
    return TriangleMesh(checked_center(center) + axes * directions, faces)


def bumpy_sphere(
    center: ArrayLike,
    radius: float,
    amplitude: float,
    order: int = 4,
    seed: int = 0,
    subdivisions: int = 4,
) -> TriangleMesh:
    """Return a star-shaped body: a sphere with smooth random bumps.

    Parameters
    ----------
    center
        (3,) in um, (z, y, x).
    radius
        Mean radius in um, over directions.
    amplitude
        Largest deviation from the mean as a fraction of it, 0 to below 1.
    order
        Highest degree of the spherical harmonics in the bumps, 2 or more.
    seed
        Of the random bumps.
    subdivisions
        As in :func:`icosphere`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    positive_length("radius", radius)
    if not 0 <= amplitude < 1:
        raise ValueError(f"amplitude: must lie in 0 <= amplitude < 1, got {amplitude}")
    if order < 2:
        raise ValueError(f"order: must be 2 or more (1 only moves the sphere), got {order}")
    directions, faces = _subdivided_sphere(subdivisions)
    rng = np.random.default_rng(seed)
    bumps = np.zeros(len(directions))
    for degree in range(2, order + 1):
        # Zonal harmonics about 2 * degree + 1 random poles span all harmonics of the degree.
        poles = rng.normal(size=(2 * degree + 1, 3))
        poles /= np.linalg.norm(poles, axis=1, keepdims=True)
        weights = rng.normal(size=len(poles))
        coefficients = np.eye(degree + 1)[degree]
        bumps += np.polynomial.legendre.legval(directions @ poles.T, coefficients) @ weights
    bumps *= amplitude / np.abs(bumps).max()
    return TriangleMesh(checked_center(center) + radius * (1 + bumps)[:, None] * directions, faces)


def dumbbell(
    center: ArrayLike,
    length: float,
    radius: float,
    neck: float,
    axis: int = 2,
    subdivisions: int = 4,
) -> TriangleMesh:
    """Return two balls joined by a concave neck: a surface of revolution with a smooth normal.

    The profile is an arc of each ball and one arc that touches both.

    Parameters
    ----------
    center
        (3,) in um, (z, y, x).
    length
        From tip to tip in um, along ``axis``.
    radius
        Of the balls, in um.
    neck
        Radius at the narrowest place, in um; less than ``radius``.
    axis
        0, 1 or 2 for z, y or x.
    subdivisions
        As in :func:`icosphere`; faces are stretched along the neck.

    Raises
    ------
    ValueError
        If an argument is out of range, or if the balls are so close that the neck would be wider.
    """
    for name, value in (("length", length), ("radius", radius), ("neck", neck)):
        positive_length(name, value)
    if neck >= radius:
        raise ValueError(f"neck: must be less than the radius {radius}, got {neck}")
    if axis not in (0, 1, 2):
        raise ValueError(f"axis: must be 0, 1 or 2, got {axis}")
    offset = 0.5 * length - radius
    if offset <= 0 or offset**2 + neck**2 <= radius**2:
        raise ValueError(
            f"length: {length} leaves no room for a neck of {neck} between balls of {radius}; "
            "make it longer or the neck wider"
        )
    directions, faces = _subdivided_sphere(subdivisions)
    along, across = _dumbbell_profile(offset, radius, neck, directions[:, 2])
    ring = directions[:, :2] / np.maximum(np.hypot(*directions[:, :2].T), 1e-300)[:, None]
    shape = np.column_stack([ring * across[:, None], along])
    return TriangleMesh(checked_center(center) + np.roll(shape, axis - 2, axis=1), faces)


def _dumbbell_profile(
    offset: float, radius: float, neck: float, height: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Map heights on the unit sphere to (along, across), keeping fractions of the area."""
    fillet = (offset**2 + neck**2 - radius**2) / (2.0 * (radius - neck))
    end = np.arctan2(offset, neck + fillet)
    # Area from the neck to an angle on the fillet, then from there to a height above the ball.
    angles = np.linspace(0.0, end, 2001)
    fillet_area = 2 * np.pi * fillet * ((neck + fillet) * angles - fillet * np.sin(angles))
    joint = -radius * np.sin(end)
    total = fillet_area[-1] + 2 * np.pi * radius * (radius - joint)
    area = np.abs(height) * total
    angle = np.interp(area, fillet_area, angles)
    on_ball = np.clip(joint + (area - fillet_area[-1]) / (2 * np.pi * radius), joint, radius)
    is_fillet = area < fillet_area[-1]
    along = np.where(is_fillet, fillet * np.sin(angle), offset + on_ball)
    across = np.where(
        is_fillet,
        neck + fillet - fillet * np.cos(angle),
        np.sqrt(np.maximum(radius**2 - on_ball**2, 0.0)),
    )
    return np.sign(height) * along, across


def box(lower: ArrayLike, upper: ArrayLike) -> TriangleMesh:
    """Return the box between two (3,) corners in um, (z, y, x): 8 vertices, 12 faces.

    Raises
    ------
    ValueError
        If a corner is not three finite positions, or the upper one is not above the lower one.
    """
    low, high = checked_center(lower, "lower"), checked_center(upper, "upper")
    if (high <= low).any():
        raise ValueError(f"upper: must exceed lower along every axis, got {lower!r}, {upper!r}")
    corners = np.indices((2, 2, 2)).reshape(3, 8).T
    faces = []
    for axis in range(3):
        step, right, up = 4 >> axis, 4 >> (axis + 1) % 3, 4 >> (axis + 2) % 3
        for first, second, base in ((up, right, 0), (right, up, step)):
            faces.append((base, base + first, base + first + second))
            faces.append((base, base + first + second, base + second))
    return TriangleMesh(low + corners * (high - low), faces)


def box_grid(
    lower: ArrayLike,
    upper: ArrayLike,
    boxes: tuple[int, int, int] = (2, 2, 2),
    divisions: int = 1,
) -> TriangleMesh:
    """Return a box cut by planes into equal boxes that share their walls, a region each.

    Regions are numbered from 1, along x first and z last.

    Parameters
    ----------
    lower, upper
        (3,) opposite corners in um, (z, y, x).
    boxes
        How many there are along z, y and x.
    divisions
        Into how many rectangles, of two faces each, a wall is divided along either side.

    Raises
    ------
    ValueError
        If the corners are as :func:`box` refuses them, or a number is less than one.
    """
    low, high = box(lower, upper).vertices[[0, -1]]
    counts = np.asarray(boxes, dtype=np.int64)
    if counts.shape != (3,) or (counts < 1).any():
        raise ValueError(f"boxes: expected three whole numbers of one or more, got {boxes!r}")
    if divisions < 1:
        raise ValueError(f"divisions: must be one or more, got {divisions}")
    regions = np.pad(1 + np.arange(counts.prod()).reshape(counts), 1)
    points = counts * divisions + 1
    number = np.arange(points.prod()).reshape(points)
    faces, labels = [], []
    for axis in range(3):
        step, right, up = (np.roll((1, 0, 0), axis + turn) for turn in range(3))
        size = np.where(step, counts + 1, counts * divisions)
        # The lowest corner of every rectangle in the walls across this axis.
        rectangle = np.indices(tuple(size)).reshape(3, -1).T
        corner = np.where(step, rectangle * divisions, rectangle)
        a, b, c, d = (number[tuple((corner + to).T)] for to in (0 * step, right, right + up, up))
        faces.append(np.stack([a, b, c, a, c, d], axis=1).reshape(-1, 3))
        ahead = np.where(step, rectangle, corner // divisions) + 1
        sides = regions[tuple((ahead - step).T)], regions[tuple(ahead.T)]
        labels.append(np.repeat(np.stack(sides, axis=1), 2, axis=0))
    used, compact = np.unique(np.concatenate(faces), return_inverse=True)
    place = np.stack(np.unravel_index(used, points), axis=1) / (points - 1)
    return TriangleMesh(low + place * (high - low), compact.reshape(-1, 3), np.concatenate(labels))


def geodesic_sphere(frequency: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the unit sphere as (10 n^2 + 2, 3) vertices and (20 n^2, 3) faces, n = frequency.

    Every edge of an icosahedron is split into n; the mean edge is about 1.2 / n.
    """
    corners, base_faces = _icosahedron()
    lattice = np.array(
        [(n, m) for n in range(frequency + 1) for m in range(frequency + 1 - n)], dtype=np.int64
    )
    lattice = np.column_stack([frequency - lattice.sum(axis=1), lattice])
    # Whole-number weights on the 12 corners name a point exactly, whichever face it came from.
    weights = np.zeros((len(base_faces), len(lattice), 12), dtype=np.int16)
    for face, weight in zip(base_faces, weights, strict=True):
        weight[:, face] = lattice
    unique, inverse = np.unique(weights.reshape(-1, 12), axis=0, return_inverse=True)
    # Sines of the angles, as in spherical interpolation, give more even faces than the weights.
    vertices = np.sin(unique * (ICOSAHEDRON_EDGE_ANGLE / frequency)) @ corners
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    row_start = np.cumsum([0, *range(frequency + 1, 1, -1)])
    small = []
    for n in range(frequency):
        for m in range(frequency - n):
            here, above = row_start[n] + m, row_start[n + 1] + m
            small.append((here, above, here + 1))
            if m < frequency - n - 1:
                small.append((above, above + 1, here + 1))
    faces = inverse.reshape(len(base_faces), -1)[:, np.array(small)].reshape(-1, 3)
    return vertices, faces


@cache
def _icosahedron() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    golden = 0.5 * (1.0 + 5.0**0.5)
    rectangle = np.array([(0, s, t * golden) for s in (-1, 1) for t in (-1, 1)])
    corners = np.concatenate([np.roll(rectangle, shift, axis=1) for shift in range(3)])
    corners /= np.linalg.norm(corners[0])
    neighbours = np.abs(corners @ corners.T - 5.0**-0.5) < 1e-9
    faces = [
        (a, b, c) if np.linalg.det(corners[[a, b, c]]) > 0 else (a, c, b)
        for a, b, c in combinations(range(12), 3)
        if neighbours[a, b] and neighbours[b, c] and neighbours[a, c]
    ]
    return corners, np.array(faces, dtype=np.int64)


def _subdivided_sphere(subdivisions: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if int(subdivisions) != subdivisions or not 0 <= subdivisions <= 8:
        raise ValueError(f"subdivisions: must be a whole number in 0..8, got {subdivisions}")
    return geodesic_sphere(2 ** int(subdivisions))


def checked_center(center: ArrayLike, name: str = "center") -> NDArray[np.float64]:
    """Return (3,) finite positions as float64, or raise ValueError that says ``name``."""
    array = np.asarray(center, dtype=np.float64)
    if array.shape != (3,) or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected three positions in um, (z, y, x), got {center!r}")
    return array


def positive_length(name: str, value: float) -> float:
    """Return a finite positive length, or raise ValueError that says ``name``."""
    if not np.isfinite(value) or value <= 0:
        raise ValueError(f"{name}: must be a positive length in um, got {value}")
    return float(value)
