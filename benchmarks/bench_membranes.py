"""Real membrane stacks from automatic seeds: what a fit explains beyond its seed.

C. elegans: only the even planes are fitted, and the odd ones predicted. Plant ovule: labels of the
fitted mesh and of the watershed against the annotation. That stack's contrast was equalised: its
voxels have all values alike, where light has many dim ones and few bright. A rendering is linear
in light, so the values are given an exponential distribution again, each keeping its rank.

    python benchmarks/bench_membranes.py [worm | ovule] [--picture FILE]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import tifffile
from machine import describe
from numpy.typing import NDArray

import napari_deltamic as dm
from napari_deltamic.imaging import fetch, membrane_labels
from napari_deltamic.mesh import dice_scores, variation_of_information, voxelise

# Beyond the border cells go on so far, in voxels.
BEYOND = 5.0
WORM_SPACING = (1.0, 0.25, 0.25)
WORM_PSF = (1.0, 0.4, 0.4)
OVULE_SPACING = (0.235, 0.15, 0.15)
OVULE_PSF = (0.25, 0.25, 0.25)
# The seeds are near, and what no mesh explains draws on all that is coarse.
WORM_SETTINGS = dm.FitSettings(stages=1, edge_length=1.2, max_iterations=40, fit_attenuation=True)
OVULE_SETTINGS = dm.FitSettings(stages=1, edge_length=0.6, max_iterations=40, noise="poisson")
# Labels of every so many voxels, for a seed that is worse.
COARSER = (2, 3, 3)
# Of a cell's voxels on the border of the stack, for it to count as inside.
ON_BORDER = 0.05


def explained(data: NDArray[np.floating], model: NDArray[np.floating]) -> float:
    """Return the part of the variance that a model explains."""
    return 1.0 - float(np.var(data - model) / np.var(data))


def worm(picture: Path | None) -> None:
    data = tifffile.imread(fetch("celegans_dub_t33_membrane.tif")).astype(np.float32)
    whole = dm.ImageStack(data, WORM_SPACING)
    labels = membrane_labels(whole)
    seed = dm.seed_from_labels(labels, WORM_SPACING, beyond=BEYOND * whole.spacing)
    mask = np.zeros(data.shape, bool)
    mask[::2] = True
    even = dm.ImageStack(data, WORM_SPACING, mask=mask)
    psf = dm.GaussianPSF(WORM_PSF)
    before = dm.fit(even, seed, psf, WORM_SETTINGS, should_stop=lambda: True)
    start = time.perf_counter()
    after = dm.fit(even, seed, psf, WORM_SETTINGS)
    seconds = time.perf_counter() - start
    odd = ~mask
    print(
        f"C. elegans: {len(seed.regions)} cells, {len(after.mesh.faces)} faces, {seconds:.0f} s; "
        "explained variance, seed -> fit: "
        f"fitted planes {explained(data[mask], before.image[mask]):.3f} -> "
        f"{explained(data[mask], after.image[mask]):.3f}, "
        f"held-out planes {explained(data[odd], before.image[odd]):.3f} -> "
        f"{explained(data[odd], after.image[odd]):.3f}; "
        f"attenuation {after.intensities.attenuation:.3f} per um"
    )
    for warning in after.warnings:
        print(f"    {warning}")
    if picture is not None:
        draw(picture, data, before.image, after)


def draw(
    picture: Path, data: NDArray[np.floating], seed: NDArray[np.floating], after: dm.FitResult
) -> None:
    """Draw a held-out plane: data, what the seed and the fit look like, and the fit's outlines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    from napari_deltamic.mesh import plane_section

    figure = Figure(figsize=(12, 8.5))
    FigureCanvasAgg(figure)
    plane = 15
    panels = figure.subplots(2, 2).ravel()
    titles = ("held-out plane", "rendering of the seed", "rendering of the fit", "outlines")
    for panel, title, image in zip(panels, titles, (data, seed, after.image, data), strict=True):
        panel.imshow(image[plane], cmap="gray", vmin=0, vmax=np.percentile(data, 99.7))
        panel.set_title(title)
        panel.set_axis_off()
    height = plane * WORM_SPACING[0]
    lines = plane_section(after.mesh, 0, height)[:, :, ::-1] / WORM_SPACING[2]
    panels[3].add_collection(LineCollection(list(lines), colors="yellow", linewidths=0.8))
    figure.tight_layout()
    figure.savefig(picture, dpi=80)


def ovule() -> None:
    data = tifffile.imread(fetch("ovule_membrane.tif")).astype(np.float32)
    truth = tifffile.imread(fetch("ovule_membrane_labels.tif")).astype(int)
    stack = dm.ImageStack(light_of_equalised(data), OVULE_SPACING)
    labels = membrane_labels(dm.ImageStack(data, OVULE_SPACING))
    inside = cells_inside(truth)
    print(
        f"ovule: {len(np.unique(labels[labels > 0]))} cells; {len(inside)} annotated cells with "
        f"less than {ON_BORDER:.0%} of their voxels on the border"
    )
    judge("watershed", labels, truth, inside)
    every = tuple(slice(None, None, step) for step in COARSER)
    for name, of_seed, spacing in (
        ("all voxels", labels, stack.spacing),
        (f"every {COARSER} voxels", labels[every], stack.spacing * COARSER),
    ):
        seed = dm.seed_from_labels(of_seed, spacing, beyond=BEYOND * stack.spacing)
        judge(f"seed of {name}", voxelise(seed, stack.shape, stack.spacing), truth, inside)
        start = time.perf_counter()
        result = dm.fit(stack, seed, dm.GaussianPSF(OVULE_PSF), OVULE_SETTINGS)
        seconds = time.perf_counter() - start
        fitted = voxelise(result.mesh, stack.shape, stack.spacing)
        judge(f"its fit, {seconds:.0f} s", fitted, truth, inside)
        for warning in result.warnings:
            print(f"    {warning}")


def light_of_equalised(data: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return values of the same ranks whose distribution is exponential."""
    from scipy.stats import rankdata

    part = rankdata(data.ravel()).reshape(data.shape) / (data.size + 1)
    return (-100.0 * np.log1p(-part)).astype(np.float32)


def judge(
    name: str, found: NDArray[np.integer], truth: NDArray[np.integer], inside: list[int]
) -> None:
    chosen = np.isin(truth, inside)
    split, merge = variation_of_information(found[chosen], truth[chosen])
    scores = dice_scores(found, truth)
    print(
        f"    {name:32} variation of information {split:.3f} + {merge:.3f} = "
        f"{split + merge:.3f} nats, mean Dice {np.mean([scores[cell] for cell in inside]):.4f}",
        flush=True,
    )


def cells_inside(truth: NDArray[np.integer]) -> list[int]:
    border = np.ones(truth.shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    whole, cut = np.bincount(truth.ravel()), np.bincount(truth[border], minlength=truth.max() + 1)
    return [cell for cell in np.unique(truth) if cell and cut[cell] < ON_BORDER * whole[cell]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", nargs="?", choices=("worm", "ovule", "all"), default="all")
    parser.add_argument("--picture", type=Path, help="where to draw the worm")
    options = parser.parse_args()
    print(describe())
    try:
        if options.which != "worm":
            ovule()
        if options.which != "ovule":
            worm(options.picture)
    except FileNotFoundError as error:
        print(f"SKIPPED: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
