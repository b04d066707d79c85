"""The command ``timelapse``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from napari_deltamic.cli.errors import INTERRUPTED, SUCCESS, UsageError
from napari_deltamic.cli.fit import SETTINGS, START, check_start, chosen_settings, chosen_start
from napari_deltamic.cli.paths import FILE, FOLDER, STACK, output_folder
from napari_deltamic.cli.psf_files import BLUR, chosen_psf
from napari_deltamic.cli.starting_mesh import PointsUnit
from napari_deltamic.cli.values import Flag, Three, Whole
from napari_deltamic.cli.words import counted
from napari_deltamic.fitting.settings import FitSettings

if TYPE_CHECKING:
    from napari_deltamic.timelapse import Movie, TimelapseResult


def timelapse(
    movie: Annotated[Path, Parameter(validator=STACK)],
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
    channel: Whole | None = None,
    frames: str = ":",
    interval: float = 1.0,
    reseed: bool = True,
    resume: Flag = False,
    settings: Annotated[Path | None, Parameter(group=SETTINGS, validator=FILE)] = None,
    options: Annotated[FitSettings | None, Parameter(name="*", group=SETTINGS)] = None,
) -> int:
    """Fit every frame of a movie, each from the one before, and follow the regions through it.

    Writes a mesh_t0000.rec and a frame_t0000.json for each frame as soon as it is finished, and at
    the end tracks.csv (measures of every region in every frame), psf.json and timelapse.json
    (settings, divisions, lost regions, warnings) into a folder. Ctrl-C ends it early, keeps the
    finished frames and makes the exit code 130.

    Parameters
    ----------
    movie
        A TIFF, OME-TIFF or ImageJ TIFF file or an OME-Zarr folder with several time points.
    output
        The folder to write into; it is made where it does not exist.
    sigma
        Standard deviation of the microscope's blur in um along z, y and x.
    psf
        A PSF file, .json, that `napari-deltamic psf` has made.
    mesh
        A mesh file in um, for the first frame as all other starts.
    points
        A CSV file with columns z, y, x (or napari's axis-0, axis-1, axis-2): a sphere at each.
    radius
        Radius of these spheres in um.
    points_unit
        What the points are counted in.
    labels
        A TIFF of labels on the first frame's voxels, whole numbers with 0 outside.
    threshold
        Grey value above which voxels of the slightly smoothed stack belong to objects.
    auto
        Find the objects with a threshold that is chosen from the first frame.
    membranes
        Find cells that touch by their marked membranes; with --points, one at each of them.
    spacing
        Voxel size in um along z, y and x; by default as the file says.
    channel
        Channel to fit, from 0, where the file has several.
    frames
        Frames to fit, as first:last with the last one left out, such as 5:20, :10 or 5: (from 0).
    interval
        Time between frames in any unit, for the column "time" of tracks.csv.
    reseed
        Whether to cut a region in two where the image shows that it has divided.
    resume
        Go on from where the same command, into the same folder, was stopped.
    settings
        A JSON file of settings, or the fit.json of an earlier fit; options given here win.
    """
    from napari_deltamic.cli.interrupt import stop_on_interrupt
    from napari_deltamic.cli.movie_progress import movie_progress
    from napari_deltamic.cli.running import resumable
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.optics import save_psf
    from napari_deltamic.timelapse import Movie, fit_timelapse

    chosen = chosen_settings(settings, options)
    check_start(mesh, points, radius, labels, threshold, auto, membranes)
    blur = chosen_psf(sigma, psf)
    start_frame, end_frame = frame_range(frames)
    try:
        read = Movie(movie, spacing, channel=channel, start=start_frame, stop=end_frame)
    except ValueError as error:
        raise UsageError(str(error).replace("start, stop:", "--frames:")) from error
    start = chosen_start(read[0], mesh, points, radius, points_unit, labels, threshold, membranes)
    progress = output / "movie.json"
    if resume and not progress.is_file():
        raise UsageError(f"--resume: {progress} does not exist; start without it")
    with output_folder("--output", output), resumable(progress, resume):
        with movie_progress() as on_state, stop_on_interrupt() as pressed:
            result = fit_timelapse(
                read,
                start,
                blur,
                chosen,
                on_state,
                reseed=reseed,
                should_stop=pressed,
                folder=output,
                resume=resume,
            )
        facts = {"input": str(movie), "interval": interval, "psf": repr(blur)}
        _write(output, read, result, chosen, facts)
        save_psf(blur, output / "psf.json")
    _print_tracks(result, movie.name)
    say(f"{counted(len(result.frames), 'frame')} of {len(read)}; {result.stop_reason}.")
    say(f"Wrote {output}")
    if result.stopped:
        say("Run the same command with --resume to go on.")
        return INTERRUPTED
    return SUCCESS


def frame_range(text: str) -> tuple[int, int | None]:
    """Return the first frame and the one after the last, None for the movie's end, of ``5:20``."""
    first, colon, last = text.partition(":")
    parts = first.strip(), last.strip()
    if not colon or not all(part == "" or part.isdecimal() for part in parts):
        raise UsageError(f"--frames: expected first:last such as 5:20, :10 or 5:, got {text!r}")
    return int(parts[0] or 0), int(parts[1]) if parts[1] else None


def _write(
    folder: Path,
    movie: Movie,
    result: TimelapseResult,
    settings: FitSettings,
    facts: dict[str, Any],
) -> None:
    import shlex
    import sys

    from napari_deltamic.cli.outputs import versions, write_json
    from napari_deltamic.mesh import write_table_csv
    from napari_deltamic.mesh.measures import COLUMNS

    table = result.tracks_table(facts["interval"])
    write_table_csv(folder / "tracks.csv", table, ("frame", "time", *COLUMNS))
    summary = {
        **facts,
        "stop_reason": result.stop_reason,
        "stopped": result.stopped,
        "first_frame": movie.first,
        "frames": len(movie),
        "finished_frames": len(result.frames),
        "warnings": result.warnings,
        "divisions": [one._asdict() for one in result.divisions],
        "lost": {str(region): frame for region, frame in result.lost.items()},
        "loss": [one.loss for one in result.frames],
        "seconds": [one.seconds for one in result.frames],
        "settings": settings.model_dump(mode="json"),
        "command_line": shlex.join(["napari-deltamic", *sys.argv[1:]]),
        "versions": versions(),
    }
    write_json(folder / "timelapse.json", summary)


def _print_tracks(result: TimelapseResult, title: str) -> None:
    from napari_deltamic.cli.tables import print_table

    rows_of: dict[int, list[tuple[int, float]]] = {}
    for row in result.tracks_table():
        seen = int(row["frame"]), float(row["volume"])
        rows_of.setdefault(int(row["region"]), []).append(seen)
    parent_of, lost = result.graph(), result.lost
    print_table(
        f"Regions of {title}",
        ("region", "from\nframe", "to\nframe", "first volume\n(µm³)", "last volume\n(µm³)", "note"),
        (
            (
                str(region),
                str(seen[0][0]),
                str(seen[-1][0]),
                f"{seen[0][1]:#.4g}",
                f"{seen[-1][1]:#.4g}",
                ", ".join(
                    [f"daughter of {parent}" for parent in parent_of.get(region, [])]
                    + (["lost"] if region in lost else [])
                ),
            )
            for region, seen in sorted(rows_of.items())
        ),
    )
