"""Argument checks of the mesh Fourier transform: errors name the argument and what to do."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

_FINEST = 1e-13
_COARSEST = 0.1


def checked_box(
    shape: tuple[int, int, int], spacing: ArrayLike
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return the shape as three ints and the spacing as a (3,) array."""
    sizes = np.asarray(shape)
    if sizes.shape != (3,) or not np.issubdtype(sizes.dtype, np.integer) or sizes.min() < 2:
        raise ValueError(f"shape: expected three whole numbers of at least 2, got {shape}")
    steps = np.asarray(spacing, dtype=np.float64)
    if steps.shape != (3,) or not np.isfinite(steps).all() or steps.min() <= 0:
        raise ValueError(
            f"spacing: expected three positive voxel sizes in um, (z, y, x), got {spacing}"
        )
    return (int(sizes[0]), int(sizes[1]), int(sizes[2])), steps


def checked_band(band: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the band as three ints."""
    indices = np.asarray(band)
    if indices.shape != (3,) or not np.issubdtype(indices.dtype, np.integer) or indices.min() < 0:
        raise ValueError(f"band: expected three mode indices of at least 0, got {band}")
    return int(indices[0]), int(indices[1]), int(indices[2])


def checked_threshold(threshold: float) -> float:
    """Return the threshold if a transfer function, 1 at frequency zero, can exceed it."""
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold: expected 0 <= threshold < 1, got {threshold}")
    return float(threshold)


def checked_tolerance(tolerance: float) -> float:
    """Return the tolerance if it is one that the quadrature knows."""
    if not _FINEST <= tolerance <= _COARSEST:
        raise ValueError(
            f"tolerance: expected a relative error from {_FINEST} to {_COARSEST}, got {tolerance}"
        )
    return float(tolerance)


def checked_mesh(
    vertices: torch.Tensor | ArrayLike, faces: torch.Tensor | ArrayLike
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return vertices and faces as tensors of matching shape."""
    if not isinstance(vertices, torch.Tensor):
        vertices = _copied(np.asarray(vertices, dtype=np.float64))
    if (
        vertices.ndim != 2
        or vertices.shape[1] != 3
        or vertices.dtype
        not in (
            torch.float32,
            torch.float64,
        )
    ):
        raise ValueError(
            "vertices: expected a float32 or float64 tensor of shape (V, 3), got "
            f"{vertices.dtype} of shape {tuple(vertices.shape)}"
        )
    if not torch.isfinite(vertices).all():
        raise ValueError("vertices: some are NaN or infinite")
    if not isinstance(faces, torch.Tensor):
        faces = _copied(faces)
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"faces: expected shape (F, 3), got {tuple(faces.shape)}")
    if len(faces) and (faces.is_floating_point() or faces.is_complex()):
        raise ValueError(f"faces: vertex indices must be whole numbers, got {faces.dtype}")
    if len(faces) and not 0 <= int(faces.min()) <= int(faces.max()) < len(vertices):
        raise ValueError(f"faces: vertex indices must lie in 0..{len(vertices) - 1}")
    return vertices, faces


def per_face(
    name: str, density: torch.Tensor | ArrayLike | None, face_count: int, like: torch.Tensor
) -> torch.Tensor:
    """Return a density as one number per face, or an empty tensor for none or the number 0."""
    if density is None or (isinstance(density, int | float) and density == 0):
        return like.new_zeros(0)
    tensor = density if isinstance(density, torch.Tensor) else _copied(density)
    if tensor.is_complex() or not torch.isfinite(tensor).all():
        raise ValueError(f"{name}: densities must be real and finite")
    tensor = tensor.to(like)
    if tensor.ndim == 0:
        return tensor.expand(face_count)
    if tensor.shape != (face_count,):
        raise ValueError(
            f"{name}: expected one number or shape ({face_count},), one for each face, "
            f"got {tuple(tensor.shape)}"
        )
    return tensor


def _copied(values: ArrayLike) -> torch.Tensor:
    # Meshes hold read-only arrays, which torch would warn about sharing.
    array = np.array(values)
    # torch can neither index nor compare with most unsigned types.
    return torch.from_numpy(array.astype(np.int64) if array.dtype.kind == "u" else array)
