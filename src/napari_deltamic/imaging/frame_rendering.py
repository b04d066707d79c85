"""Render a mesh as compressed frames would show it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.acquisition import Acquisition
from napari_deltamic.imaging.image_model import image_of_modes, padded_shape
from napari_deltamic.imaging.rendering import face_densities
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.meshft import MeshFourierTransform
from napari_deltamic.meshft.backends import on_gpu_or_cpu


def render_frames(
    mesh: TriangleMesh,
    acquisition: Acquisition,
    origin: ArrayLike = (0.0, 0.0, 0.0),
    membrane: float | ArrayLike = 1.0,
    interior: float | ArrayLike = 0.0,
    background: float = 0.0,
    *,
    tolerance: float = 1e-5,
    backend: str = "auto",
) -> NDArray[np.float32]:
    """Return the frames of a mesh, without noise.

    Parameters
    ----------
    mesh
        In um. What lies beyond the acquisition's field is not lit.
    acquisition
        How the frames come about.
    origin
        Centre of the specimen's voxel 0 in um.
    membrane, interior, tolerance, backend
        As of :func:`render`.
    background
        Added to every pixel.

    Returns
    -------
    ndarray
        (T, Z, Y / d, X / d) float32.

    Raises
    ------
    ValueError
        If the mesh has no faces or lies beyond the field, or has an interior but is open.

    Notes
    -----
    The density is sampled on the specimen's voxels up to their Nyquist frequency. The blur has to
    be as wide as two voxels for what lies beyond to make no difference.
    """
    corner = np.asarray(origin, dtype=np.float64)
    shape, spacing = acquisition.shape, acquisition.spacing
    lit = face_densities(mesh, membrane, interior, corner, spacing, shape)
    vertices = mesh.vertices - corner
    # The density itself is not blurred, so nothing reaches farther than the mesh.
    box = padded_shape(shape, spacing, np.zeros(3), vertices)
    nz, ny, nx = (max((size - 1) // 2, 1) for size in box)

    def rendered(backend: str) -> NDArray[np.float32]:
        transform = MeshFourierTransform(
            box, spacing, tolerance=tolerance, backend=backend, band=(nz, ny, nx)
        )
        positions = torch.from_numpy(vertices).float().to(transform.device)
        density = image_of_modes(transform(positions, mesh.faces, *lit), box, spacing, shape)
        return np.asarray(acquisition(density).cpu().numpy())

    with torch.no_grad():
        return on_gpu_or_cpu(rendered, backend) + np.float32(background)
