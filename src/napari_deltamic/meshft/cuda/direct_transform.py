"""The closed-form transform on the tensors of one device: an oracle and a baseline there.

It costs faces x modes, and has neither a grid nor quadrature that could go wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.meshft.band import mode_indices
from napari_deltamic.meshft.cuda.device_transform import Launch, incidence


class DirectGradients(NamedTuple):
    """What :meth:`DirectTransform.backward` returns."""

    vertices: torch.Tensor
    """(V, 3) per um."""
    membrane: torch.Tensor
    """(F,)"""
    jump: torch.Tensor
    """(F,)"""


class DirectTransform:
    """The exact transform of meshes in one box, band and precision.

    Parameters
    ----------
    lengths
        (3,) size of the periodic box in um.
    band
        Largest mode index along z, y and x.
    dtype
        torch.float32 or torch.float64.
    device
        Where all tensors are.
    launch
        Runs the kernels, compiled for ``dtype``.
    """

    def __init__(
        self,
        lengths: NDArray[np.float64],
        band: tuple[int, int, int],
        dtype: torch.dtype,
        device: torch.device,
        launch: Launch,
    ) -> None:
        self.dtype, self.device, self._launch = dtype, device, launch
        modes = mode_indices(band)
        self.mode_counts = tuple(len(axis) for axis in modes)
        self._frequencies = tuple(
            torch.tensor(axis / length, dtype=torch.float64, device=device)
            for axis, length in zip(modes, lengths, strict=True)
        )

    def forward(
        self,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        membrane: torch.Tensor,
        jump: torch.Tensor,
    ) -> torch.Tensor:
        """Return the modes of the density, (2 kz + 1, 2 ky + 1, kx + 1) complex.

        Parameters
        ----------
        vertices
            (V, 3) in um from the centre of voxel 0.
        faces
            (F, 3) vertex indices.
        membrane
            (F,) density per um^2, or (0,) for none.
        jump
            (F,) inner minus outer density per um^3, or (0,) for none.
        """
        membrane, jump = (_full(density, faces).double() for density in (membrane, jump))
        cross, volumes = _normals_and_volumes(vertices, faces)
        areas = torch.linalg.vector_norm(cross, dim=1)[None] / 2
        masses = torch.cat([membrane * areas, jump * cross.T / 2]).to(self.dtype)
        volume = (volumes @ jump).to(self.dtype).reshape(1)
        modes = self._empty(*self.mode_counts, dtype=self.dtype.to_complex())
        sizes = tuple(np.int32(count) for count in self.mode_counts[1:])
        mesh = np.int64(len(faces)), vertices[faces].contiguous(), masses, volume
        self._launch("direct_modes", modes.numel(), *sizes, *self._frequencies, *mesh, modes)
        return modes

    def backward(
        self,
        cotangent: torch.Tensor,
        vertices: torch.Tensor,
        faces: torch.Tensor,
        membrane: torch.Tensor,
        jump: torch.Tensor,
    ) -> DirectGradients:
        """Return the gradients of Re sum(conj(cotangent) * modes).

        Parameters
        ----------
        cotangent
            Shaped as what :meth:`forward` returns.
        vertices, faces, membrane, jump
            As given to :meth:`forward`.
        """
        count = len(faces)
        densities = _full(membrane, faces), _full(jump, faces)
        _, volumes = _normals_and_volumes(vertices, faces)
        found = self._empty(count, 3, 3), self._empty(count), self._empty(count)
        sizes = tuple(np.int32(count) for count in self.mode_counts)
        mesh = vertices[faces].contiguous(), *densities, volumes
        pull = cotangent.resolve_conj().contiguous()
        self._launch("direct_gradients", count, *sizes, *self._frequencies, *mesh, pull, *found)
        by_corner, by_membrane, by_jump = found
        by_vertex = self._empty(len(vertices), 3)
        around = incidence(faces, len(vertices))
        at_vertices = around.order, around.starts, by_corner, by_vertex
        self._launch("vertex_sums", len(vertices), *at_vertices)
        return DirectGradients(by_vertex, by_membrane, by_jump)

    def _empty(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype or self.dtype, device=self.device)


def _full(density: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    return density.contiguous() if len(density) else density.new_zeros(len(faces))


def _normals_and_volumes(
    vertices: torch.Tensor, faces: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (F, 3) normals as long as twice the area and (F,) volumes, to the mean vertex."""
    points = vertices.double()
    corners = points[faces]
    cross = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    about = corners[:, 0] - points.mean(dim=0)
    return cross, (about * cross).sum(dim=1) / 6.0
