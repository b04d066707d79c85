"""Distances from points to a surface, and between two surfaces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.triangle_mesh import TriangleMesh


class SurfaceDistances(NamedTuple):
    """How far two surfaces are apart, in um."""

    mean: float
    """Average of the mean distances from either surface to the other."""
    max: float
    """Largest distance found from either surface to the other (Hausdorff, on the samples)."""


def surface_distance(points: ArrayLike, mesh: TriangleMesh) -> NDArray[np.float64]:
    """Return (N,) exact unsigned distances in um from (N, 3) points to the nearest face.

    Parameters
    ----------
    points
        (N, 3) positions in um, (z, y, x).
    mesh
        Any mesh with faces; it need not be closed.

    Raises
    ------
    ValueError
        If the points are not finite (N, 3) positions or the mesh has no faces.
    """
    from napari_deltamic.mesh.face_tree import FaceTree

    array = np.ascontiguousarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(f"points: expected shape (N, 3), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("points: some are NaN or infinite; drop them first")
    if len(mesh.faces) == 0:
        raise ValueError("mesh: has no faces, so nothing is near")
    return FaceTree(mesh.vertices, mesh.faces).distances(array)


def mean_surface_distance(
    mesh: TriangleMesh, reference: TriangleMesh, samples: int = 20_000, seed: int = 0
) -> SurfaceDistances:
    """Return the mean and the largest distance between two surfaces, in um.

    Points are drawn uniformly over the area of each surface and their exact distances to the
    other one are taken. The mean is that of the two directions' means; the maximum is over both.

    Parameters
    ----------
    mesh, reference
        Meshes with faces; the order does not matter but for the draw.
    samples
        Points on each surface, 1 or more. The mean's error falls as 1 / sqrt(samples).
    seed
        Of the draw.

    Raises
    ------
    ValueError
        If a mesh has no area or there is nothing to draw.
    """
    if samples < 1:
        raise ValueError(f"samples: must be 1 or more, got {samples}")
    rng = np.random.default_rng(seed)
    to_reference = surface_distance(sample_surface(mesh, samples, rng), reference)
    from_reference = surface_distance(sample_surface(reference, samples, rng), mesh)
    mean = 0.5 * (to_reference.mean() + from_reference.mean())
    return SurfaceDistances(float(mean), float(max(to_reference.max(), from_reference.max())))


def sample_surface(
    mesh: TriangleMesh, samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return (samples, 3) points drawn uniformly over the mesh's area, in um.

    Raises
    ------
    ValueError
        If the mesh has no area.
    """
    _, areas = mesh.face_normals_and_areas()
    if areas.sum() <= 0:
        raise ValueError("mesh: has no area to draw points from")
    face = rng.choice(len(areas), samples, p=areas / areas.sum())
    # The square root makes the density even over the triangle instead of high at one corner.
    across, along = np.sqrt(rng.random(samples)), rng.random(samples)
    weights = np.stack([1.0 - across, across * (1.0 - along), across * along], axis=1)
    return np.asarray(np.einsum("nc,nca->na", weights, mesh.vertices[mesh.faces[face]]))
