"""The command ``compress fit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from napari_deltamic.cli.errors import INTERRUPTED, SUCCESS, UsageError
from napari_deltamic.cli.fit import SETTINGS, START, chosen_settings
from napari_deltamic.cli.paths import FILE, FOLDER, output_folder
from napari_deltamic.cli.starting_mesh import PointsUnit
from napari_deltamic.cli.values import Flag, Three
from napari_deltamic.cli.words import counted
from napari_deltamic.fitting.settings import FitSettings

if TYPE_CHECKING:
    from napari_deltamic.imaging import FrameStack
    from napari_deltamic.mesh import TriangleMesh

OPTICS = Group("Blur (by default the model's)", sort_key=1)


def fit(
    model: Annotated[Path, Parameter(validator=FILE)],
    frames: Annotated[Path, Parameter(validator=FILE)],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", validator=FOLDER)],
    offset: float = 0.0,
    origin: Three = (0.0, 0.0, 0.0),
    resume: Flag = False,
    sigma: Annotated[Three | None, Parameter(group=OPTICS)] = None,
    psf: Annotated[Path | None, Parameter(group=OPTICS, validator=FILE)] = None,
    mesh: Annotated[Path | None, Parameter(group=START, validator=FILE)] = None,
    points: Annotated[Path | None, Parameter(group=START, validator=FILE)] = None,
    radius: Annotated[float | None, Parameter(group=START)] = None,
    points_unit: Annotated[PointsUnit, Parameter(group=START)] = "um",
    settings: Annotated[Path | None, Parameter(group=SETTINGS, validator=FILE)] = None,
    options: Annotated[FitSettings | None, Parameter(name="*", group=SETTINGS)] = None,
) -> int:
    """Fit meshes to measured frames, without an image in between.

    Writes mesh.ply and mesh.rec (with regions), rendering.ome.tif, measures.csv, psf.json and
    fit.json into a folder. Frames are fitted in one stage, so the start must be nearly right.
    Ctrl-C ends the fit early, keeps its best mesh and makes the exit code 130.

    Parameters
    ----------
    model
        A file that `napari-deltamic compress train` has written; its decoder is not used.
    frames
        A TIFF of the camera's frames: (pattern, z, y, x).
    output
        The folder to write into; it is made where it does not exist.
    offset
        What the camera reads in the dark, in the frames' grey values; it is subtracted.
    origin
        Where the centre of the first voxel lies, in um; the mesh is counted from there too.
    resume
        Go on from where the same command, into the same folder, was stopped.
    sigma
        Standard deviation in um along z, y and x of the blur between specimen and camera.
    psf
        The same as a PSF file, .json, that `napari-deltamic psf` has made.
    mesh
        A mesh file in um.
    points
        A CSV file with columns z, y, x (or napari's axis-0, axis-1, axis-2): a sphere at each.
    radius
        Radius of these spheres in um.
    points_unit
        What the points are counted in; a voxel is the model's, not a pixel of the camera.
    settings
        A JSON file of settings, or the fit.json of an earlier fit; options given here win.
    """
    from napari_deltamic.cli.compress_files import given_frames, given_model
    from napari_deltamic.cli.compress_options import chosen_blur
    from napari_deltamic.cli.outputs import write_fit
    from napari_deltamic.cli.running import resumable, run_fit, was_stopped
    from napari_deltamic.cli.tables import print_measures
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.compressive import acquisition_of
    from napari_deltamic.imaging import FrameStack
    from napari_deltamic.optics import save_psf

    chosen = chosen_settings(settings, options)
    _check_start(mesh, points, radius)
    emission = chosen_blur("", sigma, psf)
    trained = given_model(model)
    if emission is None and trained.emission is None:
        raise UsageError(
            "--sigma: the model was trained without a blur, and a mesh needs to know how light "
            "blurs; give --sigma or --psf"
        )
    measured = given_frames(frames, trained, offset)
    if measured.shape[1] < 2:
        raise UsageError(
            f"FRAMES: {frames} holds a single plane, which has no shape in 3D; record several, "
            "each with all patterns"
        )
    if measured.min() == measured.max():
        raise UsageError(
            f"FRAMES: every pixel is {measured.max():g}, so there is nothing to fit; is it the "
            "right file?"
        )
    stack = FrameStack(measured, acquisition_of(trained, measured.shape[1], emission), origin)
    start = _chosen_start(stack, mesh, points, radius, points_unit)
    checkpoint = output / "checkpoint.npz"
    if resume and not checkpoint.is_file():
        raise UsageError(f"--resume: {checkpoint} does not exist; start without --resume")
    with output_folder("--output", output), resumable(checkpoint, resume):
        result = run_fit(stack, start, None, chosen, checkpoint, resume)
        facts = {"input": str(frames), "model": str(model), "psf": repr(result.psf)}
        write_fit(output, stack, result, facts)
        save_psf(result.psf, output / "psf.json")
    regions = counted(len(result.mesh.regions), "region")
    print_measures(result.mesh, f"{regions} fitted to {frames.name}")
    say(f"Wrote {output}")
    if was_stopped(result):
        say("Run the same command with --resume to go on.")
        return INTERRUPTED
    return SUCCESS


def _check_start(mesh: Path | None, points: Path | None, radius: float | None) -> None:
    if (mesh is None) == (points is None):
        raise UsageError(
            "give one start for the fit: --mesh, or --points with --radius; "
            f"{'none was' if mesh is None else 'both were'} given"
        )
    if radius is not None and points is None:
        raise UsageError("--radius: goes with --points")


def _chosen_start(
    stack: FrameStack,
    mesh: Path | None,
    points: Path | None,
    radius: float | None,
    unit: PointsUnit,
) -> TriangleMesh:
    from napari_deltamic.cli.starting_mesh import spheres_at
    from napari_deltamic.mesh import read_mesh

    if mesh is not None:
        return read_mesh(mesh)
    assert points is not None
    return spheres_at(points, radius, unit, stack)
