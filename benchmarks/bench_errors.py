"""Standard errors: the fit's variance against the Cramer-Rao bound, and how often errors cover.

The bound is that of an estimator which knows that the object is a ball. It weighs those parts of
the surface most that the PSF shows best; volume and centroid of a free surface weigh all alike. So
they can reach the bound where the PSF is as wide along all axes. Where it is twice as wide along z
no free surface can: the variance of a membrane's radius is then at least 1.5 times the bound.

python benchmarks/bench_errors.py [bound | coverage | embryo] [DRAWS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from machine import describe

import napari_deltamic as dm
from napari_deltamic.fitting.loop import fit_states
from napari_deltamic.fitting.prepared_fit import prepare
from napari_deltamic.fitting.shape_errors import ShapeErrors, shape_errors
from napari_deltamic.imaging import gaussian_noise, poisson_noise
from napari_deltamic.mesh import TriangleMesh, bumpy_sphere, icosphere, measure, surface_distance
from napari_deltamic.optics import GaussianPSF

SPACING, SHAPE = np.array([0.4, 0.2, 0.2]), (24, 48, 48)
CENTER = 0.5 * SPACING * (np.array(SHAPE) - 1)
RADIUS = 2.5
PSF = GaussianPSF(1.2 * SPACING)
PEAK, BACKGROUND = 20.0, 1.0


def fitted(
    stack: dm.ImageStack, seed: TriangleMesh, psf: Any, settings: dm.FitSettings
) -> tuple[TriangleMesh, ShapeErrors]:
    """Return a fit's mesh and its errors."""
    prepared, progress = prepare(stack, seed, psf, settings)
    for _ in fit_states(prepared, progress):
        pass
    steps = shape_errors(prepared, progress, prepared.plan[-1])
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return prepared.placed(progress.mesh), end.value


def light(label: str) -> dict[str, float]:
    return {"membrane": float(label == "membrane"), "interior": float(label == "interior")}


class Ball(NamedTuple):
    """A ball in the middle of a stack."""

    spacing: np.ndarray
    shape: tuple[int, int, int]

    @property
    def center(self) -> np.ndarray:
        """(3,) in um."""
        return 0.5 * self.spacing * (np.array(self.shape) - 1)

    @property
    def psf(self) -> GaussianPSF:
        """As wide as 1.2 voxels along each axis."""
        return GaussianPSF(1.2 * self.spacing)

    def image(self, label: str, radius: float, center: np.ndarray) -> np.ndarray:
        """Return what a ball looks like, without noise."""
        ball = icosphere(center, radius, 5)
        return dm.render(ball, self.psf, self.shape, self.spacing, **light(label))


BALLS = {"even PSF": Ball(np.full(3, 0.2), (40, 40, 40)), "long PSF": Ball(SPACING, SHAPE)}


def bound(ball: Ball, label: str, noise: str) -> np.ndarray:
    """Return the smallest standard deviations of radius and centre, brightness unknown too."""

    def image(values: np.ndarray) -> np.ndarray:
        shown = ball.image(label, float(values[0]), values[1:4])
        return values[4] * shown.astype(np.float64) + values[5]

    brightest = float(ball.image(label, RADIUS, ball.center).max())
    true = np.array([RADIUS, *ball.center, PEAK / brightest, BACKGROUND])
    steps = np.array([0.02, 0.02, 0.02, 0.02, 0.01 * true[4], 0.01])
    slopes = []
    for step in np.diag(steps):
        slopes.append((image(true + step) - image(true - step)).ravel() / (2 * step.max()))
    variance = np.maximum(image(true).ravel(), BACKGROUND) if noise == "poisson" else 4.0
    rows = np.array(slopes)
    return np.sqrt(np.diag(np.linalg.inv(rows / variance @ rows.T)))[:4]


def against_bound(draws: int) -> None:
    print(f"\n{'variance over the bound':38} {'radius':>7} {'z':>7} {'y':>7} {'x':>7}")
    for name, ball in BALLS.items():
        for label in ("membrane", "interior"):
            for noise in ("gaussian", "poisson"):
                against_bound_of(name, ball, label, noise, draws)


def against_bound_of(name: str, ball: Ball, label: str, noise: str, draws: int) -> None:
    image = ball.image(label, RADIUS, ball.center)
    settings = dm.FitSettings(label=label, noise=noise)
    start = icosphere(ball.center + 0.1, 2.2, 3)
    found, claimed = [], []
    for seed in range(draws):
        clean = image * (PEAK / image.max()) + BACKGROUND
        data = gaussian_noise(clean, 2.0, seed)
        if noise == "poisson":
            data = poisson_noise(image, PEAK, seed, BACKGROUND)
        mesh, errors = fitted(dm.ImageStack(data, ball.spacing), start, ball.psf, settings)
        one = measure(mesh)[0]
        found.append([np.cbrt(0.75 * one.volume / np.pi), *one.centroid])
        claimed.append(errors.volumes[0] / (4 * np.pi * RADIUS**2))
    spread, least = np.std(found, axis=0, ddof=1), bound(ball, label, noise)
    print(
        f"{name}, {label:9} {noise:9} {draws:3} draws "
        + " ".join(f"{ratio:7.2f}" for ratio in (spread / least) ** 2)
        + f"  radius in nm: off by {1e3 * (np.mean(found, axis=0)[0] - RADIUS):+.2f},"
        f" spread {1e3 * spread[0]:.2f}, claimed {1e3 * np.mean(claimed):.2f},"
        f" bound {1e3 * least[0]:.2f}",
        flush=True,
    )


def covered(
    name: str,
    truth: TriangleMesh,
    draw: Callable[[int], dm.ImageStack],
    seed_of: Callable[[dm.ImageStack], TriangleMesh],
    psf: Any,
    settings: dm.FitSettings,
    draws: int,
) -> None:
    inside, squared, off, claimed = [], [], [], []
    for seed in range(draws):
        stack = draw(seed)
        mesh, errors = fitted(stack, seed_of(stack), psf, settings)
        distance = surface_distance(mesh.vertices, truth)
        inside.append(np.mean(distance <= 2 * errors.vertices))
        squared.append(np.mean((distance / errors.vertices) ** 2))
        if len(mesh.regions) == len(truth.regions):
            off.append(mesh.volumes() - truth.volumes())
            claimed.append(errors.volumes)
    volumes = np.sqrt(np.mean(np.square(np.array(off) / np.array(claimed)))) if off else np.nan
    print(
        f"{name:28} {np.mean(inside):6.3f} of vertices within 2 standard errors (0.90-0.99), "
        f"rms of error over claim {np.sqrt(np.mean(squared)):.2f}, of volumes {volumes:.2f}"
    )


def bumpy_coverage(draws: int) -> None:
    print("\ncoverage, a bumpy ball, peak of 20 photons")
    truth = bumpy_sphere(CENTER, 2.6, 0.15, order=4, seed=1)
    for noise in ("gaussian", "poisson"):
        for label in ("membrane", "interior"):
            image = dm.render(truth, PSF, SHAPE, SPACING, **light(label))
            covered(
                f"{label}, {noise} weights",
                truth,
                lambda seed, image=image: dm.ImageStack(
                    poisson_noise(image, PEAK, seed, BACKGROUND), SPACING
                ),
                lambda stack: icosphere(CENTER + 0.1, 2.2, 3),
                PSF,
                dm.FitSettings(label=label, noise=noise),
                draws,
            )


def embryo_coverage(draws: int) -> None:
    from napari_deltamic.imaging import make_embryo
    from napari_deltamic.mesh import seed_from_labels

    print("\ncoverage, an embryo of 4 cells, peak of 20 photons; start: the true labels")
    embryo = make_embryo(cells=4)
    start = seed_from_labels(embryo.labels, embryo.stack.spacing)
    for noise in ("gaussian", "poisson"):
        covered(
            f"membrane, {noise} weights",
            embryo.truth,
            lambda seed: dm.ImageStack(
                np.random.default_rng(seed).poisson(np.maximum(embryo.expected, 0)).astype("f4"),
                embryo.stack.spacing,
                embryo.stack.origin,
            ),
            lambda stack: start,
            embryo.psf,
            dm.FitSettings(noise=noise),
            draws,
        )


def main() -> None:
    which = sys.argv[1] if len(sys.argv) > 1 else "all"
    draws = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    print(describe())
    if which in ("bound", "all"):
        against_bound(draws or 50)
    if which in ("coverage", "all"):
        bumpy_coverage(draws or 20)
    if which in ("embryo", "all"):
        embryo_coverage(draws or 20)


if __name__ == "__main__":
    main()
