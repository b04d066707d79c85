"""The mesh Fourier transform on the CPU, forward and backward, on numpy arrays."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_deltamic.meshft.band import fine_grid_size, mode_indices
from napari_deltamic.meshft.fine_grid import band_of_grid, grid_of_band
from napari_deltamic.meshft.kernel import spreading_kernel, upsampling_for
from napari_deltamic.meshft.patches import Patches, cut_faces, sorted_patches, tiling
from napari_deltamic.meshft.quadrature import quadrature_tables
from napari_deltamic.meshft.simd import WIDTH
from napari_deltamic.meshft.spreading import FACE_SUMS, SpreadingPlan, gather, spread
from napari_deltamic.meshft.threads import run_chunks, thread_count

# Below this many patches a second thread costs more than it saves.
_PATCHES_A_THREAD = 256
_MOST_POINTS = 2e9
# Measured: adding n points at a node loses n times this much of a rounding error.
_LOSS_A_POINT = 0.02

Array = NDArray[Any]


class Gradients(NamedTuple):
    """What the backward pass returns; None where it was not asked for."""

    vertices: NDArray[np.float64] | None
    membrane: Array | None
    interior: Array | None


class CpuTransform:
    """Transform of meshes in one box, band and precision; keeps the grid between calls.

    Parameters
    ----------
    lengths
        (3,) size of the periodic box in um.
    band
        Largest mode index along z, y and x.
    tolerance
        Relative L2 error to aim at.
    dtype
        float32 or float64.
    """

    def __init__(
        self, lengths: NDArray[np.float64], band: tuple[int, int, int], tolerance: float, dtype: Any
    ) -> None:
        self.dtype = np.dtype(dtype)
        width = WIDTH[self.dtype.name]
        upsampling = upsampling_for(width, 0.5 * tolerance, 0.5 * float(np.finfo(self.dtype).eps))
        sizes = tuple(fine_grid_size(k, upsampling, width) for k in band)
        self.band = band
        self.sizes = sizes[0], sizes[1], sizes[2]
        kernel = spreading_kernel(width, upsampling)
        powers = np.arange(1, len(kernel.coefficients))[:, None]
        tables = quadrature_tables(0.5 * tolerance)
        grid_scale = np.array(sizes) / lengths
        self.most_points = max(1.0, 0.5 * tolerance / (_LOSS_A_POINT * np.finfo(self.dtype).eps))
        self.plan = SpreadingPlan(
            sizes=np.array(sizes),
            grid_scale=grid_scale,
            coefficients=kernel.coefficients.astype(self.dtype).ravel(),
            # The polynomials' argument runs from 1 to -1 as the position moves by one step.
            derivative=(-2.0 * powers * kernel.coefficients[1:]).astype(self.dtype).ravel(),
            width=width,
            points=tables.points,
            weights=tables.weights,
            counts=tables.counts,
        )
        self.phase_scale = 2.0 * np.pi * np.maximum(band, 1) / lengths
        self.largest_spread = tables.largest_spread
        reached = float(self.largest_spread.max())
        grid_per_phase = grid_scale / self.phase_scale
        self.tiles = tiling(self.sizes, grid_per_phase, width, reached)
        self.reach_z = int(np.ceil(reached * grid_per_phase[0] + width / 2 + 1))

        self.modes = mode_indices(band)
        along = [
            1.0 / kernel.transform(modes, size)
            for modes, size in zip(self.modes, sizes, strict=True)
        ]
        self.deconvolution = np.einsum("z,y,x->zyx", *along).astype(self.dtype)
        self.lengths = lengths
        self._grid = np.zeros(0, self.dtype)
        self._lock = threading.Lock()

    def forward(
        self, vertices: NDArray[np.float64], faces: NDArray[np.int64], membrane: Array, jump: Array
    ) -> Array:
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
        with self._lock:
            cut = self._cut(vertices, faces)
            cross = _cross(vertices, faces)
            masses = []
            if len(membrane):
                masses.append((membrane * _norm(cross) / 2)[:, None])
            if len(jump):
                masses.append(jump[:, None] * cross / 2)
            components = self._spread(vertices, faces, np.concatenate(masses, axis=1), cut)
        if not len(jump):
            return components[0]
        enclosed = self._by_divergence(components[-3:])
        enclosed[0, 0, 0] = (jump * _volumes(vertices, faces)).sum()
        return components[0] + enclosed if len(membrane) else enclosed

    def backward(
        self,
        cotangent: Array,
        vertices: NDArray[np.float64],
        faces: NDArray[np.int64],
        membrane: Array,
        jump: Array,
        wants: tuple[bool, bool, bool],
    ) -> Gradients:
        """Return the gradients of Re sum(conj(cotangent) * modes).

        Parameters
        ----------
        cotangent
            Shaped as what :meth:`forward` returns.
        vertices, faces, membrane, jump
            As given to :meth:`forward`.
        wants
            Whether the gradients in vertices, membrane and jump are asked for.
        """
        with self._lock:
            cut = self._cut(vertices, faces)
            by_vertex = by_membrane = by_jump = None
            cross = _cross(vertices, faces)
            if wants[0] or wants[1]:
                sums = self._gather(cotangent, vertices, faces, cut)
                if wants[0]:
                    by_vertex = _vertex_gradient(
                        vertices, faces, cross, membrane, jump, cut.patches.face, sums
                    )
                if wants[1]:
                    mean = _sum_over_parts(cut.patches, sums[:, 9:].sum(axis=1), len(faces))
                    by_membrane = mean * _norm(cross) / 2
            if wants[2]:
                by_jump = cotangent[0, 0, 0].real * _volumes(vertices, faces)
                for axis in range(3):
                    # The adjoint of _by_divergence: its factor is imaginary.
                    potential = -self._direction(axis) * cotangent
                    sums = self._gather(potential, vertices, faces, cut)
                    mean = _sum_over_parts(cut.patches, sums[:, 9:].sum(axis=1), len(faces))
                    by_jump += mean * cross[:, axis] / 2
        return Gradients(by_vertex, by_membrane, by_jump)

    def _cut(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> _Cut:
        rule_of, cuts_of = np.empty(len(faces), np.int64), np.empty(len(faces), np.int64)
        points = cut_faces(
            vertices,
            faces,
            self.phase_scale,
            self.largest_spread,
            self.plan.counts,
            rule_of,
            cuts_of,
        )
        if points > _MOST_POINTS:
            raise ValueError(
                f"vertices: the faces are so large that {points:.2g} quadrature points would be "
                f"needed in a box of {self.lengths} um; are the vertices in um?"
            )
        patches = sorted_patches(
            vertices,
            faces,
            cuts_of,
            self.plan.counts[rule_of],
            self.plan.grid_scale,
            self.sizes,
            self.tiles,
            self.reach_z,
            self.plan.width,
        )
        return _Cut(patches, rule_of, cuts_of)

    def _spread(
        self,
        vertices: NDArray[np.float64],
        faces: NDArray[np.int64],
        masses: NDArray[np.float64],
        cut: _Cut,
    ) -> list[Array]:
        grid = self._scratch(masses.shape[1])
        masses = np.ascontiguousarray(masses, self.dtype)
        flat, stride = grid.reshape(-1), grid.shape[-1]
        # Small shares vanish in a node's large sum, so many points are added in several rounds.
        rounds = 1 + int(cut.patches.crowding / self.most_points)
        total = np.zeros_like(grid) if rounds > 1 else grid
        for first in range(rounds):
            grid[:, cut.patches.planes] = 0.0
            for chunks in _colour_chunks(cut.patches):
                # Which patches a round adds must not depend on where the chunks begin.
                some = [(start + (first - start) % rounds, stop) for start, stop in chunks]
                run_chunks(
                    spread, some, rounds, vertices, faces, masses, *cut, self.plan, flat, stride
                )
            for plane in np.flatnonzero(cut.patches.planes) if rounds > 1 else ():
                total[:, plane] += grid[:, plane]
        size_x, halo = self.sizes[2], self.plan.width
        result = []
        for component in total:
            for plane in np.flatnonzero(cut.patches.planes):
                component[plane, :, :halo] += component[plane, :, size_x:]
            modes = band_of_grid(component[:, :, :size_x], cut.patches.planes, self.band)
            modes *= self.deconvolution
            result.append(modes)
        return result

    def _gather(
        self, modes: Array, vertices: NDArray[np.float64], faces: NDArray[np.int64], cut: _Cut
    ) -> Array:
        grid = self._scratch(1)[0]
        grid_of_band(modes * self.deconvolution, cut.patches.planes, grid, self.plan.width)
        count = len(cut.patches.face)
        sums = np.empty((count, FACE_SUMS), self.dtype)
        parts = max(1, min(thread_count(), count // _PATCHES_A_THREAD))
        edges = np.linspace(0, count, parts + 1).astype(int)
        chunks = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
        flat, stride = grid.reshape(-1), grid.shape[-1]
        run_chunks(gather, chunks, vertices, faces, *cut, self.plan, flat, stride, sums)
        return sums

    def _scratch(self, components: int) -> Array:
        """Return a grid of several components with a halo along x; its contents are stale."""
        shape = components, self.sizes[0], self.sizes[1], self.sizes[2] + self.plan.width
        needed = int(np.prod(shape))
        if len(self._grid) < needed:
            self._grid = np.zeros(needed, self.dtype)
        return self._grid[:needed].reshape(shape)

    def _direction(self, axis: int) -> Array:
        """Return i k / (2 pi |k|^2) along one axis, in um; zero where k is."""
        k = [modes / length for modes, length in zip(self.modes, self.lengths, strict=True)]
        squared = sum(part**2 for part in np.meshgrid(*k, indexing="ij", sparse=True))
        squared[0, 0, 0] = np.inf
        along = k[axis].reshape([-1 if d == axis else 1 for d in range(3)])
        direction: Array = 1j * along / (2.0 * np.pi * squared)
        return direction.astype(np.result_type(self.dtype, 1j))

    def _by_divergence(self, components: list[Array]) -> Array:
        total = self._direction(0) * components[0]
        for axis in (1, 2):
            total += self._direction(axis) * components[axis]
        return total


class _Cut(NamedTuple):
    patches: Patches
    rule_of: NDArray[np.int64]
    cuts_of: NDArray[np.int64]


def _colour_chunks(patches: Patches) -> list[list[tuple[int, int]]]:
    """Return per colour the ranges of patches that may be spread at the same time."""
    result = []
    for start, stop in zip(patches.colour_starts[:-1], patches.colour_starts[1:], strict=True):
        if stop == start:
            continue
        parts = max(1, min(thread_count(), int(stop - start) // _PATCHES_A_THREAD))
        wanted = np.linspace(start, stop, parts + 1)
        # Cut only between tiles: two threads in one tile would meet.
        edges = patches.tile_starts[np.searchsorted(patches.tile_starts, wanted)]
        edges = np.unique(np.clip(edges, start, stop)).tolist()
        result.append(list(pairwise(edges)))
    return result


def _cross(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    v0, v1, v2 = vertices[faces].transpose(1, 0, 2)
    return np.cross(v1 - v0, v2 - v0)


def _norm(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    squared: NDArray[np.float64] = np.einsum("fi,fi->f", vectors, vectors)
    return np.sqrt(squared)


def _volumes(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (F,) the signed volume between each face and the mean vertex, in um^3."""
    about = vertices - vertices.mean(axis=0)
    v0, v1, v2 = about[faces].transpose(1, 0, 2)
    volumes: NDArray[np.float64] = np.einsum("fi,fi->f", v0, np.cross(v1, v2)) / 6.0
    return volumes


def _sum_over_parts(patches: Patches, values: Array, face_count: int) -> NDArray[np.float64]:
    return np.bincount(patches.face, values, face_count).astype(np.float64, copy=False)


@njit(cache=True, nogil=True)
def _vertex_gradient(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    cross: NDArray[np.float64],
    membrane: Array,
    jump: Array,
    patch_face: NDArray[np.int64],
    sums: Array,
) -> NDArray[np.float64]:
    """Return (V, 3) the gradient from the patches' sums.

    Membrane: area times the averaged gradient, plus the averaged field times the area's own
    gradient. Interior: Hadamard's formula, the field on the face times the face's normal.
    """
    gradient = np.zeros_like(vertices)
    opposite, turned = np.empty(3), np.empty(3)
    for p in range(len(patch_face)):
        f = patch_face[p]
        normal = cross[f]
        double_area = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
        mean = sums[p, 9] + sums[p, 10] + sums[p, 11]
        for i in range(3):
            v = faces[f, i]
            if len(membrane) and double_area > 0:
                for d in range(3):
                    opposite[d] = vertices[faces[f, (i + 2) % 3], d]
                    opposite[d] -= vertices[faces[f, (i + 1) % 3], d]
                turned[0] = normal[1] * opposite[2] - normal[2] * opposite[1]
                turned[1] = normal[2] * opposite[0] - normal[0] * opposite[2]
                turned[2] = normal[0] * opposite[1] - normal[1] * opposite[0]
                for d in range(3):
                    moved = double_area * sums[p, 3 * i + d]
                    stretched = mean * turned[d] / double_area
                    gradient[v, d] += 0.5 * membrane[f] * (moved + stretched)
            if len(jump):
                for d in range(3):
                    gradient[v, d] += 0.5 * jump[f] * normal[d] * sums[p, 9 + i]
    return gradient
