"""One region of a mesh cut in two by a plane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.edge_splitting import with_split_edges
from napari_deltamic.mesh.edges import median_edge
from napari_deltamic.mesh.moments import region_moments
from napari_deltamic.mesh.shapes import checked_center
from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# A vertex this near the plane counts as on it, in units of its shortest edge: no slivers.
_NEAR = 0.15
# Of the new vertices within the cut, to its rim, in units of their spacing.
_FROM_RIM = 0.6
# Where a plane just touches the surface the cut may fail: other places of it, in edge lengths.
_SHIFTS = (0.0, 0.11, -0.11, 0.23, -0.23)
_ROUNDS = 8


class _Rim(NamedTuple):
    """Where a cut meets the surface: directed edges, the section to their left."""

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]


def split_region(
    mesh: TriangleMesh,
    region: int,
    point: ArrayLike | None = None,
    normal: ArrayLike | None = None,
) -> TriangleMesh:
    """Return the mesh with a region cut in two by a plane.

    The larger part keeps the region's number, the other one gets a number after the highest. They
    share a new contact in the plane. No surface moves, so that the volumes of the parts add up to
    the region's, and those of all others stay the same.

    Parameters
    ----------
    mesh
        Whose regions are closed.
    region
        What to cut.
    point
        (3,) a point of the plane in um, (z, y, x); by default the region's centre of mass.
    normal
        (3,) direction across the plane; by default the region's longest axis.

    Raises
    ------
    ValueError
        If there is no such region, the plane misses it, or no clean cut is found there.
    """
    if region not in mesh.regions:
        raise ValueError(f"region: {region} is not one of the mesh's regions {mesh.regions}")
    body = mesh.region_mesh(region)
    if len(mesh.open_regions()):
        raise ValueError(f"mesh: region {mesh.open_regions()[0]} is not closed")
    moments = region_moments(body)
    middle = moments.centroids[0] if point is None else checked_center(point, "point")
    if normal is None:
        across = np.linalg.eigh(moments.covariances[0])[1][:, -1]
    else:
        across = checked_center(normal, "normal")
        if not across.any():
            raise ValueError("normal: must not be zero")
    across = across / np.linalg.norm(across)
    heights = (body.vertices - middle) @ across
    if heights.max() <= 0 or heights.min() >= 0:
        raise ValueError(f"point: the plane there does not cut region {region}")
    edge = median_edge(body)
    for shift in _SHIFTS:
        parts = _cut(mesh, region, middle + shift * edge * across, across, edge)
        if parts is not None:
            return parts
    raise ValueError(
        f"region: no clean cut through region {region} there; choose another plane, or paint it"
    )


def _cut(
    mesh: TriangleMesh,
    region: int,
    point: NDArray[np.float64],
    normal: NDArray[np.float64],
    edge: float,
) -> TriangleMesh | None:
    """Return the mesh cut by one plane; None if the section is not a plain one."""
    mesh, is_above = _cut_faces(mesh, region, point, normal)
    number = int(mesh.labels.max()) + 1
    labels = mesh.labels.copy()
    labels[(labels == region) & is_above[:, None]] = number
    mesh = TriangleMesh(mesh.vertices, mesh.faces, labels)
    first, second = np.linalg.svd(normal[None])[2][1:]
    plane = np.stack([first, second if np.cross(first, second) @ normal > 0 else -second])
    for _ in range(_ROUNDS):
        rim = _rim(mesh, number, region)
        if rim is None:
            return None
        made = _section(mesh, rim, point, plane, edge)
        if isinstance(made, TriangleMesh):
            return _joined(mesh, made, region, number)
        if len(made) == 0:
            return None
        # Rim edges beside others that are very near come out once they are shorter.
        mesh = with_split_edges(mesh, made, mesh.vertices[made].mean(axis=1))
    return None


def _cut_faces(
    mesh: TriangleMesh, region: int, point: NDArray[np.float64], normal: NDArray[np.float64]
) -> tuple[TriangleMesh, NDArray[np.bool_]]:
    """Return the mesh with no face of a region across a plane, and (F,) which lie above it."""
    own = (mesh.labels == region).any(axis=1)
    heights = (mesh.vertices - point) @ normal
    use = edge_use(mesh.faces)
    lengths = np.linalg.norm(np.diff(mesh.vertices[use.edges], axis=1)[:, 0], axis=1)
    shortest = np.full(len(mesh.vertices), np.inf)
    np.minimum.at(shortest, use.edges, lengths[:, None])
    side = np.where(np.abs(heights) < _NEAR * shortest, 0.0, np.sign(heights))
    edges = use.edges[np.unique(use.face_edges[own])]
    edges = edges[side[edges].prod(axis=1) < 0]
    low, high = heights[edges].T
    share = (low / (low - high))[:, None]
    on_plane = (1.0 - share) * mesh.vertices[edges[:, 0]] + share * mesh.vertices[edges[:, 1]]
    mesh = with_split_edges(mesh, edges, on_plane)
    side = np.concatenate([side, np.zeros(len(edges))])
    heights = np.concatenate([heights, np.zeros(len(edges))])
    sides = side[mesh.faces].sum(axis=1)
    return mesh, np.where(sides == 0, heights[mesh.faces].mean(axis=1), sides) > 0


def _rim(mesh: TriangleMesh, above: int, below: int) -> _Rim | None:
    """Return the edges in which the faces of two parts of a region meet; None if confused."""
    inner, outer = (mesh.labels == above).T
    faces = np.concatenate([mesh.faces[inner], mesh.faces[outer][:, ::-1]])
    starts, stops = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    stride = len(mesh.vertices)
    keys, inverse = np.unique(
        np.minimum(starts, stops) * stride + np.maximum(starts, stops), return_inverse=True
    )
    net = np.bincount(inverse, np.where(starts < stops, 1, -1), len(keys))
    if len(faces) == 0 or not net.any() or np.abs(net).max() > 1 or below not in mesh.labels:
        return None
    rim = keys[net != 0]
    low, high = rim // stride, rim % stride
    forward = net[net != 0] > 0
    return _Rim(np.where(forward, low, high), np.where(forward, high, low))


def _section(
    mesh: TriangleMesh,
    rim: _Rim,
    point: NDArray[np.float64],
    plane: NDArray[np.float64],
    edge: float,
) -> TriangleMesh | NDArray[np.int64]:
    """Return the faces within a rim, or else (N, 2) edges of it that are too long for them.

    The faces' mesh has the vertices of the other one, and then its own. No edge is too long, yet
    there are no faces, if the rim runs across itself.
    """
    from scipy.spatial import Delaunay, QhullError

    used = np.unique(rim.starts)
    flat = (mesh.vertices[used] - point) @ plane.T
    start, stop = np.searchsorted(used, rim.starts), np.searchsorted(used, rim.stops)
    inside = _lattice(flat, edge)
    inside = inside[_winding(inside, flat[start], flat[stop]) > 0.5]
    inside = inside[_distance(inside, flat[start], flat[stop]) > _FROM_RIM * edge]
    nodes = np.concatenate([flat, inside])
    try:
        triangles = np.asarray(Delaunay(nodes).simplices, dtype=np.int64)
    except QhullError:
        return np.empty((0, 2), dtype=np.int64)
    a, b, c = nodes[triangles].transpose(1, 0, 2)
    turns = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    triangles = np.where(turns[:, None] < 0, triangles[:, ::-1], triangles)
    triangles = triangles[turns != 0]
    middles = nodes[triangles].mean(axis=1)
    triangles = triangles[_winding(middles, flat[start], flat[stop]) > 0.5]
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    stride = len(nodes)
    there = ends[:, 0] * stride + ends[:, 1]
    border = np.setdiff1d(there, ends[:, 1] * stride + ends[:, 0])
    wanted = start * stride + stop
    if np.array_equal(border, np.sort(wanted)):
        numbers = np.concatenate([used, len(mesh.vertices) + np.arange(len(inside))])
        vertices = np.concatenate([mesh.vertices, point + inside @ plane])
        return TriangleMesh(vertices, numbers[triangles])
    missing = ~np.isin(wanted, there)
    return np.stack([rim.starts, rim.stops], axis=1)[missing]


def _joined(
    mesh: TriangleMesh, section: TriangleMesh, region: int, number: int
) -> TriangleMesh | None:
    """Return the mesh with the section between two parts; the larger has the region's number."""
    between = np.tile([region, number], (len(section.faces), 1))
    labels = np.concatenate([mesh.labels, between])
    whole = TriangleMesh(section.vertices, np.concatenate([mesh.faces, section.faces]), labels)
    below, above = (whole.volumes()[whole.regions == part][0] for part in (region, number))
    if min(below, above) <= 0:
        return None
    if above <= below:
        return whole
    swapped = np.where(labels == region, number, np.where(labels == number, region, labels))
    return TriangleMesh(whole.vertices, whole.faces, swapped)


def _lattice(points: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """Return (N, 2) points of a triangular lattice that cover the others."""
    low, high = points.min(axis=0), points.max(axis=0)
    rows = np.arange(low[0], high[0], spacing * np.sqrt(0.75))
    columns = np.arange(low[1], high[1], spacing)
    first, second = np.meshgrid(rows, columns, indexing="ij")
    second = second + 0.5 * spacing * (np.arange(len(rows)) % 2)[:, None]
    return np.stack([first.ravel(), second.ravel()], axis=1)


def _winding(
    points: NDArray[np.float64], starts: NDArray[np.float64], stops: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return (N,) how often directed edges wind round points: 1 where these lie to their left."""
    x, y = (points[:, axis][:, None] for axis in range(2))
    upwards = (starts[:, 1] <= y) & (stops[:, 1] > y)
    downwards = (starts[:, 1] > y) & (stops[:, 1] <= y)
    along = stops - starts
    cross = along[:, 0] * (y - starts[:, 1]) - along[:, 1] * (x - starts[:, 0])
    return np.asarray((upwards & (cross > 0)).sum(axis=1) - (downwards & (cross < 0)).sum(axis=1))


def _distance(
    points: NDArray[np.float64], starts: NDArray[np.float64], stops: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (N,) the distances of points from the nearest of some edges."""
    along, away = stops - starts, points[:, None] - starts
    length = np.maximum((along**2).sum(axis=1), 1e-300)
    part = np.clip((away * along).sum(axis=2) / length, 0.0, 1.0)
    gap = away - part[..., None] * along
    return np.asarray(np.sqrt((gap**2).sum(axis=2)).min(axis=1, initial=np.inf))
