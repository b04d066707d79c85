"""Generated embryos: from our own watershed seed to volumes, contacts, brightness and distances.

The fit never sees the truth. Regions are matched to cells by their overlap, for the table alone.

    python benchmarks/bench_embryos.py [--cells 4 8 32] [--seeds 0]
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
from machine import describe
from numpy.typing import NDArray

import napari_deltamic as dm
from napari_deltamic.imaging import Embryo, make_embryo, membrane_labels
from napari_deltamic.mesh import mean_surface_distance, self_intersections

# Contacts smaller than this, in um^2, are counted but left out of the mean of relative errors.
SMALL_CONTACT = 1.0
# How far cells may go on beyond the border of the stack, in voxels.
SETTINGS = dm.FitSettings(noise="poisson")


class Agreement(NamedTuple):
    """Errors beside the truth; volumes and areas relative."""

    volumes: NDArray[np.float64]
    contacts: NDArray[np.float64]
    unmatched: int
    """Contacts that one has and the other has not."""


def matched(labels: NDArray[np.integer], truth: NDArray[np.integer]) -> dict[int, int]:
    """Return the region of each cell: the one that has most of its voxels."""
    regions = {}
    for cell in range(1, int(truth.max()) + 1):
        counts = np.bincount(labels[truth == cell])
        counts[0] = 0
        regions[cell] = int(counts.argmax())
    return regions


def agreement(mesh: dm.TriangleMesh, embryo: Embryo, regions: dict[int, int]) -> Agreement:
    volume = dict(zip(mesh.regions.tolist(), mesh.volumes(), strict=True))
    true = dict(zip(embryo.truth.regions.tolist(), embryo.volumes(), strict=True))
    volumes = np.array([volume.get(regions[cell], 0.0) / true[cell] - 1 for cell in true])
    found, expected = areas(mesh), areas(embryo.truth)
    renamed = {frozenset((regions[a], regions[b])): area for (a, b), area in expected.items()}
    errors = [
        found.get(pair, 0.0) / area - 1 for pair, area in renamed.items() if area >= SMALL_CONTACT
    ]
    return Agreement(volumes, np.array(errors), len(set(found) ^ set(renamed)))


def areas(mesh: dm.TriangleMesh) -> dict[frozenset[int], float]:
    """Return the area of each contact between two cells."""
    pairs = zip(mesh.interfaces.tolist(), mesh.interface_areas(), strict=True)
    return {frozenset(pair): area for pair, area in pairs if pair[0] > 0}


def brightness_error(
    result: dm.FitResult, embryo: Embryo, regions: dict[int, int]
) -> NDArray[np.float64]:
    """Return the relative errors of the interfaces' brightness, in photons per um^2."""
    regions = {0: 0, **regions}
    true = {
        frozenset((regions[a], regions[b])): embryo.gain * light
        for (a, b), light, area in zip(
            embryo.truth.interfaces.tolist(),
            embryo.membrane,
            embryo.interface_areas(),
            strict=True,
        )
        if area >= SMALL_CONTACT
    }
    pairs = zip(result.mesh.interfaces.tolist(), result.intensities.membrane, strict=True)
    found = {frozenset(pair): light for pair, light in pairs}
    return np.array([found[pair] / light - 1 for pair, light in true.items() if pair in found])


def spread(errors: NDArray[np.float64]) -> str:
    """Return "mean / largest" size in per cent."""
    return f"{100 * np.abs(errors).mean():.2f} / {100 * np.abs(errors).max():.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[4, 8, 32])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    print(describe())
    print("peak of 20 photons, z-spacing 3x; errors in %: mean / largest")
    print(
        f"{'cells':>5} {'seed':>4} {'labels: volume':>15} {'volume':>12} {'contacts':>13} "
        f"{'brightness':>13} {'distance (voxel)':>17} {'faces':>6} {'iter.':>5} {'s':>5}"
    )
    for cells in options.cells:
        for seed in options.seeds:
            report(cells, seed)


def report(cells: int, seed: int) -> None:
    embryo = make_embryo(cells, seed=seed)
    stack = embryo.stack
    start = time.perf_counter()
    labels = membrane_labels(stack)
    mesh = dm.seed_from_labels(labels, stack.spacing, stack.origin)
    seeded = time.perf_counter() - start
    regions = matched(labels, embryo.labels)
    voxels = np.bincount(labels.ravel(), minlength=cells + 1) * np.prod(stack.spacing)
    of_labels = np.array([voxels[regions[cell]] for cell in regions]) / embryo.volumes() - 1
    start = time.perf_counter()
    result = dm.fit(stack, mesh, embryo.psf, SETTINGS)
    seconds = time.perf_counter() - start
    found = agreement(result.mesh, embryo, regions)
    distance = mean_surface_distance(result.mesh, embryo.truth)
    pixel = stack.spacing[2]
    print(
        f"{cells:5} {seed:4} {spread(of_labels):>15} {spread(found.volumes):>12} "
        f"{spread(found.contacts):>13} {spread(brightness_error(result, embryo, regions)):>13} "
        f"{distance.mean / pixel:8.3f} / {distance.max / pixel:.2f} {len(result.mesh.faces):8} "
        f"{len(result.loss_history):5} {seconds:5.0f}  (seed mesh {seeded:.0f} s)"
    )
    ratio = np.abs(of_labels).mean() / np.abs(found.volumes).mean()
    crossings = len(self_intersections(result.mesh))
    print(
        f"{'':10} {len(np.unique(list(regions.values())))} of {cells} cells found; volumes "
        f"{ratio:.0f}x better than the labels'; contacts unmatched: {found.unmatched}; "
        f"crossing faces: {crossings}"
    )
    for warning in result.warnings:
        print(f"{'':10} {warning}")


if __name__ == "__main__":
    main()
