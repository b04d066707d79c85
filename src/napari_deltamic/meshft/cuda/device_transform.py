"""The transform as a sequence of kernels and FFTs on the tensors of one device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.meshft.backends import Gradients, Wants
from napari_deltamic.meshft.band import fine_grid_size, mode_indices
from napari_deltamic.meshft.cuda.launching import Launch
from napari_deltamic.meshft.cuda.source import Module, transform_module
from napari_deltamic.meshft.kernel import narrowest_kernel
from napari_deltamic.meshft.lit_mesh import LitMesh, check_values
from napari_deltamic.meshft.quadrature import quadrature_tables

# Each takes 48 bytes; far more than any mesh of a fit has.
_MOST_POINTS = 2e8


class Points(NamedTuple):
    """The quadrature points of one mesh, on the device."""

    mesh: LitMesh
    cross: torch.Tensor
    """(F, 3) normals as long as twice the area."""
    rule_of: torch.Tensor
    cuts_of: torch.Tensor
    first: torch.Tensor
    """(F + 1,) where each face's points begin."""
    face_of: torch.Tensor
    """(N,) face of each point."""
    nodes: torch.Tensor
    """(3, N) first grid node that a point is spread to."""
    arguments: torch.Tensor
    """(3, N) argument of the kernel's polynomials."""
    shares: torch.Tensor
    """(N,) share of the face's mass."""


class Incidence(NamedTuple):
    """Which corners of faces lie at each vertex."""

    faces: torch.Tensor
    """(F, 3) vertex indices; kept, so that no other tensor gets their address."""
    version: int
    """Of their contents."""
    order: torch.Tensor
    """(3 F,) corners, sorted by their vertex."""
    starts: torch.Tensor
    """(V + 1,) where each vertex' corners begin."""

    def fits(self, faces: torch.Tensor, vertex_count: int) -> bool:
        """Whether it was made of the same memory, unchanged since."""
        same = self.faces.data_ptr() == faces.data_ptr() and self.faces.shape == faces.shape
        return same and self.version == faces._version and len(self.starts) == vertex_count + 1


def incidence(faces: torch.Tensor, vertex_count: int) -> Incidence:
    """Return which corners of faces lie at each vertex."""
    ordered, order = torch.sort(faces.ravel(), stable=True)
    numbers = torch.arange(vertex_count + 1, device=faces.device)
    return Incidence(faces, faces._version, order, torch.searchsorted(ordered, numbers))


class DeviceTransform:
    """Transform of meshes in one box, band and precision.

    What it allocates comes from torch's pool, which keeps it for the next call.

    Parameters
    ----------
    lengths
        (3,) size of the periodic box in um.
    band
        Largest mode index along z, y and x.
    tolerance
        Relative L2 error to aim at.
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
        tolerance: float,
        dtype: torch.dtype,
        device: torch.device,
        make_launch: Callable[[Module], Launch],
    ) -> None:
        self.dtype, self.device, self.lengths = dtype, device, lengths
        name = str(dtype).removeprefix("torch.")
        # Additions to the grid are what costs, and no vector unit asks for one width.
        kernel = narrowest_kernel(0.5 * tolerance, 0.5 * torch.finfo(dtype).eps)
        self.width = kernel.width
        sizes = [fine_grid_size(k, kernel.upsampling, self.width) for k in band]
        self.sizes = sizes[0], sizes[1], sizes[2]
        self._size_arguments = tuple(np.int32(size) for size in sizes)
        powers = np.arange(1, len(kernel.coefficients))[:, None]
        self._launch = make_launch(transform_module(name, self.width, len(kernel.coefficients)))
        self._coefficients = self._put(kernel.coefficients, dtype)
        # The polynomials' argument runs from 1 to -1 as the position moves by one step.
        self._derivative = self._put(-2.0 * powers * kernel.coefficients[1:], dtype)

        tables = quadrature_tables(0.5 * tolerance)
        self._largest_spread = self._put(tables.largest_spread)
        self._counts = self._put(tables.counts, torch.int64)
        self._rules = (
            np.int32(tables.points.shape[1]),
            self._put(tables.points.transpose(0, 2, 1)),
            self._put(tables.weights),
            self._counts,
        )
        self._phase_scale = self._put(2.0 * np.pi * np.maximum(band, 1) / lengths)
        self._grid_scale = self._put(np.array(sizes) / lengths)
        self._node_counts = self._put(np.array(sizes), torch.int32)

        modes = mode_indices(band)
        self.mode_counts = tuple(len(axis) for axis in modes)
        # Factors and frequencies of the three axes, as the kernels between grid and band take them.
        self._axes = (
            *(np.int32(count) for count in self.mode_counts),
            *(
                self._put(1.0 / kernel.transform(axis, size))
                for axis, size in zip(modes, sizes, strict=True)
            ),
            *(self._put(axis / length) for axis, length in zip(modes, lengths, strict=True)),
        )
        self._incidence: Incidence | None = None

    def place(self, mesh: LitMesh) -> Points:
        """Return the quadrature points of a mesh, for :meth:`forward` and :meth:`backward`.

        Raises
        ------
        ValueError
            If the mesh has bad values, or faces so large that there would be too many points.
        """
        vertices, faces = mesh.vertices, mesh.faces
        count = len(faces)
        rule_of, cuts_of = (self._empty(count, dtype=torch.int32) for _ in range(2))
        points_of = self._empty(count, dtype=torch.int64)
        parts = np.int64(len(vertices)), vertices, faces
        choice = self._phase_scale, np.int32(len(self._counts)), self._largest_spread, self._counts
        self._launch("cut_faces", count, *parts, *choice, rule_of, cuts_of, points_of)
        first = torch.zeros(count + 1, dtype=torch.int64, device=self.device)
        torch.cumsum(points_of, 0, out=first[1:])
        # The one number that the device is waited for; bad values show in it.
        needed = float(first[-1] + _nan_unless_finite(mesh))
        if not needed <= _MOST_POINTS:
            check_values(mesh)
            raise ValueError(
                f"vertices: the faces are so large that {needed:.2g} quadrature points would be "
                f"needed in a box of {self.lengths} um; are the vertices in um?"
            )
        total = int(needed)
        numbers = torch.arange(count, dtype=torch.int32, device=self.device)
        face_of = torch.repeat_interleave(numbers, points_of, output_size=total)
        nodes = self._empty(3, total, dtype=torch.int32)
        arguments, shares = self._empty(3, total), self._empty(total)
        cut = rule_of, cuts_of, first
        where = self._grid_scale, self._node_counts, nodes, arguments, shares
        self._launch("place_points", total, face_of, vertices, faces, *cut, *self._rules, *where)
        corners = vertices.double()[faces]
        cross = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return Points(mesh, cross, *cut, face_of, nodes, arguments, shares)

    def forward(self, points: Points) -> torch.Tensor:
        """Return the modes of the density, (2 kz + 1, 2 ky + 1, kx + 1) complex."""
        _, _, membrane, jump = points.mesh
        masses = []
        if len(membrane):
            masses.append((membrane * _norms(points.cross) / 2)[None])
        if len(jump):
            masses.append((jump * points.cross.T) / 2)
        grids = self._spread(points, torch.cat(masses))
        spectra = torch.fft.rfftn(grids, dim=(1, 2, 3)).contiguous()
        volume = _volumes(points) @ jump.double() if len(jump) else points.cross.new_zeros(())
        modes = self._empty(*self.mode_counts, dtype=self.dtype.to_complex())
        kinds = np.int32(len(membrane) > 0), np.int32(len(jump) > 0)
        sizes = *self._size_arguments, *self._axes
        volume = volume.to(self.dtype).reshape(1)
        self._launch("band_of_grid", modes.numel(), *kinds, *sizes, volume, spectra, modes)
        return modes

    def backward(self, cotangent: torch.Tensor, points: Points, wants: Wants) -> Gradients:
        """Return the gradients of Re sum(conj(cotangent) * modes), each if wanted.

        Parameters
        ----------
        cotangent
            Shaped as what :meth:`forward` returns.
        points
            As given to :meth:`forward`.
        wants
            Whether the gradients in vertices, membrane and jump are asked for.
        """
        by_vertex = by_membrane = by_jump = None
        if wants[0] or wants[1]:
            means, corners = self._gather(cotangent, -1, points)
            if wants[0]:
                by_vertex = self._at_vertices(points.mesh, corners)
            if wants[1]:
                by_membrane = (means * _norms(points.cross) / 2).to(self.dtype)
        if wants[2]:
            total = cotangent[0, 0, 0].real * _volumes(points)
            for axis in range(3):
                means, _ = self._gather(cotangent, axis, points)
                total = total + means * points.cross[:, axis] / 2
            by_jump = total.to(self.dtype)
        return by_vertex, by_membrane, by_jump

    def _spread(self, points: Points, masses: torch.Tensor) -> torch.Tensor:
        """Return (C, Z, Y, X) grids of (C, F) masses."""
        components, faces = masses.shape
        cells = components * int(np.prod(self.sizes))
        total = masses.abs().sum(dim=1).amax().reshape(1)
        total = torch.where(total > 0, total, torch.ones_like(total))
        scaled = (masses / total).to(self.dtype).contiguous()
        count = len(points.face_of)
        place = np.int64(count), points.face_of, points.nodes, points.arguments, points.shares
        what = np.int32(components), np.int64(faces), scaled, self._coefficients
        sizes = self._size_arguments
        grids = self._empty(components, *self.sizes)
        sums = torch.zeros(cells, dtype=torch.int64, device=self.device)
        self._launch("spread", count * self.width**2, *place, *what, *sizes, sums)
        self._launch("settle", cells, total.to(self.dtype), sums, grids)
        return grids

    def _gather(
        self, cotangent: torch.Tensor, axis: int, points: Points
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (F,) means of the field and (F, 3, 3) gradients of the faces' corners."""
        half = *self.sizes[:2], self.sizes[2] // 2 + 1
        spectrum = self._empty(*half, dtype=self.dtype.to_complex())
        sizes = *self._size_arguments, *self._axes
        cotangent = cotangent.resolve_conj().contiguous()
        self._launch("grid_of_band", spectrum.numel(), np.int32(axis), *sizes, cotangent, spectrum)
        grid = torch.fft.irfftn(spectrum, s=self.sizes, norm="forward").contiguous()
        vertices, faces, membrane, jump = points.mesh
        count = len(points.face_of)
        fields = self._empty(4, count)
        kernel = self._coefficients, self._derivative
        place = points.nodes, points.arguments
        self._launch("gather", count, *place, *kernel, *self._size_arguments, grid, fields)
        means, corners = self._empty(len(faces)), self._empty(len(faces), 3, 3)
        mesh = vertices, faces, points.rule_of, points.cuts_of, points.first
        light = np.int32(len(membrane) > 0), membrane, np.int32(len(jump) > 0), jump
        found = *self._rules, self._grid_scale, *light, means, corners
        self._launch("face_gradients", len(faces), np.int64(count), fields, *mesh, *found)
        return means.double(), corners

    def _at_vertices(self, mesh: LitMesh, corners: torch.Tensor) -> torch.Tensor:
        vertices, faces = mesh.vertices, mesh.faces
        around = self._incidence
        # A fit moves one set of faces many times.
        if around is None or not around.fits(faces, len(vertices)):
            around = self._incidence = incidence(faces, len(vertices))
        gradient = self._empty(len(vertices), 3)
        self._launch("vertex_sums", len(vertices), around.order, around.starts, corners, gradient)
        return gradient

    def _empty(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype or self.dtype, device=self.device)

    def _put(self, array: NDArray[Any], dtype: torch.dtype = torch.float64) -> torch.Tensor:
        return torch.tensor(np.ascontiguousarray(array), dtype=dtype, device=self.device)


def _nan_unless_finite(mesh: LitMesh) -> torch.Tensor:
    """Return 0, or NaN if a number of a mesh is not finite, without waiting for it."""
    numbers = torch.cat([mesh.vertices.ravel(), mesh.membrane, mesh.jump])
    return (0.0 * numbers).sum(dtype=torch.float64)


def _norms(vectors: torch.Tensor) -> torch.Tensor:
    norms: torch.Tensor = torch.linalg.vector_norm(vectors, dim=1)
    return norms


def _volumes(points: Points) -> torch.Tensor:
    """Return (F,) the signed volume between each face and the mean vertex, in um^3."""
    vertices = points.mesh.vertices.double()
    about = (vertices - vertices.mean(dim=0))[points.mesh.faces[:, 0]]
    return (about * points.cross).sum(dim=1) / 6.0
