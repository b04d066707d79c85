"""The files a fit leaves behind, each written under another name first and then put in place."""

from __future__ import annotations

import csv
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult
    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.mesh import TriangleMesh

MEASURES = (
    "region",
    "volume_um3",
    "area_um2",
    "centroid_z_um",
    "centroid_y_um",
    "centroid_x_um",
    "sphericity",
    "mean_curvature_per_um",
)
LIBRARIES = ("napari-deltamic", "numpy", "scipy", "torch", "numba", "scikit-image", "trimesh")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name to write to; when that succeeds, put the file in the place of ``path``."""
    # The whole suffix is kept because writers choose the format by it.
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_fit(
    directory: Path, stack: ImageStack, result: FitResult, facts: dict[str, Any] | None = None
) -> None:
    """Write mesh, rendering, settings and history, measures and picture of a fit.

    Parameters
    ----------
    directory
        Made where it does not exist; files of an earlier fit in it are replaced.
    stack
        The data that were fitted.
    result
        What came out.
    facts
        More entries for ``fit.json``.
    """
    from napari_deltamic.cli.picture import draw_fit

    write_mesh_files(directory, result.mesh)
    write_image(directory / "rendering.ome.tif", result.image, stack.spacing, stack.origin)
    write_measures(directory / "measures.csv", result.mesh)
    with replacing(directory / "picture.png") as name:
        draw_fit(stack, result).savefig(name, dpi=130)
    write_json(directory / "fit.json", {**(facts or {}), **fit_facts(stack, result)})


def write_mesh_files(directory: Path, mesh: TriangleMesh) -> None:
    """Write ``mesh.ply``, for other programs, and ``mesh.rec``, which keeps the regions."""
    from napari_deltamic.mesh import write_mesh

    for name in ("mesh.ply", "mesh.rec"):
        with replacing(directory / name) as partial:
            write_mesh(mesh, partial)


def write_image(
    path: Path,
    image: NDArray[np.floating],
    spacing: ArrayLike,
    origin: ArrayLike = (0.0, 0.0, 0.0),
) -> None:
    """Write a (Z, Y, X) image as an OME-TIFF with its voxel size and position in um."""
    import tifffile

    z, y, x = (float(step) for step in np.asarray(spacing))
    corner = [float(position) for position in np.asarray(origin)]
    planes = len(image)
    metadata: dict[str, Any] = {
        "axes": "ZYX",
        "PhysicalSizeZ": z,
        "PhysicalSizeY": y,
        "PhysicalSizeX": x,
        **{f"PhysicalSize{axis}Unit": "µm" for axis in "ZYX"},
        "Plane": {
            "TheZ": list(range(planes)),
            "TheC": [0] * planes,
            "TheT": [0] * planes,
            "PositionX": [corner[2]] * planes,
            "PositionY": [corner[1]] * planes,
            "PositionZ": [corner[0] + k * z for k in range(planes)],
            **{f"Position{axis}Unit": ["µm"] * planes for axis in "ZYX"},
        },
    }
    with replacing(path) as name:
        tifffile.imwrite(
            name, image, ome=True, photometric="minisblack", metadata=metadata, compression="zlib"
        )


def fit_facts(stack: ImageStack, result: FitResult) -> dict[str, Any]:
    """Return what ``fit.json`` says about a fit."""
    return {
        "stop_reason": result.stop_reason,
        "warnings": result.warnings,
        "settings": result.settings.model_dump(mode="json"),
        "intensities": {
            "membrane_per_um2": result.intensities.membrane.tolist(),
            "interior_per_um3": result.intensities.interior.tolist(),
            "background": float(result.intensities.background),
        },
        "stack": {
            "shape": list(stack.shape),
            "spacing_um": stack.spacing.tolist(),
            "origin_um": stack.origin.tolist(),
        },
        "mesh": {
            "vertices": len(result.mesh.vertices),
            "faces": len(result.mesh.faces),
            "regions": result.mesh.regions.tolist(),
        },
        "stage_starts": list(result.stage_starts),
        "loss_history": [float(loss) for loss in result.loss_history],
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


def measure_rows(mesh: TriangleMesh) -> list[tuple[float, ...]]:
    """Return one row of :data:`MEASURES` for each region."""
    from napari_deltamic.mesh.measures import measure

    return [
        (
            int(one.region),
            float(one.volume),
            float(one.area),
            *(float(position) for position in one.centroid),
            float(one.sphericity),
            float(one.mean_curvature),
        )
        for one in measure(mesh)
    ]


def write_measures(path: Path, mesh: TriangleMesh) -> None:
    """Write the measures of every region as CSV."""
    write_table(path, MEASURES, measure_rows(mesh))


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a CSV file."""
    with replacing(path) as name, name.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
