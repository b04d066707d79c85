"""The command ``fit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from napari_deltamic.cli.errors import INTERRUPTED, SUCCESS, UsageError
from napari_deltamic.cli.paths import FILE, FOLDER, STACK, output_folder
from napari_deltamic.cli.psf_files import BLUR, chosen_psf
from napari_deltamic.cli.starting_mesh import PointsUnit
from napari_deltamic.cli.values import Flag, Three, Whole
from napari_deltamic.cli.words import counted
from napari_deltamic.fitting.settings import FitSettings

if TYPE_CHECKING:
    from napari_deltamic.fitting.state import LearnedQuantity
    from napari_deltamic.imaging import ImageStack, LazyStack
    from napari_deltamic.mesh import TriangleMesh

START = Group("Where to start (one of these)", sort_key=1)
SETTINGS = Group("Settings", sort_key=2)


def fit(
    stack: Annotated[Path, Parameter(validator=STACK)],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", validator=FOLDER)],
    sigma: Annotated[Three | None, Parameter(group=BLUR)] = None,
    psf: Annotated[Path | None, Parameter(group=BLUR, validator=FILE)] = None,
    mesh: Annotated[Path | None, Parameter(group=START, validator=FILE)] = None,
    points: Annotated[Path | None, Parameter(group=START, validator=FILE)] = None,
    radius: Annotated[float | None, Parameter(group=START)] = None,
    points_unit: Annotated[PointsUnit, Parameter(group=START)] = "um",
    labels: Annotated[Path | None, Parameter(group=START, validator=STACK)] = None,
    threshold: Annotated[float | None, Parameter(group=START)] = None,
    auto: Annotated[Flag, Parameter(group=START)] = False,
    membranes: Annotated[Flag, Parameter(group=START)] = False,
    spacing: Three | None = None,
    origin: Three | None = None,
    channel: Whole | None = None,
    frame: Whole | None = None,
    resume: Flag = False,
    settings: Annotated[Path | None, Parameter(group=SETTINGS, validator=FILE)] = None,
    options: Annotated[FitSettings | None, Parameter(name="*", group=SETTINGS)] = None,
) -> int:
    """Fit meshes to an image stack.

    Writes mesh.ply and mesh.rec (with regions), rendering.ome.tif, measures.csv, picture.png,
    psf.json and fit.json (settings, history, intensities) into a folder. Ctrl-C ends the fit early,
    keeps its best mesh and makes the exit code 130.

    Parameters
    ----------
    stack
        A TIFF, OME-TIFF or ImageJ TIFF file; or the folder of an OME-Zarr image, of which only the
        part around the mesh is read and fitted where --mesh, --points or --labels say where it is.
    output
        The folder to write into; it is made where it does not exist.
    sigma
        Standard deviation of the microscope's blur in um along z, y and x.
    psf
        A PSF file, .json, that `napari-deltamic psf` has made.
    mesh
        A mesh file in um.
    points
        A CSV file with columns z, y, x (or napari's axis-0, axis-1, axis-2): a sphere at each.
    radius
        Radius of these spheres in um.
    points_unit
        What the points are counted in.
    labels
        A TIFF or OME-Zarr of labels on the stack's voxels, whole numbers with 0 outside: a surface
        around each.
    threshold
        Grey value above which voxels of the slightly smoothed stack belong to objects.
    auto
        Find the objects with a threshold that is chosen from the stack.
    membranes
        Find cells that touch by their marked membranes; with --points, one at each of them.
    spacing
        Voxel size in um along z, y and x; by default as the file says.
    origin
        Where the centre of the first voxel lies, in um; the mesh is counted from there too. By
        default as an OME-Zarr image says, and 0 for TIFF files.
    channel
        Channel to fit, from 0, where the file has several.
    frame
        Time point to fit, from 0, where the file has several.
    resume
        Go on from where the same command, into the same folder, was stopped.
    settings
        A JSON file of settings, or the fit.json of an earlier fit; options given here win.
    """
    from dataclasses import replace

    import numpy as np

    from napari_deltamic.cli.outputs import write_fit
    from napari_deltamic.cli.running import resumable, run_fit, was_stopped
    from napari_deltamic.cli.tables import print_measures
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.fitting.part import part_around
    from napari_deltamic.imaging import LazyStack, open_stack, read_stack
    from napari_deltamic.optics import save_psf

    chosen = chosen_settings(settings, options)
    check_start(mesh, points, radius, labels, threshold, auto, membranes)
    blur = chosen_psf(sigma, psf)
    searched = membranes or auto or threshold is not None
    read = read_stack if searched or stack.is_file() else open_stack
    found = read(stack, spacing, channel, frame)
    if origin is not None:
        found = replace(found, origin=np.array(origin))
    start = chosen_start(found, mesh, points, radius, points_unit, labels, threshold, membranes)
    image = part_around(found, start, blur) if isinstance(found, LazyStack) else found
    checkpoint = output / "checkpoint.npz"
    if resume and not checkpoint.is_file():
        raise UsageError(f"--resume: {checkpoint} does not exist; start without --resume")
    with output_folder("--output", output), resumable(checkpoint, resume):
        result = run_fit(image, start, blur, chosen, checkpoint, resume)
        facts = {"optics": [one._asdict() for one in result.optics]}
        write_fit(output, image, result, {"input": str(stack), "psf": repr(result.psf), **facts})
        save_psf(result.psf, output / "psf.json")
    regions = counted(len(result.mesh.regions), "region")
    print_measures(result.mesh, f"{regions} fitted to {stack.name}")
    for one in result.optics:
        say(described(one))
    say(f"Wrote {output}")
    if was_stopped(result):
        say("Run the same command with --resume to go on.")
        return INTERRUPTED
    return SUCCESS


def described(learned: LearnedQuantity) -> str:
    """Return a learned quantity as a line to print."""
    unit = f" {learned.unit}" if learned.unit else ""
    error = f" +- {learned.standard_error:.2g}" if learned.standard_error >= 0 else ""
    return f"{learned.name}: {learned.value:.4g}{error}{unit}, given as {learned.start:.4g}"


def chosen_settings(path: Path | None, options: FitSettings | None) -> FitSettings:
    """Return the settings of a JSON file, or the defaults, with the options given put over them."""
    import json

    from pydantic import ValidationError

    values: dict[str, Any] = {}
    if path is not None:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        # Nesting without end has an error of its own.
        except (ValueError, RecursionError) as error:
            raise UsageError(f"--settings: {path} is not a JSON file: {error}") from error
        if not isinstance(content, dict):
            raise UsageError(f"--settings: {path} holds no settings by name")
        found = content.get("settings", content)
        values.update(found if isinstance(found, dict) else {})
    if options is not None:
        values.update(options.model_dump(exclude_unset=True))
    try:
        return FitSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"--settings: {name}: {first['msg']}, got {first['input']!r}") from error


def check_start(
    mesh: Path | None,
    points: Path | None,
    radius: float | None,
    labels: Path | None,
    threshold: float | None,
    auto: bool,
    membranes: bool,
) -> None:
    """Raise a :class:`UsageError` unless one start is given, with what goes with it."""
    automatic = auto or threshold is not None
    at_points = points is not None and not membranes
    given = (mesh is not None) + at_points + (labels is not None) + automatic + membranes
    if given != 1:
        raise UsageError(
            "give one start for the fit: --mesh, --points with --radius, --labels, --threshold, "
            f"--auto or --membranes; {given or 'none'} {'was' if given == 0 else 'were'} given"
        )
    if radius is not None and membranes:
        raise UsageError("--radius: does not go with --membranes, which find the cells' size")
    if radius is not None and points is None:
        raise UsageError(
            "--radius: goes with --points; objects found otherwise have their own size"
        )


def chosen_start(
    stack: ImageStack | LazyStack,
    mesh: Path | None,
    points: Path | None,
    radius: float | None,
    points_unit: PointsUnit,
    labels: Path | None,
    threshold: float | None,
    membranes: bool,
) -> TriangleMesh:
    """Return the mesh that a fit of a stack starts from, by the option that is given.

    In a stack that is not read nothing can be searched for.
    """
    from napari_deltamic.cli.starting_mesh import (
        mesh_from_labels,
        mesh_from_membranes,
        spheres_at,
    )
    from napari_deltamic.imaging import ImageStack, seed_from_image
    from napari_deltamic.mesh import read_mesh

    if mesh is not None:
        return read_mesh(mesh)
    if points is not None and not membranes:
        return spheres_at(points, radius, points_unit, stack)
    if labels is not None:
        return mesh_from_labels(labels, stack)
    assert isinstance(stack, ImageStack)
    if membranes:
        return mesh_from_membranes(stack, points, points_unit)
    return seed_from_image(stack, threshold)
