"""The shape of a generated embryo: cells that share their contacts, nuclei, a place in a stack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.foam import SMALL_INTERFACE, Foam, pack_cells, smallest_interface
from napari_deltamic.imaging.soap_films import relaxed
from napari_deltamic.mesh.moments import region_moments
from napari_deltamic.mesh.remeshing import remesh
from napari_deltamic.mesh.seeds import seed_from_labels
from napari_deltamic.mesh.shapes import geodesic_sphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# In cell diameters and their squares. The flow takes the voxels' steps off and mends the angles.
_COARSE_EDGE = 1.0 / 18.0
_COARSE_FLOW, _COARSE_STEPS = 0.03, 12
_FINE_FLOW, _FINE_STEPS = 0.003, 4
_FINEST_EDGE, _COARSEST_EDGE = 1.0 / 120.0, 1.0 / 24.0
_ATTEMPTS, _PACKINGS = 3, 3
# Half-axes of a nucleus, in distances from the cell's centre to its surface.
_NUCLEUS = (0.6, 0.8)
_VOLUME_SPREAD = 0.12
_USUAL_VOXELS = 30.0
_USUAL_ASPECT = (0.85, 1.0, 1.15)
_LONGEST_ASPECT = 2.0
# An ellipsoid fills 0.52 of its box, bulging cells a little more.
_MOST_OF_ITS_BOX = 0.65
_LEAST_VOXELS, _LEAST_PLANES = 8.0, 3.0


def cell_volumes(cells: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (N,) relative volumes, much alike."""
    return np.exp(_VOLUME_SPREAD * np.clip(rng.normal(size=cells), -2.0, 2.0))


def foam_surface(
    volumes: NDArray[np.float64],
    aspect: NDArray[np.float64],
    rng: np.random.Generator,
    sisters: int | None = None,
) -> TriangleMesh:
    """Return cells that touch as bubbles do, as regions 1, 2, 3, ..., in cell diameters.

    Parameters are those of :func:`~napari_deltamic.imaging.foam.pack_cells`. The mesh is coarse:
    :func:`refined` makes it fine.

    Raises
    ------
    ValueError
        If several tries gave no packing that keeps all cells.
    """
    from napari_deltamic.mesh.intersection import self_intersections

    best, best_smallest = None, -1.0
    for _ in range(_ATTEMPTS):
        foam = _clear_packing(volumes, aspect, rng, sisters)
        spacing = np.full(3, foam.spacing)
        mesh = seed_from_labels(
            foam.labels, spacing, edge_length=_COARSE_EDGE, smoothing=foam.spacing
        )
        mesh = relaxed(mesh, _COARSE_FLOW, _COARSE_STEPS)
        if len(mesh.regions) < len(volumes) or len(self_intersections(mesh)) > 0:
            continue
        _, areas = mesh.face_normals_and_areas()
        smallest = float(np.bincount(mesh.face_interfaces, areas).min())
        if smallest > best_smallest:
            best, best_smallest = mesh, smallest
        # The flow may have shrunk what the packing left, or opened a contact anew.
        if smallest > 0.25 * SMALL_INTERFACE:
            break
    if best is None:
        raise ValueError(
            f"cells: the surfaces of {len(volumes)} cells ran into each other; use another seed"
        )
    return best


def _clear_packing(
    volumes: NDArray[np.float64],
    aspect: NDArray[np.float64],
    rng: np.random.Generator,
    sisters: int | None,
) -> Foam:
    """Return the first of several packings without tiny interfaces, or the one nearest to it.

    One far below the voxels is neither seen nor measured.
    """
    best, best_smallest, reason = None, -1.0, ""
    for _ in range(_PACKINGS):
        try:
            foam = pack_cells(volumes, aspect, rng, sisters)
        except ValueError as error:
            reason = str(error)
            continue
        smallest = smallest_interface(foam)
        if smallest > best_smallest:
            best, best_smallest = foam, smallest
        if smallest > SMALL_INTERFACE:
            break
    if best is None:
        raise ValueError(f"cells: found no packing of {len(volumes)}: {reason}")
    return best


def refined(mesh: TriangleMesh, diameter: float, edge_length: float) -> TriangleMesh:
    """Return the mesh with edges of about ``edge_length`` um or less, smooth at that scale.

    Parameters
    ----------
    mesh
        In um.
    diameter
        Of a cell, in um: edges are at most a 24th of it, and at least a 120th.
    edge_length
        In um.
    """
    edge = float(np.clip(edge_length, _FINEST_EDGE * diameter, _COARSEST_EDGE * diameter))
    # The flow rounds off what remeshing leaves of the coarse faces.
    return relaxed(remesh(mesh, edge), _FINE_FLOW * diameter**2, _FINE_STEPS)


def with_nuclei(mesh: TriangleMesh, edge_length: float, rng: np.random.Generator) -> TriangleMesh:
    """Add an ellipsoid within each of the N cells, as regions N + 1, ..., 2 N.

    A cell's region is then what lies around its nucleus.
    """
    count = len(mesh.regions)
    vertices, faces, labels = [mesh.vertices], [mesh.faces], [mesh.labels]
    start = len(mesh.vertices)
    centers = region_moments(mesh).centroids
    for row, cell in enumerate(mesh.regions):
        surface = mesh.region_mesh(int(cell))
        center = centers[row]
        free = float(np.linalg.norm(surface.vertices - center, axis=1).min())
        half_axes = free * rng.uniform(*_NUCLEUS, 3)
        frequency = int(np.ceil(1.2 * half_axes.max() / edge_length))
        directions, triangles = geodesic_sphere(max(frequency, 4))
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        # A mirroring would turn the faces inside out.
        turn *= np.sign(np.linalg.det(turn))
        vertices.append(center + (half_axes * directions) @ turn.T)
        faces.append(triangles + start)
        labels.append(np.tile([cell + count, cell], (len(triangles), 1)))
        start += len(directions)
    return TriangleMesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(labels))


def room_and_aspect(
    shape: tuple[int, int, int] | None,
    spacing: NDArray[np.float64],
    margin: NDArray[np.float64],
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    """Return (3,) um that a stack has for an embryo, if it is given, and (3,) relative half-axes.

    Raises
    ------
    ValueError
        If the blur fills the whole stack.
    """
    if shape is None:
        return None, np.array(_USUAL_ASPECT)
    room = spacing * (np.array(shape) - 1) - 2.0 * margin
    if (room <= 0).any():
        raise ValueError(
            f"shape: {shape} voxels leave no room for cells beside the blur; use more or larger "
            "voxels, or a sharper psf"
        )
    return room, np.minimum(room / room.min(), _LONGEST_ASPECT)


def default_scale(spacing: NDArray[np.float64]) -> float:
    """Return the usual diameter of a cell in um."""
    return float(_USUAL_VOXELS * spacing[1:].mean())


def fitted_scale(extent: NDArray[np.float64], room: NDArray[np.float64]) -> float:
    """Return by how much something of (3,) ``extent`` may grow to fill (3,) ``room``."""
    return float((room / extent).min())


def largest_diameter(
    room: NDArray[np.float64] | None,
    aspect: NDArray[np.float64],
    spacing: NDArray[np.float64],
    cells: int,
) -> float:
    """Return what a cell's diameter in um cannot exceed, before anything is packed."""
    if room is None:
        return default_scale(spacing)
    filled = _MOST_OF_ITS_BOX * float(np.prod(room.min() * aspect))
    return float(np.cbrt(6.0 / np.pi * filled / cells))


def check_size(diameter: float, spacing: NDArray[np.float64], cells: int) -> None:
    """Raise ValueError if cells of this diameter in um are too small to be seen."""
    across = diameter / spacing
    if across[1:].min() < _LEAST_VOXELS or across[0] < _LEAST_PLANES:
        raise ValueError(
            f"shape: too small for {cells} cells, each would be only {across[0]:.1f} planes and "
            f"{across[1:].min():.1f} voxels across; use more voxels or fewer cells"
        )


def stack_shape(
    extent: NDArray[np.float64], spacing: NDArray[np.float64], margin: NDArray[np.float64]
) -> tuple[int, int, int]:
    """Return the voxels of a stack that holds something of (3,) ``extent`` um and its blur."""
    planes, rows, columns = np.ceil((extent + 2.0 * margin) / spacing).astype(int) + 1
    return int(planes), int(rows), int(columns)


def extent_of(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (3,) sizes of the box around (..., 3) points."""
    points = vertices.reshape(-1, 3)
    return np.asarray(points.max(axis=0) - points.min(axis=0))


def middle_of(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (3,) the middle of the box around (..., 3) points."""
    points = vertices.reshape(-1, 3)
    return np.asarray(0.5 * (points.max(axis=0) + points.min(axis=0)))
