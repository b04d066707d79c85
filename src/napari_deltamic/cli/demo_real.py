"""The demonstration on a real stack: nuclei of a mouse embryo, compared with an annotation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.cli.errors import INTERRUPTED, SUCCESS
from napari_deltamic.cli.words import counted

if TYPE_CHECKING:
    from napari_deltamic.imaging import ImageStack

STACK = "mouse_embryo_nuclei_8cell.tif"
ANNOTATION = "mouse_embryo_nuclei_8cell_labels.tif"
SIGMA = (2.5, 0.8, 0.8)
"""Blur in um, assumed: the microscope's was not published with the stack."""
SEED_RADIUS = 5.0
OFFSETS = np.arange(-1.0, 3.01, 0.2)


def demo_mouse_nuclei(output: Path) -> int:
    """Fit the nuclei from one sphere each and print Dice scores against the annotation."""
    from napari_deltamic.cli.outputs import write_fit, write_table
    from napari_deltamic.cli.running import run_fit, was_stopped
    from napari_deltamic.cli.tables import print_measures, print_table
    from napari_deltamic.cli.terminal import console, say
    from napari_deltamic.fitting import FitSettings
    from napari_deltamic.imaging import DATASETS, fetch, read_stack
    from napari_deltamic.mesh import seed_spheres
    from napari_deltamic.optics import GaussianPSF

    file = fetch(STACK)
    stack = read_stack(file, DATASETS[STACK].spacing)
    centers = object_centers(stack)
    say(f"Found {counted(len(centers), 'object')}; a first run compiles for a while")
    psf = GaussianPSF(SIGMA)
    start = time.perf_counter()
    result = run_fit(
        stack,
        seed_spheres(centers, SEED_RADIUS),
        psf,
        FitSettings(label="interior", noise="poisson"),
    )
    seconds = time.perf_counter() - start
    facts = {
        "input": STACK,
        "psf": repr(psf),
        "seed_spheres": {"centers_um": centers.tolist(), "radius_um": SEED_RADIUS},
        "seconds": round(seconds, 1),
    }
    write_fit(output, stack, result, facts)
    print_measures(result.mesh, counted(len(result.mesh.regions), "nucleus", "nuclei"))
    console().print(f"Fitted in {seconds:.0f} s")

    try:
        annotation = read_stack(fetch(ANNOTATION), stack.spacing).data.astype(np.int32)
    except FileNotFoundError as error:
        say(f"No comparison: {error}")
    else:
        from napari_deltamic.mesh import best_boundary_offset, dice_scores, voxelise

        labels = voxelise(result.mesh, stack.shape, stack.spacing, stack.origin)
        raw = dice_scores(labels, annotation)
        offset, moved = best_boundary_offset(labels, annotation, stack.spacing, OFFSETS)
        table = [
            {"nucleus": number, "dice": raw[number], "dice_with_offset": moved[number]}
            for number in raw
        ]
        rows = [
            *((f"{number}", f"{raw[number]:.3f}", f"{moved[number]:.3f}") for number in raw),
            ("mean", f"{_mean(raw):.3f}", f"{_mean(moved):.3f}"),
        ]
        header = ("nucleus", "Dice", f"boundaries moved\nby {offset:+.1f} µm")
        print_table("The fit against the annotation", header, rows)
        write_table(output / "comparison.csv", table)
    say(f"Wrote {output}")
    return INTERRUPTED if was_stopped(result) else SUCCESS


def object_centers(stack: ImageStack) -> NDArray[np.float64]:
    """Return the (N, 3) centres of the objects in a stack, in um."""
    from scipy.ndimage import center_of_mass

    from napari_deltamic.imaging import label_image

    labels = label_image(stack)
    voxels = center_of_mass(labels > 0, labels, np.arange(1, labels.max() + 1))
    return np.asarray(stack.origin + stack.spacing * np.array(voxels))


def _mean(scores: dict[int, float]) -> float:
    return float(np.mean(list(scores.values())))
