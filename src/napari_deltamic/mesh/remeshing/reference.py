"""The surface as it was given, slightly rounded, onto which remeshing puts its vertices.

A flat face lies below the smooth surface that it stands for. Vertices put on flat faces would
shrink a body at every remeshing; so a point is lifted from its foot on the flat face by half of
its mean offset from the tangent planes at the corners, which is exact for spheres up to fourth
order in the edge length. Where the surface bends sharply the lift fades out: edges stay edges.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.mesh.remeshing.vectors import (
    Vector,
    cross,
    dot,
    doubled_area_normal,
    minus,
    plus,
    row,
    squared_distance,
    times,
)
from napari_deltamic.mesh.remeshing.working_mesh import LINE, NONE

# Cosine of the angle between a face and its vertex' normal: rounded fully above, not at all below.
_ROUND, _SHARP = 0.95, 0.8
# The same for the lift over the height of the narrowest face: neighbours would run into each other.
_GENTLE, _STEEP = 0.15, 0.3
_MAX_STEPS = 1000
_TINY = 1e-100
# A foot within a face is taken without looking at its neighbours if its squared distance is less
# than this share of the doubled area.
_CLOSE = 1e-3


class Reference(NamedTuple):
    """The given surface with what is needed to find and lift feet on it."""

    vertices: NDArray[np.float64]
    """(V, 3) in um."""
    target: NDArray[np.float64]
    """(V,) edge length asked for, in um."""
    faces: NDArray[np.int64]
    """(F, 3)."""
    interface: NDArray[np.int64]
    """(F,) which pair of regions the face separates."""
    normals: NDArray[np.float64]
    """(3 F, 3) normal at each corner; shorter than one where the lift fades out."""
    first_face: NDArray[np.int64]
    """(V + 1,) where the faces of each vertex begin in vertex_faces."""
    vertex_faces: NDArray[np.int64]
    """(3 F,)."""
    segments: NDArray[np.int64]
    """(S, 2) the edges on borders and on lines where interfaces meet."""
    tangents: NDArray[np.float64]
    """(2 S, 3) unit tangent at each end of each segment."""
    beyond: NDArray[np.int64]
    """(S, 2) the next segment of the line past each end, or -1 at the line's end."""


def reference_surface(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    interface: NDArray[np.int64],
    target: NDArray[np.float64],
    segments: NDArray[np.int64],
    stratum: NDArray[np.int64],
) -> Reference:
    """Return the reference for (V, 3) vertices, (F, 3) faces and (S, 2) segments."""
    first_face = np.zeros(len(vertices) + 1, np.int64)
    np.cumsum(np.bincount(faces.ravel(), minlength=len(vertices)), out=first_face[1:])
    beyond = _segments_beyond(segments, stratum)
    return Reference(
        vertices=vertices.copy(),
        target=target.copy(),
        faces=faces.copy(),
        interface=interface.copy(),
        normals=_corner_normals(vertices, faces, interface),
        first_face=first_face,
        vertex_faces=np.argsort(faces.ravel(), kind="stable") // 3,
        segments=segments.copy(),
        tangents=_segment_tangents(vertices, segments, beyond),
        beyond=beyond,
    )


def _corner_normals(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], interface: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Average face normals round each vertex, for each interface on its own."""
    corners = vertices[faces]
    edges = np.roll(corners, -1, axis=1) - corners
    length = np.linalg.norm(edges, axis=2)
    height = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / np.maximum(
        length.max(axis=1), _TINY
    )
    edges /= np.where(length > 0, length, 1.0)[..., None]
    normals = np.cross(edges[:, 0], edges[:, 1])
    size = np.linalg.norm(normals, axis=1)
    normals /= np.where(size > 0, size, 1.0)[:, None]
    angles = np.arccos(np.clip(-np.einsum("fij,fij->fi", edges, np.roll(edges, 1, 1)), -1.0, 1.0))

    group = faces.ravel()
    if interface.max(initial=0) > 0:
        keys = (faces * (interface.max() + 1) + interface[:, None]).ravel()
        group = np.unique(keys, return_inverse=True)[1].reshape(-1)
    count = int(group.max(initial=-1)) + 1
    weighted = (angles[..., None] * normals[:, None]).reshape(-1, 3)
    sums = [np.bincount(group, weighted[:, axis], count) for axis in range(3)]
    mean = np.stack(sums, axis=1).astype(np.float64)
    size = np.linalg.norm(mean, axis=1)
    mean = mean / np.where(size > 0, size, 1.0)[:, None]

    cosine = np.einsum("ij,ij->i", mean[group], np.repeat(normals, 3, axis=0))
    sharpest = np.ones(count)
    np.minimum.at(sharpest, group, cosine)
    fade = np.clip((sharpest - _SHARP) / (_ROUND - _SHARP), 0.0, 1.0)

    ends = mean[group].reshape(-1, 3, 3)
    rise = np.maximum(
        np.abs(np.einsum("fij,fij->fi", edges, ends)),
        np.abs(np.einsum("fij,fij->fi", edges, np.roll(ends, -1, axis=1))),
    )
    lift = (rise * length).max(axis=1) / 8
    steepest = np.zeros(count)
    np.maximum.at(steepest, group, np.repeat(lift / np.maximum(height, _TINY), 3))
    fade = np.sqrt(np.minimum(fade, np.clip((_STEEP - steepest) / (_STEEP - _GENTLE), 0.0, 1.0)))
    return np.ascontiguousarray((mean * fade[:, None])[group])


def _segments_beyond(segments: NDArray[np.int64], stratum: NDArray[np.int64]) -> NDArray[np.int64]:
    beyond = np.full((len(segments), 2), NONE)
    ends = segments.ravel()
    order = np.argsort(ends, kind="stable")
    order = order[stratum[ends[order]] == LINE]
    # A vertex on a line has exactly two segments, which have become neighbours in the order.
    one, two = order[0::2], order[1::2]
    beyond.ravel()[one] = two // 2
    beyond.ravel()[two] = one // 2
    return beyond


def _segment_tangents(
    vertices: NDArray[np.float64], segments: NDArray[np.int64], beyond: NDArray[np.int64]
) -> NDArray[np.float64]:
    along = vertices[segments[:, 1]] - vertices[segments[:, 0]]
    along /= np.maximum(np.linalg.norm(along, axis=1), _TINY)[:, None]
    tangents = np.repeat(along[:, None], 2, axis=1)
    segment, side = np.nonzero(beyond != NONE)
    following = along[beyond[segment, side]]
    # The next segment may run the other way: turn it so that both run away from the first end.
    head = segments[beyond[segment, side], np.where(side == 1, 0, 1)]
    following[head != segments[segment, side]] *= -1.0
    mean = along[segment] + following
    size = np.linalg.norm(mean, axis=1)
    smooth = size > 2 * _SHARP
    tangents[segment[smooth], side[smooth]] = (mean / np.maximum(size, _TINY)[:, None])[smooth]
    return np.ascontiguousarray(tangents.reshape(-1, 3))


@njit(cache=True, nogil=True)
def put_on_sheet(reference: Reference, point: Vector, near: int) -> tuple[int, Vector, float]:
    """Find the foot of a point on an interface, walking downhill from a face near it.

    Returns
    -------
    tuple
        The face of the reference, the lifted position and the edge length asked for there.
    """
    best = near
    weights, squared = foot_on_face(reference, point, best)
    interface = reference.interface[near]
    for _ in range(_MAX_STEPS):
        if min(weights) > 0.0 and squared < _CLOSE * _doubled_area(reference, best):
            break
        start = best
        # The corner nearest to the foot sees most of the better faces, and if not, the others may.
        first = 0
        if weights[1] > weights[0]:
            first = 1
        if weights[2] > weights[first]:
            first = 2
        for turn in range(3):
            vertex = reference.faces[start, (first + turn) % 3]
            for index in range(reference.first_face[vertex], reference.first_face[vertex + 1]):
                face = reference.vertex_faces[index]
                if face in (start, best) or reference.interface[face] != interface:
                    continue
                face_weights, face_squared = foot_on_face(reference, point, face)
                if face_squared < squared:
                    best, weights, squared = face, face_weights, face_squared
            if best != start:
                break
        if best == start:
            break
    return (
        best,
        _lifted_from_face(reference, best, weights),
        _target_on_face(reference, best, weights),
    )


@njit(cache=True, nogil=True)
def _doubled_area(reference: Reference, face: int) -> float:
    a = row(reference.vertices, reference.faces[face, 0])
    b = row(reference.vertices, reference.faces[face, 1])
    c = row(reference.vertices, reference.faces[face, 2])
    normal = doubled_area_normal(a, b, c)
    return float(np.sqrt(dot(normal, normal)))


@njit(cache=True, nogil=True)
def _target_on_face(reference: Reference, face: int, weights: Vector) -> float:
    target = 0.0
    for corner in range(3):
        target += weights[corner] * reference.target[reference.faces[face, corner]]
    return target


@njit(cache=True, nogil=True)
def _lifted_from_face(reference: Reference, face: int, weights: Vector) -> Vector:
    foot = (0.0, 0.0, 0.0)
    for corner in range(3):
        vertex = row(reference.vertices, reference.faces[face, corner])
        foot = plus(foot, times(vertex, weights[corner]))
    lifted = foot
    for corner in range(3):
        vertex = row(reference.vertices, reference.faces[face, corner])
        normal = row(reference.normals, 3 * face + corner)
        offset = 0.5 * weights[corner] * dot(minus(vertex, foot), normal)
        lifted = plus(lifted, times(normal, offset))
    return lifted


@njit(cache=True, nogil=True, forceinline=True)
def foot_on_face(reference: Reference, point: Vector, face: int) -> tuple[Vector, float]:
    """Return the barycentric weights of the nearest point of a face, and its squared distance."""
    a = row(reference.vertices, reference.faces[face, 0])
    b = row(reference.vertices, reference.faces[face, 1])
    c = row(reference.vertices, reference.faces[face, 2])
    ab, ac, ap = minus(b, a), minus(c, a), minus(point, a)
    normal = cross(ab, ac)
    size = dot(normal, normal)
    # A face without area is its edges.
    weight_a = weight_b = weight_c = -1.0
    if size > 0.0:
        weight_b = dot(cross(ap, ac), normal) / size
        weight_c = dot(cross(ab, ap), normal) / size
        weight_a = 1.0 - weight_b - weight_c
        if weight_a >= 0.0 and weight_b >= 0.0 and weight_c >= 0.0:
            height = dot(ap, normal)
            return (weight_a, weight_b, weight_c), height * height / size
    # The nearest point is on an edge that the point lies beyond.
    weights, squared = (1.0, 0.0, 0.0), np.inf
    if weight_c < 0.0:
        along, squared = _foot_on_segment(point, a, b)
        weights = (1.0 - along, along, 0.0)
    if weight_a < 0.0:
        along, distance = _foot_on_segment(point, b, c)
        if distance < squared:
            weights, squared = (0.0, 1.0 - along, along), distance
    if weight_b < 0.0:
        along, distance = _foot_on_segment(point, c, a)
        if distance < squared:
            weights, squared = (along, 0.0, 1.0 - along), distance
    return weights, squared


@njit(cache=True, nogil=True, forceinline=True)
def _foot_on_segment(point: Vector, a: Vector, b: Vector) -> tuple[float, float]:
    """Return how far from a to b the nearest point of a segment is, and its squared distance."""
    along = minus(b, a)
    size = dot(along, along)
    fraction = 0.0
    if size > 0.0:
        fraction = min(max(dot(minus(point, a), along) / size, 0.0), 1.0)
    return fraction, squared_distance(point, plus(a, times(along, fraction)))


@njit(cache=True, nogil=True)
def put_on_line(reference: Reference, point: Vector, near: int) -> tuple[int, Vector, float]:
    """Find the foot of a point on a line, walking from a segment near it (-1: look at all).

    Returns
    -------
    tuple
        The segment, the lifted position and the edge length asked for there.
    """
    best, fraction, squared = near, 0.0, np.inf
    if near == NONE:
        for segment in range(len(reference.segments)):
            along, distance = _foot_on_reference_segment(reference, point, segment)
            if distance < squared:
                best, fraction, squared = segment, along, distance
    else:
        fraction, squared = _foot_on_reference_segment(reference, point, near)
    for _ in range(_MAX_STEPS):
        start = best
        for side in range(2):
            segment = reference.beyond[start, side]
            if segment == NONE:
                continue
            along, distance = _foot_on_reference_segment(reference, point, segment)
            if distance < squared:
                best, fraction, squared = segment, along, distance
        if best == start:
            break
    a, b = reference.segments[best]
    target = (1.0 - fraction) * reference.target[a] + fraction * reference.target[b]
    return best, _lifted_from_segment(reference, best, fraction), target


@njit(cache=True, nogil=True)
def _foot_on_reference_segment(
    reference: Reference, point: Vector, segment: int
) -> tuple[float, float]:
    a = row(reference.vertices, reference.segments[segment, 0])
    b = row(reference.vertices, reference.segments[segment, 1])
    return _foot_on_segment(point, a, b)


@njit(cache=True, nogil=True)
def _lifted_from_segment(reference: Reference, segment: int, fraction: float) -> Vector:
    a = row(reference.vertices, reference.segments[segment, 0])
    b = row(reference.vertices, reference.segments[segment, 1])
    foot = plus(times(a, 1.0 - fraction), times(b, fraction))
    lifted = foot
    for side in range(2):
        tangent = row(reference.tangents, 2 * segment + side)
        arm = minus(b, foot) if side else minus(a, foot)
        across = minus(arm, times(tangent, dot(arm, tangent)))
        weight = fraction if side else 1.0 - fraction
        lifted = plus(lifted, times(across, 0.5 * weight))
    return lifted
