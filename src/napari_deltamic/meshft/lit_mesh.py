"""A mesh and its densities as the backends take them, and the checks of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike


class LitMesh(NamedTuple):
    """A mesh and its densities: tensors of matching shapes, all where the vertices lie."""

    vertices: torch.Tensor
    """(V, 3) float32 or float64 in um from the centre of voxel 0."""
    faces: torch.Tensor
    """(F, 3) int64 vertex indices."""
    membrane: torch.Tensor
    """(F,) density per um^2, or (0,) for none; of the vertices' precision."""
    jump: torch.Tensor
    """(F,) inner minus outer density per um^3, or (0,) for none; of the vertices' precision."""


def lit_mesh(
    vertices: torch.Tensor | ArrayLike,
    faces: torch.Tensor | ArrayLike,
    membrane: torch.Tensor | ArrayLike | None,
    interior: torch.Tensor | ArrayLike | None,
) -> LitMesh:
    """Return a mesh whose types and shapes are right; its numbers are up to :func:`check_values`.

    Parameters
    ----------
    vertices
        (V, 3) in um.
    faces
        (F, 3) vertex indices.
    membrane, interior
        (F,) densities, or one number for all faces; None or 0 for none.

    Raises
    ------
    ValueError
        Naming the argument, and what was expected of it.
    """
    if not isinstance(vertices, torch.Tensor):
        vertices = _copied(np.asarray(vertices, dtype=np.float64))
    precise = vertices.dtype in (torch.float32, torch.float64)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or not precise:
        raise ValueError(
            "vertices: expected a float32 or float64 tensor of shape (V, 3), got "
            f"{vertices.dtype} of shape {tuple(vertices.shape)}"
        )
    if not isinstance(faces, torch.Tensor):
        faces = _copied(faces)
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"faces: expected shape (F, 3), got {tuple(faces.shape)}")
    if len(faces) and (faces.is_floating_point() or faces.is_complex()):
        raise ValueError(f"faces: vertex indices must be whole numbers, got {faces.dtype}")
    return LitMesh(
        vertices,
        faces.to(vertices.device, torch.int64),
        _per_face("membrane", membrane, len(faces), vertices),
        _per_face("interior", interior, len(faces), vertices),
    )


def check_values(mesh: LitMesh) -> None:
    """Raise a ValueError if an index is of no vertex or a number is not finite.

    On a GPU each look at a number waits for all that was queued before.
    """
    vertices, faces, membrane, jump = mesh
    if not torch.isfinite(vertices).all():
        raise ValueError("vertices: some are NaN or infinite")
    if len(faces) and not 0 <= int(faces.min()) <= int(faces.max()) < len(vertices):
        raise ValueError(f"faces: vertex indices must lie in 0..{len(vertices) - 1}")
    for name, density in (("membrane", membrane), ("interior", jump)):
        if not torch.isfinite(density).all():
            raise ValueError(f"{name}: densities must be real and finite")


def _per_face(
    name: str, density: torch.Tensor | ArrayLike | None, face_count: int, like: torch.Tensor
) -> torch.Tensor:
    """Return a density as one number per face, or an empty tensor for none or the number 0."""
    if density is None or (isinstance(density, int | float) and density == 0):
        return like.new_zeros(0)
    tensor = density if isinstance(density, torch.Tensor) else _copied(density)
    if tensor.is_complex():
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
