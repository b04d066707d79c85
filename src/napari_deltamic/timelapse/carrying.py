"""What one frame hands on to the next: mesh and brightness, without the regions that are lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.edges import edge_lengths
from napari_deltamic.timelapse.frame_fit import Known

# On stretched faces the fit settles slowly, but new ones lie a little off the old: only once this
# share of edges is twice as long or half as long as they were.
_WORN = 0.002


def is_worn(mesh: TriangleMesh, edge_length: float) -> bool:
    """Return whether motion has stretched a mesh so much that its faces should be made anew.

    Parameters
    ----------
    mesh
        The mesh.
    edge_length
        Its typical edge when it was new, in um.
    """
    lengths = edge_lengths(mesh)
    stretched = (lengths > 2.0 * edge_length) | (lengths < 0.5 * edge_length)
    return bool(stretched.mean() > _WORN)


def carried(
    intensities: Intensities, mesh: TriangleMesh, start: TriangleMesh, noise: float
) -> Known:
    """Return what is known of a frame that starts from a mesh with other regions or interfaces.

    Parameters
    ----------
    intensities
        Of the frame before.
    mesh
        Its mesh.
    start
        Where the next fit starts; interfaces that are new get the median brightness.
    noise
        Of the frame before.
    """
    membrane = _by_name(intensities.membrane, mesh.interfaces, start.interfaces)
    interior = _by_name(intensities.interior, mesh.regions[:, None], start.regions[:, None])
    known = Intensities(membrane, interior, intensities.background, intensities.attenuation)
    return Known(known, noise)


def _by_name(
    values: NDArray[np.float64], names: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.float64]:
    if len(values) == 0:
        return values
    value_of = dict(zip(map(tuple, names.tolist()), values.tolist(), strict=True))
    usual = float(np.median(values))
    return np.array([value_of.get(name, usual) for name in map(tuple, wanted.tolist())])


def unresolved_regions(
    mesh: TriangleMesh, stack: ImageStack, widths: NDArray[np.float64]
) -> list[int]:
    """Return the regions that are smaller than the blur, or that lie outside of the stack.

    Parameters
    ----------
    mesh, stack
        A frame and its mesh.
    widths
        (3,) full widths at half maximum of the blur in um; a region smaller than the ellipsoid of
        these diameters is not resolved.
    """
    least = np.pi / 6.0 * float(np.prod(widths))
    found = []
    for region, volume in zip(mesh.regions.tolist(), mesh.volumes(), strict=True):
        corners = mesh.vertices[mesh.faces[(mesh.labels == region).any(axis=1)].ravel()]
        lower, upper = corners.min(axis=0), corners.max(axis=0)
        outside = (upper < stack.lower_corner).any() or (lower > stack.upper_corner).any()
        if volume < least or outside:
            found.append(region)
    return found


def without_region(mesh: TriangleMesh, region: int) -> TriangleMesh:
    """Return the mesh with a region given to the neighbour, or outside, that it touches most."""
    touching = (mesh.labels == region).any(axis=1)
    _, areas = mesh.face_normals_and_areas()
    others, rows = np.unique(mesh.labels[touching].sum(axis=1) - region, return_inverse=True)
    heir = int(others[np.argmax(np.bincount(rows, areas[touching]))])
    labels = np.where(mesh.labels == region, heir, mesh.labels)
    kept = labels[:, 0] != labels[:, 1]
    used, faces = np.unique(mesh.faces[kept], return_inverse=True)
    return TriangleMesh(mesh.vertices[used], faces.reshape(-1, 3), labels[kept])
