"""The closed-form transform on the tensors of one device: an oracle and a baseline there.

It costs faces x modes, and has neither a grid nor quadrature that could go wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.meshft.band import mode_indices
from napari_deltamic.meshft.cuda.device_transform import incidence
from napari_deltamic.meshft.cuda.launching import Launch
from napari_deltamic.meshft.cuda.source import Module, direct_module
from napari_deltamic.meshft.lit_mesh import LitMesh

# Few faces do not fill a device: their modes are summed in chunks, as many as make this many sums,
# each of so many modes that its end costs little.
_MOST_SUMS = 1 << 18
_LEAST_MODES = 64


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
    make_launch
        Returns what runs the kernels of a module.
    """

    def __init__(
        self,
        lengths: NDArray[np.float64],
        band: tuple[int, int, int],
        dtype: torch.dtype,
        device: torch.device,
        make_launch: Callable[[Module], Launch],
    ) -> None:
        self.dtype, self.device = dtype, device
        self._launch = make_launch(direct_module(str(dtype).removeprefix("torch.")))
        modes = mode_indices(band)
        self.mode_counts = tuple(len(axis) for axis in modes)
        self._frequencies = tuple(
            torch.tensor(axis / length, dtype=torch.float64, device=device)
            for axis, length in zip(modes, lengths, strict=True)
        )

    def forward(self, mesh: LitMesh) -> torch.Tensor:
        """Return the modes of the density, (2 kz + 1, 2 ky + 1, kx + 1) complex."""
        corners = mesh.vertices[mesh.faces].contiguous()
        membrane, jump = _densities(mesh)
        cross, volumes = _normals_and_volumes(mesh)
        areas = torch.linalg.vector_norm(cross, dim=1)[None] / 2
        masses = torch.cat([membrane * areas, jump * cross.T / 2]).to(self.dtype)
        volume = (volumes @ jump).to(self.dtype).reshape(1)
        modes = self._empty(*self.mode_counts, dtype=self.dtype.to_complex())
        sizes = *map(np.int32, self.mode_counts[1:]), *self._frequencies
        lit = np.int64(len(mesh.faces)), corners, masses, volume
        self._launch("direct_modes", modes.numel(), *sizes, *lit, modes)
        return modes

    def backward(self, cotangent: torch.Tensor, mesh: LitMesh) -> DirectGradients:
        """Return the gradients of Re sum(conj(cotangent) * modes).

        Parameters
        ----------
        cotangent
            Shaped as what :meth:`forward` returns.
        mesh
            As given to :meth:`forward`.
        """
        corners = mesh.vertices[mesh.faces].contiguous()
        values, inward, slopes = self._field(cotangent, corners)
        membrane, jump = _densities(mesh)
        cross, volumes = _normals_and_volumes(mesh)
        doubled = torch.linalg.vector_norm(cross, dim=1)
        mean = values.sum(dim=1)
        by_jump = cotangent[0, 0, 0].real * volumes + (inward * cross).sum(dim=1) / 2

        # A corner moves the field under the face, and widens or narrows the face.
        opposite = (corners.roll(1, dims=1) - corners.roll(-1, dims=1)).double()
        normal = cross / torch.where(doubled > 0, doubled, 1.0)[:, None]
        widening = torch.linalg.cross(normal[:, None].expand_as(opposite), opposite)
        moving = doubled[:, None, None] * slopes + mean[:, None, None] * widening
        # Hadamard's formula, exact once a closed mesh's corners are summed.
        enclosing = values[:, :, None] * cross[:, None]
        by_corner = (membrane[:, None, None] * moving + jump[:, None, None] * enclosing) / 2
        by_vertex = self._empty(len(mesh.vertices), 3)
        around = incidence(mesh.faces, len(mesh.vertices))
        found = around.order, around.starts, by_corner.to(self.dtype).contiguous(), by_vertex
        self._launch("vertex_sums", len(mesh.vertices), *found)
        return DirectGradients(
            by_vertex, (doubled * mean / 2).to(self.dtype), by_jump.to(self.dtype)
        )

    def _field(
        self, cotangent: torch.Tensor, corners: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what the cotangent, as a field, is on each face; float64.

        (F, 3) its means with the weight of each corner, (F, 3) those of the vectors that the
        divergence theorem makes of it, and (F, 3, 3) each corner's slopes along the axes.
        """
        faces, modes = len(corners), int(np.prod(self.mode_counts))
        chunks = max(1, min(modes // _LEAST_MODES, _MOST_SUMS // max(faces, 1)))
        sums = self._empty(15, chunks, faces, dtype=torch.float64)
        sizes = np.int64(faces), *map(np.int32, self.mode_counts), *self._frequencies
        pull = cotangent.resolve_conj().contiguous()
        self._launch("direct_field", chunks * faces, *sizes, corners, pull, sums)
        whole = sums.sum(dim=1).T
        return whole[:, :3], whole[:, 3:6], whole[:, 6:].reshape(faces, 3, 3)

    def _empty(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype or self.dtype, device=self.device)


def _densities(mesh: LitMesh) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (F,) membrane and jump in float64, zero where there is none."""
    none = mesh.vertices.new_zeros(len(mesh.faces))
    membrane, jump = ((part if len(part) else none).double() for part in (mesh.membrane, mesh.jump))
    return membrane, jump


def _normals_and_volumes(mesh: LitMesh) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (F, 3) normals as long as twice the area and (F,) volumes, to the mean vertex."""
    points = mesh.vertices.double()
    corners = points[mesh.faces]
    cross = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    about = corners[:, 0] - points.mean(dim=0)
    return cross, (about * cross).sum(dim=1) / 6.0
