"""Render a mesh as the microscope would image it."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.image_model import dimming, image_of_modes, padded_shape
from napari_deltamic.imaging.place import check_meets, spelled
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.meshft import MeshFourierTransform
from napari_deltamic.meshft.backends import on_gpu_or_cpu
from napari_deltamic.optics import PSF
from napari_deltamic.spacing import checked_spacing


def render(
    mesh: TriangleMesh,
    psf: PSF,
    shape: tuple[int, int, int],
    spacing: ArrayLike,
    origin: ArrayLike = (0.0, 0.0, 0.0),
    membrane: float | ArrayLike = 1.0,
    interior: float | ArrayLike = 0.0,
    background: float = 0.0,
    attenuation: float = 0.0,
    *,
    tolerance: float = 1e-5,
    backend: str = "auto",
) -> NDArray[np.float32]:
    """Return the image of a mesh.

    Parameters
    ----------
    mesh
        In um; may reach beyond the stack.
    psf
        The blur.
    shape
        Voxels of the stack along z, y and x.
    spacing
        Voxel size in um, (z, y, x).
    origin
        Centre of voxel 0 in um.
    membrane
        Brightness per um^2: one number, or one for each of the mesh's interfaces, in the order of
        ``mesh.interfaces``.
    interior
        Brightness per um^3: one number, or one for each of the mesh's regions, in the order of
        ``mesh.regions``. The mesh must be closed.
    background
        Added to every voxel.
    attenuation
        Rate per um at which light is lost with depth below the first plane (towards larger z):
        exp(-attenuation * depth) of it arrives. The background is not dimmed.
    tolerance
        Relative error of the transform.
    backend
        "auto", "cpu" or "cuda": what computes it.

    Returns
    -------
    ndarray
        (Z, Y, X) float32: light per um^3 at the voxels' centres.

    Raises
    ------
    ValueError
        If the mesh is empty, lies wholly outside the stack, or has an interior but is open.
    """
    steps = checked_spacing(spacing)
    corner = np.asarray(origin, dtype=np.float64)
    lit = face_densities(mesh, membrane, interior, corner, steps, shape)
    vertices = mesh.vertices - corner
    box = padded_shape(shape, steps, psf.extent(), vertices)
    if np.any(psf.extent() > steps * shape):
        warnings.warn(
            f"psf: its half-width {spelled(psf.extent())} um is larger than the stack "
            f"{spelled(steps * shape)} um; most of the light falls outside",
            stacklevel=2,
        )
    # Modes that the PSF dims below the tolerance are not worth their time.
    threshold = max(1e-4, tolerance)

    def rendered(backend: str) -> NDArray[np.float32]:
        transform = MeshFourierTransform(box, steps, psf.otf, threshold, tolerance, backend)
        modes = transform(
            torch.from_numpy(vertices).float().to(transform.device),
            mesh.faces,
            *lit,
        )
        blurred = modes * psf.otf(transform.frequencies().float()).to(modes.device)
        image = image_of_modes(blurred, box, steps, shape)
        if attenuation:
            image = image * dimming(attenuation, shape[0], float(steps[0])).to(image)
        return np.asarray(image.cpu().numpy())

    with torch.no_grad():
        return on_gpu_or_cpu(rendered, backend) + np.float32(background)


def face_densities(
    mesh: TriangleMesh,
    membrane: float | ArrayLike,
    interior: float | ArrayLike,
    origin: NDArray[np.float64],
    spacing: NDArray[np.float64],
    shape: tuple[int, int, int],
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return (F,) light per um^2 and jump of light per um^3, None for no jump, of each face.

    Raises
    ------
    ValueError
        If the mesh cannot be seen in the stack, or the numbers are not for it; see :func:`render`.
    """
    face_membrane = _per_face_membrane(mesh, membrane)
    face_jump = _per_face_jump(mesh, interior)
    _check_place(mesh, origin, spacing, shape)
    jump = torch.from_numpy(face_jump) if np.any(face_jump) else None
    return torch.from_numpy(face_membrane), jump


def _per_face_membrane(mesh: TriangleMesh, membrane: float | ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(membrane, dtype=np.float64)
    if values.shape not in ((), (len(mesh.interfaces),)) or not np.isfinite(values).all():
        raise ValueError(
            f"membrane: expected one number or {len(mesh.interfaces)}, one for each interface, "
            f"got {membrane}"
        )
    return np.broadcast_to(values, (len(mesh.interfaces),))[mesh.face_interfaces]


def _per_face_jump(mesh: TriangleMesh, interior: float | ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(interior, dtype=np.float64)
    if values.shape not in ((), (len(mesh.regions),)) or not np.isfinite(values).all():
        raise ValueError(
            f"interior: expected one number or {len(mesh.regions)}, one for each region, "
            f"got {interior}"
        )
    if np.any(values) and not mesh.is_closed:
        raise ValueError(
            "mesh: an interior needs closed surfaces; close the mesh or set interior to 0"
        )
    # The last is that of the outside.
    density = np.append(np.broadcast_to(values, len(mesh.regions)), 0.0)
    inner, outer = density[mesh.face_regions].T
    return np.asarray(inner - outer)


def _check_place(
    mesh: TriangleMesh,
    origin: NDArray[np.float64],
    spacing: NDArray[np.float64],
    shape: tuple[int, int, int],
) -> None:
    if len(mesh.faces) == 0:
        raise ValueError("mesh: it has no faces; seed one first")
    lower, upper = origin - spacing / 2, origin + spacing * (np.array(shape) - 0.5)
    check_meets(mesh.vertices, lower, upper, "mesh: it")
