"""Writing what a fit gave into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_deltamic.replacing import replacing

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult, FitSettings
    from napari_deltamic.plugin.spatial import Placement
    from napari_deltamic.timelapse import TimelapseResult


def save_result(result: FitResult, placement: Placement, folder: Path) -> list[Path]:
    """Write mesh, measures, rendering and settings; return the files.

    ``mesh.rec`` keeps the regions, ``mesh.ply`` is for other programs, ``measures.csv`` has a row
    per region, ``contacts.csv`` one per interface and ``junctions.csv`` one per set of regions that
    meet, if any do; ``rendering.ome.tif`` is on the image's voxels, ``settings.json`` says how it
    was fitted. Existing files of these names are replaced.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    import warnings

    from napari_deltamic.fitting.result_tables import write_result_tables
    from napari_deltamic.imaging import write_stack
    from napari_deltamic.mesh import write_mesh

    folder.mkdir(parents=True, exist_ok=True)
    names = ("mesh.rec", "mesh.ply", "rendering.ome.tif", "settings.json")
    rec, ply, rendering, settings = files = [folder / name for name in names]
    write_mesh(result.mesh, rec)
    with warnings.catch_warnings():
        # The .rec file beside it keeps the regions that .ply loses.
        warnings.simplefilter("ignore")
        write_mesh(result.mesh, ply)
    tables = write_result_tables(folder, result)
    write_stack(rendering, result.image, placement.spacing)
    _write_settings(settings, result.settings)
    return [*files, *tables]


def save_movie(result: TimelapseResult, settings: FitSettings, folder: Path) -> list[Path]:
    """Write the mesh of each frame, a table of tracks and the settings; return the files.

    ``mesh_t0000.rec`` and so on keep the regions, ``tracks.csv`` has a row per frame and region.
    Existing files of these names are replaced.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    from napari_deltamic.mesh import write_mesh, write_table_csv

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "tracks.csv", folder / "settings.json"]
    write_table_csv(files[0], result.tracks_table())
    _write_settings(files[1], settings)
    for frame in result.frames:
        files.append(folder / f"mesh_t{frame.frame:04d}.rec")
        write_mesh(frame.mesh, files[-1])
    return files


def _write_settings(file: Path, settings: FitSettings) -> None:
    with replacing(file) as name:
        name.write_text(settings.model_dump_json(indent=2) + "\n", encoding="utf-8")
