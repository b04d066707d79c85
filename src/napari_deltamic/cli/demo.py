"""The command ``demo``: a fit whose truth is known."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter, validators

from napari_deltamic.cli.errors import INTERRUPTED, SUCCESS
from napari_deltamic.cli.paths import FOLDER, output_folder
from napari_deltamic.cli.values import Whole

if TYPE_CHECKING:
    from napari_deltamic.mesh import TriangleMesh

SampleName = Literal["cells", "bumpy", "dumbbell"]


def demo(
    *,
    output: Annotated[Path, Parameter(alias="-o", validator=FOLDER)] = Path("demo-output"),
    sample: SampleName = "cells",
    real: Literal["mouse-nuclei"] | None = None,
    seed: Annotated[Whole, Parameter(validator=validators.Number(gte=0))] = 0,
) -> int:
    """Fit a generated sample, or a real one, and compare with the truth.

    Writes the stack, the fit's files and a table of the comparison, comparison.csv, into a folder.

    Parameters
    ----------
    output
        The folder to write into; it is made where it does not exist.
    sample
        What to generate: separate cells, one bumpy cell, or two balls joined by a neck.
    real
        A real stack in place of the generated one: the nuclei of an 8-cell mouse embryo.
    seed
        Of the generated shapes and noise.
    """
    with output_folder("--output", output):
        if real is None:
            return _demo_generated(output, sample, seed)
        from napari_deltamic.cli.demo_real import demo_mouse_nuclei

        return demo_mouse_nuclei(output)


def _demo_generated(output: Path, sample: SampleName, seed: int) -> int:
    from napari_deltamic.cli.outputs import write_fit, write_table
    from napari_deltamic.cli.running import run_fit, was_stopped
    from napari_deltamic.cli.tables import print_table
    from napari_deltamic.cli.terminal import console, say
    from napari_deltamic.fitting import FitSettings
    from napari_deltamic.imaging import make_sample, write_stack
    from napari_deltamic.mesh import write_mesh

    say("Generating the sample; a first run compiles for a while")
    made = make_sample(sample, seed=seed)
    write_stack(output / "stack.ome.tif", made.stack.data, made.stack.spacing)
    write_mesh(made.truth, output / "truth.rec")
    start = time.perf_counter()
    result = run_fit(made.stack, made.seed_mesh, made.psf, FitSettings(label=made.label))
    seconds = time.perf_counter() - start

    rows = comparison(result.mesh, made.truth)
    print_table("The fit against the truth", list(HEADINGS.values()), _words(rows))
    console().print(f"Fitted in {seconds:.0f} s")
    write_table(output / "comparison.csv", rows)
    facts: dict[str, Any] = {
        "input": "stack.ome.tif",
        "sample": {"name": sample, "seed": seed},
        "psf": repr(made.psf),
        "seconds": round(seconds, 1),
    }
    write_fit(output, made.stack, result, facts)
    say(f"Wrote {output}")
    return INTERRUPTED if was_stopped(result) else SUCCESS


HEADINGS = {
    "region": "region",
    "volume": "volume\n(µm³)",
    "volume_error": "error\n(%)",
    "area": "area\n(µm²)",
    "area_error": "error\n(%)",
    "centroid_error": "centroid\n(µm)",
    "mean_distance": "distance\n(µm)",
    "max_distance": "at most\n(µm)",
}


def comparison(mesh: TriangleMesh, truth: TriangleMesh) -> list[dict[str, float]]:
    """Return one row of :data:`HEADINGS` for each region: measures, and errors against the truth.

    Errors of volume and area are in percent; distances are between surfaces, in um.
    """
    from napari_deltamic.mesh import mean_surface_distance, measure

    rows: list[dict[str, float]] = []
    for found, true in zip(measure(mesh), measure(truth), strict=True):
        distance = mean_surface_distance(
            mesh.region_mesh(found.region), truth.region_mesh(true.region)
        )
        rows.append(
            {
                "region": found.region,
                "volume": found.volume,
                "volume_error": 100.0 * (found.volume / true.volume - 1.0),
                "area": found.area,
                "area_error": 100.0 * (found.area / true.area - 1.0),
                "centroid_error": float(np.linalg.norm(np.subtract(found.centroid, true.centroid))),
                "mean_distance": distance.mean,
                "max_distance": distance.max,
            }
        )
    return rows


def _words(rows: list[dict[str, float]]) -> list[list[str]]:
    return [
        [
            f"{row['region']:.0f}",
            f"{row['volume']:.2f}",
            f"{row['volume_error']:+.2f}",
            f"{row['area']:.2f}",
            f"{row['area_error']:+.2f}",
            f"{row['centroid_error']:.4f}",
            f"{row['mean_distance']:.4f}",
            f"{row['max_distance']:.4f}",
        ]
        for row in rows
    ]
