"""The command ``tissue``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from napari_deltamic.cli.errors import INTERRUPTED, SUCCESS, UsageError
from napari_deltamic.cli.fit import SETTINGS, START, chosen_settings
from napari_deltamic.cli.paths import FILE, FOLDER, STACK, output_folder
from napari_deltamic.cli.psf_files import BLUR, chosen_psf
from napari_deltamic.cli.values import Flag, Three, Whole
from napari_deltamic.cli.words import counted
from napari_deltamic.fitting.settings import FitSettings

if TYPE_CHECKING:
    from napari_deltamic.imaging import LazyStack
    from napari_deltamic.tissue import TissueResult

_log = logging.getLogger(__name__)


def tissue(
    stack: Annotated[Path, Parameter(validator=STACK)],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", validator=FOLDER)],
    sigma: Annotated[Three | None, Parameter(group=BLUR)] = None,
    psf: Annotated[Path | None, Parameter(group=BLUR, validator=FILE)] = None,
    mesh: Annotated[Path | None, Parameter(group=START, validator=FILE)] = None,
    labels: Annotated[Path | None, Parameter(group=START, validator=STACK)] = None,
    cells: Whole | None = None,
    memory: float | None = None,
    spacing: Three | None = None,
    channel: Whole | None = None,
    frame: Whole | None = None,
    resume: Flag = False,
    settings: Annotated[Path | None, Parameter(group=SETTINGS, validator=FILE)] = None,
    options: Annotated[FitSettings | None, Parameter(name="*", group=SETTINGS)] = None,
) -> int:
    """Fit the cells of a stack that is larger than memory, block by block, on one mesh.

    Writes mesh.ply and mesh.rec (with regions), measures.csv, contacts.csv, psf.json and
    tissue.json (settings, blocks) into a folder. How much memory it takes is printed before it
    begins. Ctrl-C ends it early, keeps the mesh as it is by then and makes the exit code 130.

    Parameters
    ----------
    stack
        An OME-Zarr folder, of which one block at a time is read, or a TIFF file.
    output
        The folder to write into; it is made where it does not exist.
    sigma
        Standard deviation of the microscope's blur in um along z, y and x.
    psf
        A PSF file, .json, that `napari-deltamic psf` has made.
    mesh
        A mesh file in um whose cells nearly have their place.
    labels
        A TIFF or a zarr folder of labels on the stack's voxels; of a large one every second, third
        ... voxel along each axis counts.
    cells
        Most cells of a block, by default 150.
    memory
        GB that may be used, in place of --cells: blocks are as large as that allows.
    spacing
        Voxel size in um along z, y and x; by default as the file says.
    channel
        Channel to fit, from 0, where the file has several.
    frame
        Time point to fit, from 0, where the file has several.
    resume
        Go on from where the same command, into the same folder, was stopped.
    settings
        A JSON file of settings, or the fit.json of an earlier fit; options given here win. Without
        --stages there is one, and without --max-iterations there are 80: cells that nearly have
        their place need no more.
    """
    from napari_deltamic.cli.interrupt import stop_on_interrupt
    from napari_deltamic.cli.running import resumable
    from napari_deltamic.cli.starting_mesh import mesh_from_large_labels
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.cli.tissue_progress import tissue_progress
    from napari_deltamic.imaging import open_stack
    from napari_deltamic.mesh import read_mesh
    from napari_deltamic.optics import save_psf
    from napari_deltamic.tissue import (
        CELLS,
        TISSUE_DEFAULTS,
        cells_for,
        fit_tissue,
        last_edge_length,
        memory_needed,
    )
    from napari_deltamic.tissue.checkpoint import is_unfinished
    from napari_deltamic.tissue.checks import checked_tissue

    chosen = chosen_settings(settings, options)
    chosen = chosen.model_copy(
        update={
            name: value
            for name, value in TISSUE_DEFAULTS.items()
            if name not in chosen.model_fields_set
        }
    )
    if (mesh is None) == (labels is None):
        raise UsageError("give one start for the fit: --mesh or --labels")
    if cells is not None and memory is not None:
        raise UsageError("--memory: does not go with --cells; give one of the two")
    blur = chosen_psf(sigma, psf)
    image = open_stack(stack, spacing, channel, frame)
    start = mesh_from_large_labels(labels, image) if labels is not None else read_mesh(mesh)  # type: ignore[arg-type]
    most = CELLS if cells is None else cells
    checked_tissue(image, start, blur, chosen, most)
    edge = last_edge_length(image, start, blur, chosen)
    if memory is not None:
        most = cells_for(1e9 * memory, image, start, blur, edge)
    needed = memory_needed(image, start, blur, edge, most) / 1e9
    total = len(start.regions)
    blocks = counted(-(-total // most), "block")
    say(f"{counted(total, 'cell')} in {blocks}; about {needed:.1f} GB of memory")
    checkpoint = output / "tissue.npz"
    if resume and not checkpoint.is_file():
        raise UsageError(f"--resume: {checkpoint} does not exist; start without --resume")
    if not resume and is_unfinished(checkpoint):
        raise UsageError(
            f"--output: {output} holds a tissue that was stopped before its end; go on with it by "
            f"--resume, or delete {checkpoint.name} there to begin anew"
        )
    with output_folder("--output", output), resumable(checkpoint, resume):
        with tissue_progress() as on_state, stop_on_interrupt() as pressed:
            result = fit_tissue(
                image,
                start,
                blur,
                chosen,
                on_state,
                cells=most,
                should_stop=pressed,
                checkpoint=checkpoint,
                resume=resume,
            )
        write_tissue(output, image, result, {"input": str(stack), "psf": repr(result.psf)})
        save_psf(result.psf, output / "psf.json")
    for warning in result.warnings:
        _log.warning(warning)
    say(f"{result.stop_reason[0].upper()}{result.stop_reason[1:]}. Wrote {output}")
    if result.stopped:
        say("Run the same command with --resume to go on.")
        return INTERRUPTED
    return SUCCESS


def write_tissue(
    directory: Path, stack: LazyStack, result: TissueResult, facts: dict[str, Any]
) -> None:
    """Write mesh, measures and what the blocks came to; ``facts`` go into ``tissue.json``."""
    from napari_deltamic.cli.outputs import (
        origin_facts,
        place_facts,
        write_json,
        write_mesh_files,
    )
    from napari_deltamic.fitting.result_tables import light_columns
    from napari_deltamic.mesh import write_measure_tables

    write_mesh_files(directory, result.mesh)
    regions, contacts = light_columns(result.intensities)
    write_measure_tables(directory, result.mesh, region_columns=regions, contact_columns=contacts)
    blocks = [
        {"regions": block.tolist(), **result.summaries[number]._asdict()}
        for number, block in enumerate(result.blocks)
        if number in result.summaries
    ]
    write_json(
        directory / "tissue.json",
        {
            **facts,
            "stop_reason": result.stop_reason,
            "warnings": result.warnings,
            "settings": result.settings.model_dump(mode="json"),
            "background": result.intensities.background,
            "blocks": blocks,
            **place_facts(stack, result.mesh),
            **origin_facts(),
        },
    )
