"""The mesh Fourier transform on the CPU, forward and backward, on numpy arrays."""

from __future__ import annotations

import threading
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.kernel_threads import run_chunks, thread_count
from napari_deltamic.meshft.band import fine_grid_size, mode_indices
from napari_deltamic.meshft.fine_grid import Factors, band_of_grid, blocks, grid_of_band
from napari_deltamic.meshft.geometry import (
    face_cross,
    face_means,
    face_volumes,
    norms,
    vertex_gradient,
)
from napari_deltamic.meshft.kernel import narrowest_kernel
from napari_deltamic.meshft.patches import (
    Patches,
    cut_faces,
    nodes_reached,
    sorted_patches,
)
from napari_deltamic.meshft.quadrature import quadrature_tables
from napari_deltamic.meshft.simd import WIDTH
from napari_deltamic.meshft.spreading import FACE_SUMS, Cut, SpreadingPlan, gather, spread

# Below this many patches a second thread costs more than it saves.
_PATCHES_A_THREAD = 256
# More chunks than threads, so that none waits long for the other.
_CHUNKS_A_THREAD = 4
_MOST_POINTS = 2e9
# Measured: adding n points at a node loses n times this much of a rounding error.
_LOSS_A_POINT = 0.02
# Kernels to choose from: each is a compilation of its own, and the narrow one serves fits.
_WIDTHS = {"float32": (6, WIDTH["float32"]), "float64": (WIDTH["float64"],)}

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
        lanes = WIDTH[self.dtype.name]
        rounding = 0.5 * float(np.finfo(self.dtype).eps)
        kernel = narrowest_kernel(0.5 * tolerance, rounding, _WIDTHS[self.dtype.name])
        sizes = tuple(fine_grid_size(k, kernel.upsampling, lanes) for k in band)
        self.sizes = sizes[0], sizes[1], sizes[2]
        # Lanes beyond the kernel's nodes add nothing.
        coefficients = np.pad(kernel.coefficients, [(0, 0), (0, lanes - kernel.width)])
        powers = np.arange(1, kernel.width)[:, None]
        tables = quadrature_tables(0.5 * tolerance)
        self.most_points = max(1.0, 0.5 * tolerance / (_LOSS_A_POINT * np.finfo(self.dtype).eps))
        self.halo = lanes
        row = sizes[2] + self.halo
        self.plan = SpreadingPlan(
            sizes=np.array(sizes),
            steps=np.array([(sizes[1] + self.halo) * row, row, 1]),
            grid_scale=np.array(sizes) / lengths,
            taps=tuple(range(kernel.width)),
            coefficients=coefficients.astype(self.dtype).ravel(),
            # The polynomials' argument runs from 1 to -1 as the position moves by one step.
            derivative=(-2.0 * powers * coefficients[1:]).astype(self.dtype).ravel(),
            points=np.ascontiguousarray(tables.points.transpose(0, 2, 1)),
            weights=tables.weights,
            counts=tables.counts,
        )
        self.phase_scale = 2.0 * np.pi * np.maximum(band, 1) / lengths
        self.largest_spread = tables.largest_spread

        modes = mode_indices(band)
        self.frequencies = [axis / length for axis, length in zip(modes, lengths, strict=True)]
        self.deconvolution = self._factors(
            *(1.0 / kernel.transform(axis, size) for axis, size in zip(modes, sizes, strict=True))
        )
        self.lengths = lengths
        self._grid = np.zeros(0, self.dtype)
        self._lock = threading.Lock()

    def cut(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Cut:
        """Return what :meth:`forward` and :meth:`backward` of one mesh share.

        Parameters
        ----------
        vertices
            (V, 3) in um from the centre of voxel 0.
        faces
            (F, 3) vertex indices.
        """
        rule_of, cuts_of = np.empty(len(faces), np.int64), np.empty(len(faces), np.int64)
        points, largest = cut_faces(
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
            self.plan.sizes,
            nodes_reached(self.plan.grid_scale / self.phase_scale, self.halo, largest),
            self.halo,
        )
        cross = face_cross(vertices, faces)
        return Cut(vertices, faces, cross, norms(cross) / 2, patches, rule_of, cuts_of)

    def forward(
        self,
        vertices: NDArray[np.float64],
        faces: NDArray[np.int64],
        membrane: Array,
        jump: Array,
        cut: Cut | None = None,
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
        cut
            From :meth:`cut` of the same mesh, to spare the time.
        """
        cut = cut or self.cut(vertices, faces)
        masses, factors = [], []
        if len(membrane):
            masses.append((membrane * cut.areas)[:, None])
            factors.append(self.deconvolution)
        if len(jump):
            masses.append(jump[:, None] * cut.cross / 2)
            factors += [self._along(axis) for axis in range(3)]
        with self._lock:
            components = self._spread(np.concatenate(masses, axis=1), cut, factors)
        if not len(jump):
            return components[0]
        # The divergence theorem.
        enclosed = components[-3]
        enclosed += components[-2]
        enclosed += components[-1]
        enclosed *= self._inverse_laplacian
        enclosed *= 1j
        enclosed[0, 0, 0] = (jump * face_volumes(cut)).sum()
        return np.add(components[0], enclosed, out=enclosed) if len(membrane) else enclosed

    def backward(
        self,
        cotangent: Array,
        vertices: NDArray[np.float64],
        faces: NDArray[np.int64],
        membrane: Array,
        jump: Array,
        wants: tuple[bool, bool, bool],
        cut: Cut | None = None,
    ) -> Gradients:
        """Return the gradients of Re sum(conj(cotangent) * modes).

        Parameters
        ----------
        cotangent
            Shaped as what :meth:`forward` returns.
        vertices, faces, membrane, jump, cut
            As given to :meth:`forward`.
        wants
            Whether the gradients in vertices, membrane and jump are asked for.
        """
        cut = cut or self.cut(vertices, faces)
        by_vertex = by_membrane = by_jump = None
        with self._lock:
            if wants[0] or wants[1]:
                sums = self._gather(cotangent, cut, self.deconvolution)
                if wants[0]:
                    by_vertex = vertex_gradient(cut, membrane, jump, sums)
                if wants[1]:
                    by_membrane = face_means(cut, sums) * cut.areas
            if wants[2]:
                by_jump = cotangent[0, 0, 0].real * face_volumes(cut)
                # The adjoint of the divergence theorem: its factor is imaginary.
                potential = -1j * self._inverse_laplacian * cotangent
                for axis in range(3):
                    sums = self._gather(potential, cut, self._along(axis))
                    by_jump += face_means(cut, sums) * cut.cross[:, axis] / 2
        return Gradients(by_vertex, by_membrane, by_jump)

    def _spread(self, masses: NDArray[np.float64], cut: Cut, factors: list[Factors]) -> list[Array]:
        """Return the modes of each component of the masses, times its factors."""
        patches = cut.patches
        count, components = len(patches.face), masses.shape[1]
        masses = np.ascontiguousarray(masses, self.dtype)
        # Where no two tiles may be spread at once, two grids are; however many threads there are.
        copies = 1 if max(patches.tiles) > 2 or count < 2 * _PATCHES_A_THREAD else 2
        if copies == 2:
            colours = [[(0, count // 2, 0), (count // 2, count, 1)]]
        else:
            colours = _colour_chunks(patches)
        grids = self._scratch(copies * components)
        flat = grids.reshape(-1)
        # Small shares vanish in a node's large sum, so many points are added in several rounds.
        rounds = 1 + int(patches.crowding / self.most_points)
        total = np.zeros_like(grids) if rounds > 1 else grids
        touched = blocks(patches.planes, grids[:, 0].nbytes)

        def clear(start: int, stop: int) -> None:
            grids[:, start:stop] = 0.0

        for first in range(rounds):
            run_chunks(clear, touched)
            for chunks in colours:
                # Which patches a round adds must not depend on where the chunks begin.
                some = [(start + (first - start) % rounds, *rest) for start, *rest in chunks]
                run_chunks(spread, some, rounds, cut, masses, self.plan, flat)
            for start, stop in touched if rounds > 1 else ():
                total[:, start:stop] += grids[:, start:stop]
        for start, stop in touched if copies > 1 else ():
            total[:components, start:stop] += total[components:, start:stop]
        return [
            band_of_grid(grid, patches.planes, patches.rows, self.halo, scale)
            for grid, scale in zip(total, factors, strict=False)
        ]

    def _gather(self, modes: Array, cut: Cut, factors: Factors) -> Array:
        grid = self._scratch(1)[0]
        grid_of_band(modes, cut.patches.planes, cut.patches.rows, self.halo, factors, grid)
        count = len(cut.patches.face)
        sums = np.empty((count, FACE_SUMS), self.dtype)
        edges = np.linspace(0, count, _chunk_count(count) + 1).astype(int).tolist()
        run_chunks(gather, list(pairwise(edges)), cut, self.plan, grid.reshape(-1), sums)
        return sums

    def _scratch(self, count: int) -> Array:
        """Return several grids with halos along y and x; their contents are stale."""
        shape = count, self.sizes[0], self.sizes[1] + self.halo, self.sizes[2] + self.halo
        needed = int(np.prod(shape))
        if len(self._grid) < needed:
            self._grid = np.zeros(needed, self.dtype)
        return self._grid[:needed].reshape(shape)

    def _factors(self, z: Array, y: Array, x: Array) -> Factors:
        return z.astype(self.dtype), y.astype(self.dtype), x.astype(self.dtype)

    def _along(self, axis: int) -> Factors:
        """Return the factors of the deconvolution, times the frequency along one axis."""
        z, y, x = (
            factor * frequency if d == axis else factor
            for d, (factor, frequency) in enumerate(
                zip(self.deconvolution, self.frequencies, strict=True)
            )
        )
        return self._factors(z, y, x)

    @cached_property
    def _inverse_laplacian(self) -> Array:
        """What the divergence theorem divides by: 1 / (2 pi |k|^2), and 0 where k is."""
        z, y, x = np.meshgrid(*self.frequencies, indexing="ij", sparse=True)
        squared = z**2 + y**2 + x**2
        squared[0, 0, 0] = np.inf
        inverse: Array = 1.0 / (2.0 * np.pi * squared)
        return inverse.astype(self.dtype)


def _chunk_count(patches: int) -> int:
    if thread_count() == 1 or patches < 2 * _PATCHES_A_THREAD:
        return 1
    return min(_CHUNKS_A_THREAD * thread_count(), 2 * patches // _PATCHES_A_THREAD)


def _colour_chunks(patches: Patches) -> list[list[tuple[int, int, int]]]:
    """Return per colour the ranges of patches that may be spread at once, all on grid 0."""
    result = []
    for start, stop in zip(patches.colour_starts[:-1], patches.colour_starts[1:], strict=True):
        if stop == start:
            continue
        wanted = np.linspace(start, stop, _chunk_count(int(stop - start)) + 1)
        # Cut only between tiles: two threads in one tile would meet.
        edges = patches.tile_starts[np.searchsorted(patches.tile_starts, wanted)].tolist()
        result.append([(*pair, 0) for pair in pairwise(sorted(set(edges)))])
    return result
