"""Small movies with a known answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_deltamic.fitting import FitSettings
from napari_deltamic.imaging import ImageStack, poisson_noise, render
from napari_deltamic.mesh import TriangleMesh, box_grid, concatenate, icosphere
from napari_deltamic.optics import GaussianPSF

SPACING = (0.4, 0.2, 0.2)
PSF = GaussianPSF((0.4, 0.2, 0.2))
QUICK = FitSettings(stages=2, max_iterations=20, noise="poisson")
BACKGROUND = 1.0


@dataclass(frozen=True)
class Film:
    """The frames of a movie, the true mesh of each, and a mesh to start from."""

    stacks: list[ImageStack]
    truths: list[TriangleMesh]
    seed: TriangleMesh


def photographed(truth: TriangleMesh, shape, seed: int, peak: float = 30.0) -> ImageStack:
    image = render(truth, PSF, shape, SPACING)
    return ImageStack(poisson_noise(image, peak, seed, BACKGROUND), SPACING)


def two_balls(frames: int = 3, step=(0.0, 0.15, 0.2), radius: float = 1.0) -> Film:
    """Two balls that go opposite ways."""
    shape = (14, 26, 42)
    middle = 0.5 * np.array(SPACING) * (np.array(shape) - 1)
    truths = []
    for frame in range(frames):
        ways = [(-1.0, (0, 0, -1.9)), (1.0, (0, 0, 1.3))]
        centers = [middle + offset + sign * frame * np.array(step) for sign, offset in ways]
        truths.append(concatenate([icosphere(center, radius, 3) for center in centers]))
    stacks = [photographed(truth, shape, number) for number, truth in enumerate(truths)]
    start = truths[0].vertices.mean(axis=0)
    seed = truths[0].with_vertices(truths[0].vertices + 0.02 * (truths[0].vertices - start))
    return Film(stacks, truths, seed)


def dividing_box(frames: int = 3, division_frame: int = 1) -> Film:
    """A block of two cells, one of which is cut in two by a wall from some frame on."""
    shape = (16, 24, 46)
    lengths = np.array((3.2, 2.6, 6.6))
    middle = 0.5 * np.array(SPACING) * (np.array(shape) - 1)
    after = box_grid(middle - 0.5 * lengths, middle + 0.5 * lengths, (1, 1, 3), 6)
    labels = np.where(after.labels == 3, 2, after.labels)
    kept = labels[:, 0] != labels[:, 1]
    used, faces = np.unique(after.faces[kept], return_inverse=True)
    before = TriangleMesh(after.vertices[used], faces.reshape(-1, 3), labels[kept])
    truths = [before if frame < division_frame else after for frame in range(frames)]
    stacks = [photographed(truth, shape, number) for number, truth in enumerate(truths)]
    return Film(stacks, truths, before)
