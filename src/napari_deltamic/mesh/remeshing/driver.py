"""Isotropic remeshing of labelled surfaces, also where several regions meet."""

from __future__ import annotations

from collections.abc import Generator
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.remeshing.collapse import collapse_short_edges
from napari_deltamic.mesh.remeshing.flip import flip_edges
from napari_deltamic.mesh.remeshing.reference import reference_surface
from napari_deltamic.mesh.remeshing.relocate import relocate_vertices
from napari_deltamic.mesh.remeshing.split import split_long_edges
from napari_deltamic.mesh.remeshing.strata import classify, special_edges
from napari_deltamic.mesh.remeshing.working_mesh import LINE, REGULAR, compacted, working_mesh
from napari_deltamic.mesh.spatial_order import spatial_order
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

MAX_FACES = 5_000_000
# Sweeps that even out the vertices, in each iteration and after the last one.
_SWEEPS, _LAST_SWEEPS = 1, 2
# More faces than this no longer lie in the caches; sorted in space, 1.4 million take a third.
_LARGE = 50_000
# Between the lengths at which edges are split and collapsed, edges settle a little above the wish.
_SETTLED = 1.03


def remesh(mesh: TriangleMesh, edge_length: float | ArrayLike, iterations: int = 5) -> TriangleMesh:
    """Return the same surface with nearly equilateral faces of the edge length asked for.

    Long edges are split, short ones collapsed, edges flipped and vertices moved along the surface,
    several times over. No region's topology changes; lines where regions meet, borders and the
    vertices where such lines end stay in place. Vertices are put on the given surface, rounded
    within its faces so that volumes keep. The result does not depend on threads or chance.

    Parameters
    ----------
    mesh
        The surface. Its edges may have any number of faces.
    edge_length
        Edge length to aim at in um: one number, or (V,) one at each vertex.
    iterations
        How often to go over the mesh, at least 1.

    Returns
    -------
    TriangleMesh
        The new mesh; its labels are those of the given one, unused vertices are gone.

    Raises
    ------
    ValueError
        If an edge length is not positive and finite, has the wrong shape or is so small that
        more than 5 million faces would result, or if iterations is less than 1.
    """
    steps = remeshing(mesh, edge_length, iterations)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(TriangleMesh, end.value)


def remeshing(
    mesh: TriangleMesh, edge_length: float | ArrayLike, iterations: int = 5
) -> Generator[None, None, TriangleMesh]:
    """Do what :func:`remesh` does bit by bit: whoever runs it may leave off at every yield."""
    target = checked_lengths(mesh, edge_length) / _SETTLED
    if iterations < 1:
        raise ValueError(f"iterations: expected 1 or more, got {iterations}")
    if len(mesh.faces) == 0:
        return TriangleMesh(np.empty((0, 3)), np.empty((0, 3), np.int64))

    faces, labels = _wound_alike(mesh)
    vertices, interface = mesh.vertices, mesh.face_interfaces
    if len(faces) > _LARGE:
        order = spatial_order(vertices, float(np.median(target)))
        faces = np.argsort(order)[faces]
        vertices, target = vertices[order], target[order]
        order = np.argsort(faces.min(axis=1), kind="stable")
        faces, interface = faces[order], interface[order]
    working = compacted(working_mesh(vertices, faces, interface, target))
    segments = special_edges(working)
    classify(working, segments)
    on_sheet = working.stratum[working.faces] == REGULAR
    working.place[working.faces[on_sheet]] = np.nonzero(on_sheet)[0]
    on_line = working.stratum[segments] == LINE
    working.place[segments[on_line]] = np.nonzero(on_line)[0]
    reference = reference_surface(
        working.position, working.faces, interface, working.target, segments, working.stratum
    )
    yield
    for _ in range(iterations):
        working = split_long_edges(working, reference)
        yield
        collapse_short_edges(working, reference)
        working = compacted(working)
        yield
        flip_edges(working)
        yield
        relocate_vertices(working, reference, _SWEEPS)
        yield
    relocate_vertices(working, reference, _LAST_SWEEPS)
    return TriangleMesh(working.position, working.faces, labels[working.interface])


def _wound_alike(mesh: TriangleMesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (F, 3) faces with one winding for each interface, and (I, 2) labels for it."""
    _, first = np.unique(mesh.face_interfaces, return_index=True)
    labels = mesh.labels[first]
    reversed_face = mesh.labels[:, 0] != labels[mesh.face_interfaces, 0]
    return np.where(reversed_face[:, None], mesh.faces[:, ::-1], mesh.faces), labels


def checked_lengths(mesh: TriangleMesh, edge_length: float | ArrayLike) -> NDArray[np.float64]:
    """Return (V,) the edge length at each vertex, or raise ValueError if it cannot be had."""
    lengths = np.asarray(edge_length, dtype=np.float64)
    if lengths.shape not in ((), (len(mesh.vertices),)):
        raise ValueError(
            f"edge_length: expected one number or shape ({len(mesh.vertices)},), "
            f"got shape {lengths.shape}"
        )
    bad = ~np.isfinite(lengths) | (lengths <= 0)
    if bad.any():
        raise ValueError(
            f"edge_length: expected positive, finite lengths in um, got {lengths[bad][0]}"
        )
    target = np.array(np.broadcast_to(lengths, len(mesh.vertices)))
    face_target = target[mesh.faces].mean(axis=1)
    area = mesh.face_normals_and_areas()[1]
    expected = float((area / (np.sqrt(3) / 4 * face_target**2)).sum())
    if expected > MAX_FACES:
        raise ValueError(
            f"edge_length: {lengths.min():g} um would give about {expected:.3g} faces, more than "
            f"{MAX_FACES}; ask for {lengths.min() * np.sqrt(expected / MAX_FACES):.3g} um or more"
        )
    return target
