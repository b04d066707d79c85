"""Small scenes with a known answer, for the tests of the fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_deltamic.fitting import FitResult, FitSettings, fit
from napari_deltamic.imaging import ImageStack, gaussian_noise, poisson_noise, render
from napari_deltamic.mesh import TriangleMesh, concatenate, icosphere
from napari_deltamic.optics import PSF, GaussianPSF

SPACING = 0.1
SHAPE = (36, 38, 40)
RADIUS = 1.0
VOLUME = 4.0 / 3.0 * np.pi * RADIUS**3
CENTER = 0.5 * SPACING * (np.array(SHAPE) - 1)
QUICK = FitSettings(stages=2, max_iterations=40)


@dataclass(frozen=True)
class Scene:
    """A fit's input, and the mesh that it should end with."""

    stack: ImageStack
    seed: TriangleMesh
    psf: PSF
    truth: TriangleMesh

    def fit(self, settings: FitSettings = QUICK, *arguments: Any, **options: Any) -> FitResult:
        return fit(self.stack, self.seed, self.psf, settings, *arguments, **options)

    def with_stack(self, **changes: Any) -> Scene:
        fields = {name: getattr(self.stack, name) for name in ("spacing", "origin", "mask")}
        return replace(self, stack=ImageStack(**{"data": self.stack.data, **fields, **changes}))


def ball(
    label: str = "membrane",
    noise: str = "gaussian",
    center: Any = CENTER,
    shape: tuple[int, int, int] = SHAPE,
    spacing: Any = (SPACING,) * 3,
    sigma: Any = 0.15,
    offset: Any = (0.2, -0.25, 0.15),
    seed_radius: float = 0.6,
) -> Scene:
    """Return a noisy ball of :data:`RADIUS`, and a seed that is too small and displaced."""
    psf = GaussianPSF(sigma)
    truth = icosphere(center, RADIUS, 5)
    image = render(truth, psf, shape, spacing, **brightness_of(label), background=2.0)
    if noise == "poisson":
        image = poisson_noise(image - 2.0, 200.0, seed=1, background=10.0)
    else:
        image = gaussian_noise(image, 0.02 * float(image.max()), seed=1)
    seed = icosphere(np.add(center, offset), seed_radius, 2)
    return Scene(ImageStack(image, spacing), seed, psf, truth)


def brightness_of(label: str) -> dict[str, float]:
    return {
        "membrane": 0.0 if label == "interior" else 3.0,
        "interior": 0.0 if label == "membrane" else 20.0,
    }


def two_balls(label: str = "membrane", bright: float = 3.0, dim: float = 1.2) -> Scene:
    """Return balls 3 and 7 of different brightness; the seeds are too small."""
    shape, psf = (30, 36, 64), GaussianPSF(0.15)
    centers = np.array([[1.45, 1.75, 1.5], [1.45, 1.75, 4.7]])
    truth = concatenate([icosphere(center, RADIUS, 5) for center in centers])
    values = np.array([bright, dim])
    dark = np.zeros(2)
    image = render(
        truth,
        psf,
        shape,
        (SPACING,) * 3,
        membrane=dark if label == "interior" else values,
        interior=dark if label == "membrane" else values,
        background=2.0,
    )
    image = gaussian_noise(image, 0.02 * float(image.max()), seed=2)
    seeds = concatenate([icosphere(center + 0.1, 0.7, 2) for center in centers])
    numbered = TriangleMesh(seeds.vertices, seeds.faces, np.array([0, 3, 7])[seeds.labels])
    return Scene(ImageStack(image, (SPACING,) * 3), numbered, psf, truth)


def blocks(labels: np.ndarray, size: float, origin: Any = (0.0, 0.0, 0.0)) -> TriangleMesh:
    """Return labelled cubes of a size as one mesh in which touching ones share their faces."""
    padded = np.pad(labels, 1)
    corners, faces, sides = [], [], []
    for axis in range(3):
        low = np.moveaxis(padded, axis, 0)
        where = np.argwhere(np.moveaxis(low[:-1] != low[1:], 0, axis))
        ahead = where + np.eye(3, dtype=int)[axis]
        u, v = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
        first = sum(len(one) for one in corners)
        # The square between a voxel and the next along the axis; its corners lie half a step off.
        corners.append((ahead[:, None] + np.stack([0 * u, u, u + v, v])).reshape(-1, 3))
        square = first + 4 * np.arange(len(where))[:, None]
        faces += [square + np.array([0, 1, 2]), square + np.array([0, 2, 3])]
        pair = np.stack([padded[tuple(where.T)], padded[tuple(ahead.T)]], axis=1)
        sides += [pair, pair]
    places, index = np.unique(np.concatenate(corners), axis=0, return_inverse=True)
    triangles, pairs = index.reshape(-1)[np.concatenate(faces)], np.concatenate(sides)
    outwards = pairs[:, 0] > pairs[:, 1]
    triangles = np.where(outwards[:, None], triangles, triangles[:, ::-1])
    pairs = np.where(outwards[:, None], pairs, pairs[:, ::-1])
    return TriangleMesh(np.asarray(origin) + size * (places - 1.0), triangles, pairs)
