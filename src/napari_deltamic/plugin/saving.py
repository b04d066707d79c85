"""Writing what a fit gave into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult
    from napari_deltamic.plugin.spatial import Placement


def save_result(result: FitResult, placement: Placement, folder: Path) -> list[Path]:
    """Write mesh, measures, rendering and settings; return the files.

    ``mesh.rec`` keeps the regions, ``mesh.ply`` is for other programs, ``measures.csv`` has a row
    per region, ``rendering.ome.tif`` is on the image's voxels, ``settings.json`` says how it was
    fitted. Existing files of these names are replaced.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    import warnings

    from napari_deltamic.imaging import write_stack
    from napari_deltamic.mesh import measure, write_measures_csv, write_mesh

    folder.mkdir(parents=True, exist_ok=True)
    names = ("mesh.rec", "mesh.ply", "measures.csv", "rendering.ome.tif", "settings.json")
    rec, ply, table, rendering, settings = files = [folder / name for name in names]
    write_mesh(result.mesh, rec)
    with warnings.catch_warnings():
        # The .rec file beside it keeps the regions that .ply loses.
        warnings.simplefilter("ignore")
        write_mesh(result.mesh, ply)
    write_measures_csv(table, measure(result.mesh))
    write_stack(rendering, result.image, placement.spacing)
    settings.write_text(result.settings.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return files
