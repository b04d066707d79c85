"""Stacks of made-up beads."""

from __future__ import annotations

import numpy as np

SPACING = np.array([0.2, 0.08, 0.08])
SIGMA = np.array([0.35, 0.13, 0.15])
FWHM = SIGMA * np.sqrt(8 * np.log(2))
SHAPE = (31, 96, 96)
POSITIONS = np.array([[3.03, 2.01, 1.87], [2.86, 5.52, 2.33], [3.17, 3.74, 5.29]])


def gaussian_beads(positions, heights, shape=SHAPE, spacing=SPACING, sigma=SIGMA) -> np.ndarray:
    """Return (Z, Y, X) Gaussian spots at positions in um; a sigma for all or for each."""
    grids = np.meshgrid(
        *[step * np.arange(n) for n, step in zip(shape, spacing, strict=True)], indexing="ij"
    )
    points = np.stack(grids, axis=-1)
    sigmas = np.broadcast_to(sigma, (len(positions), 3))
    image = np.zeros(shape)
    for place, height, width in zip(positions, heights, sigmas, strict=True):
        image += height * np.exp(-0.5 * (((points - place) / width) ** 2).sum(axis=-1))
    return image


def noisy(image, background=20.0, seed=0) -> np.ndarray:
    """Return counts with Poisson noise on a background that differs from plane to plane."""
    ramp = background * np.linspace(0.8, 1.2, len(image))[:, None, None]
    return np.random.default_rng(seed).poisson(image + ramp).astype(np.uint16)
