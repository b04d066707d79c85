"""Lines along which three or more regions meet, and the points where such lines meet."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.curvature import face_curvature
from napari_deltamic.mesh.fans import UNKNOWN, EdgeFans, edge_fans
from napari_deltamic.mesh.sums import grouped_sums
from napari_deltamic.mesh.tables import Row
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


@dataclass(frozen=True)
class JunctionMeasures:
    """Measures of the lines along which one set of regions meets."""

    regions: tuple[int, ...]
    """Three or more, ascending; 0 is the outside."""
    length: float
    """In um, all such lines together."""
    angles: tuple[float, ...]
    """Mean opening of each region between the curved surfaces that the faces stand for, in degrees,
    weighted by length; they sum to 360."""
    angle_spreads: tuple[float, ...]
    """Standard deviation of each along the line in degrees, weighted by length."""
    face_angles: tuple[float, ...]
    """The same mean between the flat faces themselves: as they are chords of curved surfaces, it
    differs by about the angle that these turn in a third of an edge."""


@dataclass(frozen=True)
class MeetingPoint:
    """A point where four or more regions meet."""

    regions: tuple[int, ...]
    """Four or more, ascending; 0 is the outside."""
    vertex: int
    """Number of the mesh's vertex."""
    position: tuple[float, float, float]
    """In um, (z, y, x)."""


COLUMNS = (
    *("region_a", "region_b", "region_c", "length", "angle_a", "angle_b", "angle_c"),
    *("angle_spread_a", "angle_spread_b", "angle_spread_c"),
    *("face_angle_a", "face_angle_b", "face_angle_c"),
)
"""Columns of :func:`junctions_table` where no more than three regions meet; um and degrees."""


class _Lines(NamedTuple):
    """The edges at which three or more regions meet, and which these are, P pairs in all."""

    edges: NDArray[np.int64]
    """(L,) edges of the mesh."""
    region_count: NDArray[np.int64]
    """(L,) how many regions meet there."""
    start: NDArray[np.int64]
    """(L,) first of the pairs of each edge."""
    pair_edges: NDArray[np.int64]
    """(P,) edge of each pair."""
    pair_regions: NDArray[np.int64]
    """(P,) region of each pair, ascending within an edge."""


def measure_junctions(mesh: TriangleMesh) -> list[JunctionMeasures]:
    """Return the measures of the lines of every set of regions that meets, in ascending order.

    ``face_angles`` are exact for the polyhedron: those between successive faces round each edge. A
    face inside a circle on a curved surface lies as that surface does at the circle's centre, so
    for ``angles`` each face is turned by its mean curvature over the way from there to the edge.
    NaN where the faces at every edge of a line contradict one another or have no area.
    """
    fans = edge_fans(mesh)
    lines = _lines(mesh, fans)
    at_lines = np.flatnonzero(np.isin(fans.wedge_edges, lines.edges))
    face_angles, is_known = _region_angles(fans, lines, at_lines, fans.wedge_angles[at_lines])
    turned = fans.wedge_angles[at_lines] + _turns(mesh, fans, at_lines)
    angles, _ = _region_angles(fans, lines, at_lines, turned)
    measured: list[JunctionMeasures] = []
    for size in np.unique(lines.region_count):
        chosen = lines.region_count == size
        pairs = lines.start[chosen][:, None] + np.arange(size)
        sets, which = np.unique(lines.pair_regions[pairs], axis=0, return_inverse=True)
        which = which.reshape(-1)
        length = fans.lengths[lines.edges[chosen]]
        total = np.bincount(which, length, len(sets))
        weight = np.where(is_known[chosen], length, 0.0)
        known = np.bincount(which, weight, len(sets))[:, None]
        known[known == 0] = np.nan
        mean, of_faces = (
            grouped_sums(which, weight[:, None] * degrees[pairs], len(sets)) / known
            for degrees in (angles, face_angles)
        )
        deviation = (angles[pairs] - mean[which]) ** 2
        spread = np.sqrt(grouped_sums(which, weight[:, None] * deviation, len(sets)) / known)
        columns = (sets, total, mean, spread, of_faces)
        for regions, *values in zip(*(column.tolist() for column in columns), strict=True):
            long, *angle_sets = values
            measured.append(JunctionMeasures(tuple(regions), long, *map(tuple, angle_sets)))
    return sorted(measured, key=lambda one: one.regions)


def junctions_table(mesh: TriangleMesh) -> list[Row]:
    """Return the measures of the lines as one flat row for each set of regions.

    Columns are ``region_a``, ``region_b``, ``region_c``, ``length`` in um, then for each region
    ``angle_a``, ``angle_spread_a`` and ``face_angle_a`` in degrees, and so on. Where four or more
    regions meet along some line there are columns for ``d`` and further, NaN in the other rows.
    """
    junctions = measure_junctions(mesh)
    width = max([3, *(len(one.regions) for one in junctions)])
    return [_row(one, width) for one in junctions]


def meeting_points(mesh: TriangleMesh) -> list[MeetingPoint]:
    """Return the points where four or more regions meet, in the order of their vertices.

    Points inside a line along which the very same regions meet are not among them.
    """
    fans = edge_fans(mesh)
    stride = int(mesh.labels.max(initial=0)) + 1
    keys = np.unique(mesh.faces[:, :, None] * stride + mesh.labels[:, None, :])
    vertex, region = keys // stride, keys % stride
    regions_at = np.bincount(vertex, minlength=len(mesh.vertices))
    lines = _lines(mesh, fans)
    fewest = np.full(len(mesh.vertices), np.iinfo(np.int64).max)
    for end in fans.edges[lines.edges].T:
        np.minimum.at(fewest, end, lines.region_count)
    start = np.cumsum(regions_at) - regions_at
    return [
        MeetingPoint(
            tuple(region[start[one] : start[one] + regions_at[one]].tolist()),
            int(one),
            tuple(mesh.vertices[one].tolist()),
        )
        for one in np.flatnonzero((regions_at >= 4) & (fewest != regions_at))
    ]


def _row(junction: JunctionMeasures, width: int) -> Row:
    letters = ascii_lowercase[:width]
    missing = (float("nan"),) * (width - len(junction.regions))
    row: Row = {}
    row.update(_columns("region", letters, (*junction.regions, *missing)))
    row["length"] = junction.length
    row.update(_columns("angle", letters, junction.angles + missing))
    row.update(_columns("angle_spread", letters, junction.angle_spreads + missing))
    row.update(_columns("face_angle", letters, junction.face_angles + missing))
    return row


def _columns(name: str, letters: str, values: tuple[int | float, ...]) -> Row:
    return {f"{name}_{letter}": value for letter, value in zip(letters, values, strict=True)}


def _lines(mesh: TriangleMesh, fans: EdgeFans) -> _Lines:
    """Return the edges at which three or more regions meet, by the labels of their faces."""
    # Fewer than three faces have no more than two regions, unless labels and winding disagree.
    wedges = np.flatnonzero(fans.face_count[fans.wedge_edges] > 2)
    stride = int(mesh.labels.max(initial=0)) + 1
    labels = mesh.labels[fans.wedge_faces[wedges, 0]]
    keys = np.unique(fans.wedge_edges[wedges][:, None] * stride + labels)
    edges, start, count = np.unique(keys // stride, return_index=True, return_counts=True)
    many = count > 2
    return _Lines(edges[many], count[many], start[many], keys // stride, keys % stride)


def _region_angles(
    fans: EdgeFans, lines: _Lines, wedges: NDArray[np.int64], angles: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (P,) openings of the regions in degrees, and (L,) where all wedges are known."""
    edge, region = fans.wedge_edges[wedges], fans.wedge_regions[wedges]
    known = region != UNKNOWN
    stride = int(lines.pair_regions.max(initial=0)) + 1
    pair = np.searchsorted(
        lines.pair_edges * stride + lines.pair_regions, edge[known] * stride + region[known]
    )
    # A region may fill two wedges of one edge, where it touches itself across it.
    opening = np.bincount(pair, angles[known], len(lines.pair_regions))
    return np.degrees(opening), ~np.isin(lines.edges, edge[~known])


def _turns(mesh: TriangleMesh, fans: EdgeFans, wedges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (W,) by how much wedges are wider between curved surfaces than between faces."""
    curvature = face_curvature(mesh, fans)
    edge, region = fans.wedge_edges[wedges], fans.wedge_regions[wedges]
    turn = np.zeros(len(wedges))
    for face in fans.wedge_faces[wedges].T:
        way = _ways_to_centre(mesh, face, fans.face_edges[face] == edge[:, None])
        # Curvature is positive where the region with the higher number is the wider for it.
        is_higher = region == mesh.labels[face].max(axis=1)
        turn += np.where(is_higher, 1.0, -1.0) * curvature[face] * way
    return turn


def _ways_to_centre(
    mesh: TriangleMesh, faces: NDArray[np.int64], is_opposite: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return (W,) how far the circumcentres of faces lie inside the edge opposite a corner."""
    corner = is_opposite.argmax(axis=1)
    tip, one, other = (mesh.vertices[mesh.faces[faces, (corner + turn) % 3]] for turn in range(3))
    doubled_area = np.linalg.norm(np.cross(one - tip, other - tip), axis=1)
    length = np.linalg.norm(other - one, axis=1)
    safe = np.where(doubled_area > 0, doubled_area, 1.0)
    way = 0.5 * length * np.einsum("ij,ij->i", one - tip, other - tip) / safe
    # Beyond the tip, or far outside the edge, the face is a sliver and says little.
    height = doubled_area / np.where(length > 0, length, 1.0)
    return np.asarray(np.clip(way, -0.5 * height, height))
