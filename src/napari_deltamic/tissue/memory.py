"""How much memory a fit in blocks takes, known before it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.stages import finest_seen
from napari_deltamic.imaging.decimation import decimation_for
from napari_deltamic.imaging.lazy_stack import LazyStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.region_boxes import region_boxes
from napari_deltamic.optics import PSF
from napari_deltamic.tissue.block import reach_of
from napari_deltamic.tissue.partition import partition

# Measured on tissues of 10 to 1,000 cells, blocks of 10 to 168, and rounded up.
_LIBRARIES = 0.55e9
_PER_VOXEL = 60.0
# Of a block, of the whole tissue beside it, and of the whole while it is remeshed.
_PER_FACE, _PER_FACE_OF_ALL, _REMESHING = 2e3, 0.6e3, 2e3
# Neighbours that are rendered have about as many faces as a block's own cells.
_WITH_NEIGHBOURS = 2.0
_EQUILATERAL = 3.0**0.5 / 4.0


def memory_needed(
    stack: LazyStack, mesh: TriangleMesh, psf: PSF, edge_length: float | None, cells: int
) -> float:
    """Return about how many bytes the fit of a tissue takes at most, Python's libraries included.

    Parameters
    ----------
    stack, mesh, psf, cells
        Those of :func:`~napari_deltamic.tissue.fit_tissue`.
    edge_length
        Of the mesh at the end, in um; None if its faces stay.
    """
    return _Needs(stack, mesh, psf, edge_length).of(cells)


def cells_for(
    memory: float, stack: LazyStack, mesh: TriangleMesh, psf: PSF, edge_length: float | None
) -> int:
    """Return the most cells of a block for which a number of bytes suffices.

    Raises
    ------
    ValueError
        If it does not suffice for blocks of one cell.
    """
    needs = _Needs(stack, mesh, psf, edge_length)
    blocks, count = 1, len(mesh.regions)
    while blocks < count:
        cells = -(-count // blocks)
        if needs.of(cells) <= memory:
            return cells
        blocks = max(blocks + 1, round(1.25 * blocks))
    if needs.of(1) <= memory:
        return 1
    raise ValueError(
        f"memory: {memory / 1e9:.3g} GB do not suffice, even for one cell at a time; "
        f"{needs.of(1) / 1e9:.3g} GB would, and longer edges need less"
    )


class _Needs:
    def __init__(
        self, stack: LazyStack, mesh: TriangleMesh, psf: PSF, edge_length: float | None
    ) -> None:
        self._stack, self._mesh = stack, mesh
        self._margin = 2.0 * reach_of(psf) + psf.extent()
        self._factors = decimation_for(stack, finest_seen(stack, psf))
        self._faces = float(len(mesh.faces))
        if edge_length is not None:
            _, areas = mesh.face_normals_and_areas()
            self._faces = float(areas.sum()) / (_EQUILATERAL * edge_length**2)
        self._lower, self._upper = region_boxes(mesh)

    def of(self, cells: int) -> float:
        blocks = partition(self._mesh, cells)
        most = max(self._voxels(block) for block in blocks)
        faces = self._faces * min(1.0, _WITH_NEIGHBOURS / len(blocks))
        fit = _PER_VOXEL * most + _PER_FACE * faces
        # What is read, and what is left of it along the first axis.
        reading = (
            most * float(np.prod(self._factors)) * (float(self._stack.data.dtype.itemsize) + 4.0)
        )
        block = max(fit, reading) + _PER_FACE_OF_ALL * self._faces
        # The mesh of all is remeshed at once.
        return _LIBRARIES + max(block, _REMESHING * self._faces)

    def _voxels(self, block: NDArray[np.int64]) -> float:
        rows = np.searchsorted(self._mesh.regions, block)
        lower = self._lower[rows].min(axis=0) - self._margin
        upper = self._upper[rows].max(axis=0) + self._margin
        size = np.minimum(upper - lower, self._stack.spacing * self._stack.shape)
        return float(np.prod(size / (self._stack.spacing * self._factors)))
