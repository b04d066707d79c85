"""The mesh Fourier transform as one differentiable operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.meshft.backends import Backend, choose_backend
from napari_deltamic.meshft.band import Otf, mode_indices, narrow_band
from napari_deltamic.meshft.checks import (
    checked_band,
    checked_box,
    checked_threshold,
    checked_tolerance,
)
from napari_deltamic.meshft.lit_mesh import LitMesh, check_values, lit_mesh


class MeshFourierTransform:
    """The Fourier transform of the density that a triangle mesh carries, in a band of modes.

    Parameters
    ----------
    shape
        Voxels of the periodic box along z, y and x.
    spacing
        Voxel size in um, (z, y, x).
    otf
        Maps (..., 3) frequencies in cycles/um to a transfer function, for instance ``psf.otf``. It
        only chooses the band: the modes are not multiplied by it. None keeps every mode below
        Nyquist.
    threshold
        Modes whose transfer function is smaller along the axes are dropped.
    tolerance
        Relative L2 error of the modes to aim at. float32 input reaches 1e-6, float64 1e-12.
    backend
        "auto" computes on CUDA where that works; "cpu" and "cuda" insist.
    device
        Torch device to compute on; by default the backend's own. Tensors may lie anywhere; those
        that lie there are not copied, and results lie where the vertices do.
    band
        Largest mode index along z, y and x, instead of what ``otf`` and ``threshold`` say.

    Attributes
    ----------
    modes
        (mz, my, mx) integer mode indices of the three axes: z and y in FFT order, x from 0.
    band
        Largest mode index along z, y and x.
    device
        Torch device that computes.
    device_reason
        Which device computes, and why.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names it.

    Notes
    -----
    The faces' shares in the interior of a small body nearly cancel. In float32 its relative error
    may be larger than the tolerance by 1e-7 times the box's longest side over the body's radius.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        spacing: ArrayLike,
        otf: Otf | None = None,
        threshold: float = 1e-4,
        tolerance: float = 1e-5,
        backend: str = "auto",
        device: torch.device | str | None = None,
        *,
        band: tuple[int, int, int] | None = None,
    ) -> None:
        self.shape, self.spacing = checked_box(shape, spacing)
        self.lengths = self.spacing * self.shape
        self.tolerance = checked_tolerance(tolerance)
        self.band = (
            narrow_band(self.shape, self.spacing, otf, checked_threshold(threshold))
            if band is None
            else checked_band(band)
        )
        self.modes = mode_indices(self.band)
        chosen = choose_backend(backend, device)
        self.device, self.device_reason = chosen.device, chosen.reason
        self._backend: Backend = chosen.make(self.lengths, self.band, self.tolerance)

    def __call__(
        self,
        vertices: torch.Tensor,
        faces: torch.Tensor | NDArray[np.int64],
        membrane: torch.Tensor | float | None,
        interior: torch.Tensor | float | None = None,
    ) -> torch.Tensor:
        """Return the modes of a mesh; differentiable in all arguments but the faces.

        Parameters
        ----------
        vertices
            (V, 3) in um from the centre of voxel 0; float32 computes in single precision, float64
            in double. The box is periodic: vertices may lie outside.
        faces
            (F, 3) vertex indices.
        membrane
            (F,) density per um^2, or one number for all faces. None for no membrane.
        interior
            (F,) density per um^3 on the ``labels[:, 0]`` side of each face minus that on the
            ``labels[:, 1]`` side, or one number. None for no interior. The mesh must be closed.

        Returns
        -------
        torch.Tensor
            (nz, ny, nx) complex, at k = mode / (shape * spacing): the integral of the density times
            exp(-2 pi i k.x), x from the centre of voxel 0.

        Raises
        ------
        ValueError
            If shapes do not match, a vertex or a density is not finite, a face is so large for the
            box that the units must be wrong, or the tolerance is finer than the precision of the
            vertices allows.
        """
        mesh = lit_mesh(vertices, faces, membrane, interior)
        if len(mesh.faces) == 0 or len(mesh.membrane) == len(mesh.jump) == 0:
            check_values(mesh)
            size = tuple(len(axis) for axis in self.modes)
            dark = mesh.vertices.new_zeros(size, dtype=mesh.vertices.dtype.to_complex())
            # Tied to the vertices, so that a loss may call backward on a mesh without light too.
            return mesh.vertices[:0].sum() * dark
        return _Transform.apply(self._backend, *mesh)  # type: ignore[no-any-return, no-untyped-call]

    def frequencies(self) -> torch.Tensor:
        """Return (nz, ny, nx, 3) the modes' frequencies in cycles/um, float64."""
        axes = [
            torch.from_numpy(mode / length)
            for mode, length in zip(self.modes, self.lengths, strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


class _Transform(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, backend: Backend, *mesh: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(*mesh)
        ctx.backend = backend
        modes, ctx.kept = backend.forward(LitMesh(*mesh))
        return modes

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # Raises if one was changed in between: what was kept would not fit.
        mesh = LitMesh(*ctx.saved_tensors)
        _, by_vertex, _, by_membrane, by_jump = ctx.needs_input_grad
        wants = by_vertex, by_membrane and len(mesh.membrane) > 0, by_jump and len(mesh.jump) > 0
        vertices, membrane, jump = ctx.backend.backward(cotangent, ctx.kept, wants)
        return None, vertices, None, membrane, jump
