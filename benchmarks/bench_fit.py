"""How near a fit comes to a known shape, and how long it takes.

Every shape is rendered in 100^3 voxels of 1 um with a Gaussian PSF of sigma 1.5 voxels and fitted
from the same sphere with default settings. Distances are exact point-to-surface distances from
both sides, in voxels.
"""

import sys
import time
import warnings
from pathlib import Path

from machine import describe

import napari_deltamic as dm
from napari_deltamic.imaging import data_folder, poisson_noise
from napari_deltamic.mesh import (
    bumpy_sphere,
    closed,
    dumbbell,
    icosphere,
    mean_surface_distance,
    read_mesh,
)

SHAPE, SPACING, CENTRE = (100, 100, 100), (1.0, 1.0, 1.0), (50.0, 50.0, 50.0)
PSF = dm.GaussianPSF(1.5)
LONGEST_SIDE = 70.0
# (goal of mean distance in voxels, of volume error in %, of seconds) by shape and photons.
GOALS = {
    ("dumbbell", None): (0.05, 0.2, 20),
    ("bumpy sphere", None): (0.05, 0.2, 20),
    ("branchoid", None): (0.1, None, 40),
    ("gastruloid", None): (0.1, None, 40),
    ("dumbbell", 20): (0.08, 0.3, None),
    ("dumbbell", 5): (0.13, 0.3, None),
    ("bumpy sphere", 20): (0.08, 0.3, None),
    ("bumpy sphere", 5): (0.13, 0.3, None),
}


def target(name: str) -> dm.TriangleMesh | None:
    """Return a shape in the middle of the stack, or None if its file is not at hand."""
    if name == "dumbbell":
        return dumbbell(CENTRE, length=76, radius=16, neck=8)
    if name == "bumpy sphere":
        return bumpy_sphere(CENTRE, 28, 0.18, order=6, seed=1)
    folder = data_folder()
    if folder is None or not Path(folder, f"{name}.ply").exists():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mesh = closed(read_mesh(Path(folder, f"{name}.ply")))
    lower, upper = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    scale = LONGEST_SIDE / (upper - lower).max()
    return mesh.with_vertices((mesh.vertices - (lower + upper) / 2) * scale + CENTRE)


def main() -> None:
    print(describe())
    print(f"{'shape':14} {'photons':>8} {'mean':>7} {'worst':>6} {'volume %':>9} {'s':>6}  goals")
    dm.fit(  # compiles
        dm.ImageStack(dm.render(icosphere(CENTRE, 20), PSF, SHAPE, SPACING), SPACING),
        icosphere(CENTRE, 18),
        PSF,
        dm.FitSettings(stages=1, max_iterations=4),
    )
    for (name, photons), goals in GOALS.items():
        truth = target(name)
        if truth is None:
            print(f"{name:14} SKIPPED: its file is not in the data folder", file=sys.stderr)
            continue
        data = dm.render(truth, PSF, SHAPE, SPACING)
        if photons:
            data = poisson_noise(data, photons, seed=0, background=1.0)
        stack = dm.ImageStack(data, SPACING)
        start = time.perf_counter()
        result = dm.fit(stack, icosphere(CENTRE, 30, 4), PSF)
        seconds = time.perf_counter() - start
        distance = mean_surface_distance(result.mesh, truth)
        volume = 100 * (result.mesh.volumes()[0] / truth.volumes()[0] - 1)
        wanted = ", ".join(
            f"{what} <= {goal}"
            for what, goal in zip(("mean", "volume", "s"), goals, strict=True)
            if goal is not None
        )
        print(
            f"{name:14} {photons or 'no noise':>8} {distance.mean:7.4f} {distance.max:6.2f} "
            f"{volume:+9.4f} {seconds:6.1f}  {wanted}"
        )
        for warning in result.warnings:
            print(f"{'':14} {warning}")


if __name__ == "__main__":
    main()
