"""The files a fit leaves behind, each written under another name first and then put in place."""

from __future__ import annotations

import csv
import json
import platform
import shlex
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deltamic.replacing import replacing

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult
    from napari_deltamic.imaging.frame_stack import Recording
    from napari_deltamic.imaging.stack import OnVoxels
    from napari_deltamic.mesh import TriangleMesh

LIBRARIES = ("napari-deltamic", "numpy", "scipy", "torch", "numba", "scikit-image", "trimesh")


def write_fit(
    directory: Path, stack: Recording, result: FitResult, facts: dict[str, Any] | None = None
) -> None:
    """Write mesh, rendering, settings and history, measures and picture of a fit.

    Parameters
    ----------
    directory
        Made where it does not exist; files of an earlier fit in it are replaced.
    stack
        The data that were fitted; of frames, which are no image of the specimen, no picture is
        drawn.
    result
        What came out.
    facts
        More entries for ``fit.json``.

    Raises
    ------
    OSError
        If the directory or a file cannot be written.
    """
    from napari_deltamic.cli.picture import draw_fit
    from napari_deltamic.fitting.result_tables import write_result_tables
    from napari_deltamic.imaging import ImageStack, write_stack

    directory.mkdir(parents=True, exist_ok=True)
    write_mesh_files(directory, result.mesh)
    write_stack(directory / "rendering.ome.tif", result.image, stack.spacing)
    write_result_tables(directory, result)
    write_json(directory / "fit.json", {**(facts or {}), **fit_facts(stack, result)})
    if isinstance(stack, ImageStack):
        with replacing(directory / "picture.png") as name:
            draw_fit(stack, result).savefig(name, dpi=130)


def write_mesh_files(directory: Path, mesh: TriangleMesh) -> None:
    """Write ``mesh.ply``, for other programs, and ``mesh.rec``, which keeps the regions."""
    from napari_deltamic.mesh import write_mesh

    with warnings.catch_warnings():
        # That .ply keeps no regions does not matter beside the .rec file.
        warnings.filterwarnings("ignore", message=".*keeps no region labels")
        write_mesh(mesh, directory / "mesh.ply")
    write_mesh(mesh, directory / "mesh.rec")


def write_measures(path: Path, mesh: TriangleMesh) -> None:
    """Write the measures of every region as CSV."""
    from napari_deltamic.mesh.measures import measure, write_measures_csv

    write_measures_csv(path, measure(mesh))


def fit_facts(stack: Recording, result: FitResult) -> dict[str, Any]:
    """Return what ``fit.json`` says about a fit."""
    return {
        "stop_reason": result.stop_reason,
        "warnings": result.warnings,
        "settings": result.settings.model_dump(mode="json"),
        "intensities": {
            "membrane_per_um2": result.intensities.membrane.tolist(),
            "interior_per_um3": result.intensities.interior.tolist(),
            "background": float(result.intensities.background),
            "attenuation_per_um": float(result.intensities.attenuation),
        },
        **place_facts(stack, result.mesh),
        "stage_starts": list(result.stage_starts),
        "loss_history": [float(loss) for loss in result.loss_history],
        **origin_facts(),
    }


def place_facts(stack: OnVoxels, mesh: TriangleMesh) -> dict[str, Any]:
    """Return where stack and mesh lie, and how large they are."""
    return {
        "stack": {
            "shape": list(stack.shape),
            "spacing_um": stack.spacing.tolist(),
            "origin_um": stack.origin.tolist(),
        },
        "mesh": {
            "vertices": len(mesh.vertices),
            "faces": len(mesh.faces),
            "regions": mesh.regions.tolist(),
        },
    }


def origin_facts() -> dict[str, Any]:
    """Return what made a result."""
    return {
        "command_line": shlex.join(["napari-deltamic", *sys.argv[1:]]),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file; values that are not numbers in JSON (NaN, infinity) become null."""
    with replacing(path) as name:
        name.write_text(json.dumps(_finite(content), indent=2) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows with the same keys as CSV."""
    with replacing(path) as name, name.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
