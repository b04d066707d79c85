"""A row of touching cells with a known answer, small enough to be fitted in seconds."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting import FitSettings
from napari_deltamic.imaging import LazyStack, render
from napari_deltamic.imaging.soap_films import relaxed
from napari_deltamic.mesh import TriangleMesh, seed_from_labels
from napari_deltamic.optics import GaussianPSF

SPACING = np.array([0.3, 0.2, 0.2])
PSF_SIGMA = (0.45, 0.3, 0.3)
QUICK = FitSettings(stages=1, max_iterations=60, edge_length=0.4)
SHIFT = np.array([0.1, -0.08, 0.06])


class Row(NamedTuple):
    """A tissue, and the mesh that its fit should end with."""

    stack: LazyStack
    seed: TriangleMesh
    psf: GaussianPSF
    truth: TriangleMesh


def bricks(cells: int) -> NDArray[np.int32]:
    """Return the labels of bricks in a row along x, every other one set off along y."""
    labels = np.zeros((18, 30, 10 + 14 * cells), np.int32)
    for cell in range(cells):
        start, off = 5 + 14 * cell, 3 * (cell % 2)
        labels[4:14, 6 + off : 20 + off, start : start + 14] = cell + 1
    return labels


@cache
def row(cells: int = 4, label: str = "membrane", wider: float = 1.0) -> Row:
    """Return a row of cells, whose seed lies a little aside; its PSF may be wider than usual."""
    mesh = seed_from_labels(bricks(cells), SPACING, edge_length=0.3)
    truth = relaxed(mesh, 0.3, 6)
    psf = GaussianPSF(wider * np.array(PSF_SIGMA))
    light = {
        "membrane": 0.0 if label == "interior" else 30.0,
        "interior": 0.0 if label == "membrane" else 30.0 + 5.0 * (truth.regions % 2),
    }
    image = render(truth, psf, bricks(cells).shape, SPACING, **light)
    photons = np.random.default_rng(0).poisson(np.maximum(image, 0.0) + 5.0).astype(np.float32)
    seed = truth.with_vertices(truth.vertices + SHIFT)
    return Row(LazyStack(photons, SPACING), seed, psf, truth)


class Counting:
    """An array that tells how much of it was read at once."""

    def __init__(self, array: NDArray[np.float32]) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.most = 0

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        part = self._array[index]
        self.most = max(self.most, part.size)
        return part
