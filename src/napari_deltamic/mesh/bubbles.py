"""Bodies of two regions with known volumes, contact, curvature and angles: bubbles and a cut ball.

Both are three spherical caps, one of them perhaps flat, on one rim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.shapes import checked_center, positive_length
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

RING_DISTANCE = 0.5 * 3.0**0.5
"""Between rows of equilateral triangles, over the length of their edges."""


@dataclass(frozen=True)
class Lens:
    """Two regions on either side of a rim, with a contact between them: what is known exactly.

    Its axis runs through the rim's centre, region 1 on the negative side, region 2 on the positive.
    """

    rim_radius: float
    """In um, of the circle where regions 0, 1 and 2 meet."""
    heights: tuple[float, float, float]
    """Where the free surface of region 1, that of region 2, and the contact cross the axis, in um
    from the centre of the rim."""

    @property
    def volumes(self) -> tuple[float, float]:
        """Volumes of regions 1 and 2 in um^3."""
        below, above, between = (
            math.pi * height * (3.0 * self.rim_radius**2 + height**2) / 6.0
            for height in self.heights
        )
        return between - below, above - between

    @property
    def areas(self) -> tuple[float, float, float]:
        """Areas of the interfaces (0, 1), (0, 2) and (1, 2) in um^2."""
        one, two, contact = (math.pi * (self.rim_radius**2 + height**2) for height in self.heights)
        return one, two, contact

    @property
    def curvatures(self) -> tuple[float, float, float]:
        """Mean curvatures of (0, 1), (0, 2) and (1, 2) in 1/um, positive out of the higher."""
        one, two, contact = (
            2.0 * height / (self.rim_radius**2 + height**2) for height in self.heights
        )
        return -one, two, -contact

    @property
    def rim_length(self) -> float:
        """In um."""
        return 2.0 * math.pi * self.rim_radius

    @property
    def angles(self) -> tuple[float, float, float]:
        """Openings of regions 0, 1 and 2 at the rim in degrees."""
        # A cap as high as t rims' radii leaves the plane of the rim at twice the angle atan(t).
        below, above, between = (
            2.0 * math.degrees(math.atan2(height, self.rim_radius)) for height in self.heights
        )
        return 360.0 - (above - below), between - below, above - between

    def mesh(self, center: ArrayLike, edge_length: float, axis: int = 2) -> TriangleMesh:
        """Return it as a conforming mesh with its vertices on the caps.

        Parameters
        ----------
        center
            (3,) centre of the rim in um, (z, y, x).
        edge_length
            Mean length of the edges, in um.
        axis
            0, 1 or 2: the axis points along z, y or x.

        Raises
        ------
        ValueError
            If an argument is out of range.
        """
        place, length = checked_center(center), positive_length("edge_length", edge_length)
        if axis not in (0, 1, 2):
            raise ValueError(f"axis: must be 0, 1 or 2, got {axis}")
        rim = _circle(max(6, round(self.rim_length / length)), 0.0) * self.rim_radius
        vertices = [np.column_stack([rim, np.zeros(len(rim))])]
        count, faces, labels = len(rim), [], []
        for height, sides in zip(self.heights, ((0, 1), (2, 0), (1, 2)), strict=True):
            inside, cap = _cap(self.rim_radius, height, len(rim), length)
            vertices.append(inside)
            # The cap numbers its rim first, as the mesh does.
            cap = np.where(cap < len(rim), cap, cap + count - len(rim))
            count += len(inside)
            # Caps are wound upwards; of the lowest the region is above.
            faces.append(cap[:, ::-1] if sides == (0, 1) else cap)
            labels.append(np.tile((1, 0) if sides == (0, 1) else sides, (len(cap), 1)))
        turned = np.roll(np.concatenate(vertices), axis - 2, axis=1)
        return TriangleMesh(place + turned, np.concatenate(faces), np.concatenate(labels))


def double_bubble(radii: Sequence[float]) -> Lens:
    """Return two bubbles that share a film: three caps that meet at 120 degrees.

    Parameters
    ----------
    radii
        Of the free surfaces of regions 1 and 2, in um. The contact's curvature is the difference
        of theirs, so that it bulges out of the smaller bubble.

    Raises
    ------
    ValueError
        If there are not two positive radii.
    """
    if len(radii) != 2:
        raise ValueError(f"radii: expected two lengths in um, got {radii!r}")
    one, two = (positive_length("radii", radius) for radius in radii)
    # The radii to a point of the rim enclose 60 degrees, as the tangents do.
    between = math.sqrt(one**2 + two**2 - one * two)
    rim = 0.5 * math.sqrt(3.0) * one * two / between
    below = one + (2.0 * one**2 - one * two) / (2.0 * between)
    above = two + (2.0 * two**2 - one * two) / (2.0 * between)
    bend = rim * (1.0 / two - 1.0 / one)
    film = rim * bend / (1.0 + math.sqrt(1.0 - bend**2))
    return Lens(rim, (-below, above, 0.0 - film))


def cut_ball(radius: float, height: float) -> Lens:
    """Return a ball cut in two by a plane.

    Parameters
    ----------
    radius
        Of the ball, in um.
    height
        Of the plane over the ball's centre along the axis, in um: region 2 is what lies above.

    Raises
    ------
    ValueError
        If the radius is not positive or the plane misses the ball.
    """
    positive_length("radius", radius)
    if not abs(height) < radius:
        raise ValueError(f"height: must be within the radius {radius}, got {height}")
    rim = math.sqrt(radius**2 - height**2)
    return Lens(rim, (-radius - height, radius - height, 0.0))


def _cap(
    rim_radius: float, height: float, rim_count: int, edge_length: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return vertices (V, 3) inside a cap about the third axis and faces, the rim's numbered first.

    Faces are wound so that their normal at the pole points up.
    """
    half_angle = np.arctan2(height, rim_radius)
    is_flat = abs(half_angle) < 1e-9
    radius = 0.0 if is_flat else (rim_radius**2 + height**2) / (2.0 * height)
    arc = rim_radius if is_flat else 2.0 * half_angle * radius
    rings = max(1, round(arc / (edge_length * RING_DISTANCE)))
    numbers, offsets, vertices = [np.arange(rim_count)], [0.0], []
    count = rim_count
    for ring in range(rings - 1, -1, -1):
        angle = 2.0 * half_angle * ring / rings
        width = rim_radius * ring / rings if is_flat else radius * np.sin(angle)
        size = max(3, round(2.0 * np.pi * width / edge_length)) if ring else 1
        level = height - (0.0 if is_flat else radius * (1.0 - np.cos(angle)))
        # Every other ring is turned by half an edge, for faces of more equal sides.
        offsets.append(0.5 * ((rings - ring) % 2))
        circle = width * _circle(size, offsets[-1])
        vertices.append(np.column_stack([circle, np.full(size, level)]))
        numbers.append(count + np.arange(size))
        count += size
    faces = [
        _strip(inner, outer, (turned, other))
        for (outer, other), (inner, turned) in pairwise(zip(numbers, offsets, strict=True))
    ]
    return np.concatenate(vertices), np.concatenate(faces)


def _strip(
    inner: NDArray[np.int64], outer: NDArray[np.int64], offsets: tuple[float, float]
) -> NDArray[np.int64]:
    """Return the faces between two rings of any sizes, the inner one perhaps a single vertex."""
    # Each edge of one ring gets the vertex of the other at which the walk round has arrived.
    sizes = (len(inner) if len(inner) > 1 else 0, len(outer))
    middle = [
        (np.arange(size) + 0.5 + offset) / max(size, 1)
        for size, offset in zip(sizes, offsets, strict=True)
    ]
    i, j = np.arange(sizes[0]), np.arange(sizes[1])
    i_then = np.searchsorted(middle[0], middle[1], side="right")
    j_then = np.searchsorted(middle[1], middle[0], side="left")
    a, b = len(inner), len(outer)
    on_outer = np.stack([inner[i_then % a], outer[j], outer[(j + 1) % b]], axis=1)
    on_inner = np.stack([inner[i], outer[j_then % b], inner[(i + 1) % a]], axis=1)
    return np.concatenate([on_outer, on_inner])


def _circle(count: int, offset: float) -> NDArray[np.float64]:
    """Return (count, 2) points on the unit circle, turned by a part of the distance of two."""
    angle = 2.0 * np.pi * (np.arange(count) + offset) / count
    return np.column_stack([np.cos(angle), np.sin(angle)])
