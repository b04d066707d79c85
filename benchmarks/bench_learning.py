"""Fits that learn the optics with the shape: what they find, what it spares, what they claim.

Every image has noise of a tenth of its signal's root mean square (20 dB) unless a row says
otherwise. Shape and PSF are both unknown: the fit starts from a sphere and from a wrong PSF.

    python benchmarks/bench_learning.py [recovery [WORD ...] | volume | errors | doubt]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import describe

import napari_deltamic as dm
from napari_deltamic.fitting import FitResult
from napari_deltamic.imaging import gaussian_noise
from napari_deltamic.mesh import TriangleMesh, bumpy_sphere, icosphere, mean_surface_distance
from napari_deltamic.optics import PSF, GaussianPSF, GibsonLanniPSF, PupilPSF

SIGMA = np.array([0.3, 0.15, 0.15])
LIGHT = {"membrane": (1.0, 0.0), "interior": (0.0, 5.0), "both": (1.0, 5.0)}
Shape = tuple[int, int, int]


def image_of(
    truth: TriangleMesh,
    psf: PSF,
    label: str,
    shape: Shape,
    spacing: tuple[float, float, float],
    noise: float = 0.1,
    seed: int = 0,
) -> dm.ImageStack:
    """Return a noisy image; the noise is in units of the signal's root mean square."""
    membrane, interior = LIGHT[label]
    image = dm.render(truth, psf, shape, spacing, membrane=membrane, interior=interior)
    deviation = noise * float(np.sqrt(np.square(image).mean()))
    return dm.ImageStack(gaussian_noise(image, deviation, seed), spacing)


def objective(**changes: Any) -> dict[str, Any]:
    return {"na": 1.0, "wavelength": 0.52, "immersion_index": 1.33, "axial_range": 3.0, **changes}


# Name, true PSF, given PSF, label, what is learned, allowed error, and whether it is relative.
Case = tuple[str, Callable[[], PSF], Callable[[], PSF], str, str, float, bool]
CASES: list[Case] = [
    (
        f"Gaussian, {label}, {wrong}",
        lambda: GaussianPSF(SIGMA),
        lambda factors=factors: GaussianPSF(SIGMA * factors),
        label,
        "sigma",
        0.03,
        True,
    )
    for label in LIGHT
    for wrong, factors in (
        ("half", np.full(3, 0.5)),
        ("1.5 times", np.full(3, 1.5)),
        ("0.7, 1.4, 0.6", np.array([0.7, 1.4, 0.6])),
    )
]
CASES += [
    (
        f"Gibson-Lanni, {label}, NA {given}",
        lambda: GibsonLanniPSF(**objective()),
        lambda given=given: GibsonLanniPSF(**objective(na=given)),
        label,
        "na",
        0.02,
        True,
    )
    for label, given in (("membrane", 0.7), ("membrane", 1.3), ("interior", 0.7))
]
CASES += [
    (
        f"pupil, {label}, 3 Zernike modes",
        lambda: PupilPSF(**objective(aberrations={5: 0.06, 7: -0.05, 11: 0.08})),
        lambda: PupilPSF(**objective(aberrations={5: 0.0, 7: 0.0, 11: 0.0})),
        label,
        "zernike",
        0.03,
        False,
    )
    for label in ("membrane", "interior")
]


def values(psf: PSF, names: list[str]) -> np.ndarray:
    """Return a PSF's own quantities by name."""
    from napari_deltamic.optics.quantities import chosen_quantities, raw_values

    quantities = chosen_quantities(psf, names)
    raw = raw_values(psf, quantities)
    return np.array([one.value_of(value) for one, value in zip(quantities, raw, strict=True)])


def recovery(words: list[str]) -> None:
    print(f"\n{'recovery':36} {'shape (voxels)':>15} {'worst error':>12} {'in s.e.':>8} {'s':>6}")
    shape, spacing, centre = (44, 68, 68), (0.15, 0.1, 0.1), (3.225, 3.35, 3.35)
    truth = bumpy_sphere(centre, 1.6, 0.15, order=4, seed=1)
    chosen = [case for case in CASES if not words or any(word in case[0] for word in words)]
    for name, true, given, label, learn, allowed, relative in chosen:
        stack = image_of(truth, true(), label, shape, spacing)
        settings = dm.FitSettings(label=label, learn=(learn,))
        start = time.perf_counter()
        result = dm.fit(stack, icosphere(centre, 1.4, 3), given(), settings)
        seconds = time.perf_counter() - start
        found = np.array([one.value for one in result.optics])
        known = values(true(), [one.name for one in result.optics])
        errors = np.abs(found - known) / (np.abs(known) if relative else 1.0)
        sigmas = np.abs(found - known) / [one.standard_error for one in result.optics]
        distance = mean_surface_distance(result.mesh, truth).mean / 0.1
        met = distance <= 0.15 and errors.max() <= allowed
        print(
            f"{name:36} {distance:15.3f} {errors.max():12.4f} {sigmas.max():8.1f} {seconds:6.1f}"
            f"  {'met' if met else 'MISSED'} (0.15, {allowed:g})"
        )
        show_warnings(result)


def volume(_: list[str]) -> None:
    print(f"\n{'volume error of a ball of 5 um':36} {'true PSF':>9} {'wrong':>9} {'learned':>9}")
    shape, spacing, centre = (44, 72, 72), (0.16, 0.1, 0.1), (3.44, 3.55, 3.55)
    truth = icosphere(centre, 2.5, 5)
    for sigma in (SIGMA, 2.0 * SIGMA):
        for label in LIGHT:
            stack = image_of(truth, GaussianPSF(sigma), label, shape, spacing)
            errors = []
            for factor, learn in ((1.0, ()), (0.5, ()), (0.5, ("sigma",))):
                settings = dm.FitSettings(label=label, learn=learn)
                psf = GaussianPSF(factor * sigma)
                result = dm.fit(stack, icosphere(centre, 2.0, 3), psf, settings)
                errors.append(100 * (result.mesh.volumes()[0] / truth.volumes()[0] - 1))
            # Nobody can do better than with the true PSF.
            goal = max(abs(errors[1]) / 5, 1.5 * abs(errors[0]))
            print(
                f"{label:11} sigma {sigma[0]:.1f}, {sigma[1]:.2f}, half"
                f"{'':5} {errors[0]:+8.3f}% {errors[1]:+8.3f}% {errors[2]:+8.3f}%"
                f"  {'met' if abs(errors[2]) <= goal else 'MISSED'} ({goal:.3f})"
            )


def errors(_: list[str]) -> None:
    print(f"\n{'standard errors, 10 images':36} {'spread':>24} {'claimed':>24} {'mean error':>24}")
    shape, spacing, centre = (32, 44, 44), (0.15, 0.1, 0.1), (2.325, 2.15, 2.15)
    truth = bumpy_sphere(centre, 1.2, 0.15, order=4, seed=1)
    for label, noise in (("membrane", 0.1), ("interior", 0.1), ("interior", 0.5), ("both", 0.3)):
        found, claimed = [], []
        for seed in range(10):
            stack = image_of(truth, GaussianPSF(SIGMA), label, shape, spacing, noise, seed)
            settings = dm.FitSettings(label=label, stages=3, learn=("sigma",))
            result = dm.fit(stack, icosphere(centre, 1.0, 3), GaussianPSF(0.8 * SIGMA), settings)
            found.append([one.value for one in result.optics])
            claimed.append([one.standard_error for one in result.optics])
        spread, mean = np.std(found, axis=0, ddof=1), np.mean(claimed, axis=0)
        off = np.mean(found, axis=0) - SIGMA
        met = (spread < 2 * mean).all() and (mean < 2 * spread).all()
        rows = (" ".join(f"{1e3 * value:7.2f}" for value in row) for row in (spread, mean, off))
        print(
            f"{label:11} noise {noise:4.1f}, in nm         {'  '.join(rows)}"
            f"  {'met' if met else 'MISSED'} (factor 2)"
        )


def doubt(_: list[str]) -> None:
    print("\nwarnings about the optics")
    shape, spacing, centre = (24, 24, 24), (0.1, 0.1, 0.1), (1.15, 1.15, 1.15)
    ball, blob = icosphere(centre, 0.7, 4), icosphere((2.75, 2.75, 2.75), 1.5, 4)
    gauss = GaussianPSF(0.1)
    clear = image_of(ball, gauss, "interior", shape, spacing)
    drowned = image_of(ball, gauss, "interior", shape, spacing, noise=10.0)
    lens = GibsonLanniPSF(**objective(axial_range=2.0))
    smooth = image_of(blob, lens, "interior", (56, 56, 56), spacing, noise=20.0)
    rows = (
        ("well posed", clear, ball, gauss, "sigma", False),
        ("the same in 100 times the noise", drowned, ball, gauss, "sigma", True),
        (
            "NA from a smooth blob in noise",
            smooth,
            blob,
            lens,
            "na",
            True,
        ),
    )
    for name, stack, mesh, psf, learn, expected in rows:
        start = mesh.with_vertices(0.9 * mesh.vertices + 0.1 * mesh.vertices.mean(axis=0))
        settings = dm.FitSettings(label="interior", stages=2, learn=(learn,))
        result = dm.fit(stack, start, psf, settings)
        warned = any(one.name in text for one in result.optics for text in result.warnings)
        print(
            f"{name:36} {'warned' if warned else 'silent':>7}  "
            f"{'met' if warned == expected else 'MISSED'}"
        )
        show_warnings(result)


def show_warnings(result: FitResult) -> None:
    for warning in result.warnings:
        print(f"{'':4}{warning}")


def main() -> None:
    print(describe("torch"))
    parts = {one.__name__: one for one in (recovery, volume, errors, doubt)}
    first, *words = sys.argv[1:] or [""]
    for name in [first] if first else parts:
        parts[name](words)


if __name__ == "__main__":
    main()
