"""The command ``psf measure``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from napari_deltamic.cli.errors import INTERRUPTED, SUCCESS, UsageError
from napari_deltamic.cli.microscope_options import (
    MICROSCOPE,
    MicroscopeOptions,
    Modality,
    chosen_microscope,
    typed,
)
from napari_deltamic.cli.paths import FILE, STACK, check_output_file
from napari_deltamic.cli.starting_mesh import PointsUnit, read_points
from napari_deltamic.cli.values import Three, Whole
from napari_deltamic.cli.words import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.optics import PSF
    from napari_deltamic.optics.bead_average import BeadMeasurement

BEADS = Group("Which beads count", sort_key=1)
MATCH = Group("A model of the beads", sort_key=2)


def measure(
    stack: Annotated[Path, Parameter(validator=STACK)],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    spacing: Three | None = None,
    channel: Whole | None = None,
    frame: Whole | None = None,
    tiff: Path | None = None,
    picture: Path | None = None,
    bead_diameter: Annotated[float | None, Parameter(group=BEADS)] = None,
    points: Annotated[Path | None, Parameter(group=BEADS, validator=FILE)] = None,
    points_unit: Annotated[PointsUnit, Parameter(group=BEADS)] = "um",
    threshold: Annotated[float, Parameter(group=BEADS)] = 6.0,
    separation: Annotated[float, Parameter(group=BEADS)] = 3.0,
    saturation: Annotated[float | None, Parameter(group=BEADS)] = None,
    background: Annotated[Literal["planes", "constant"], Parameter(group=BEADS)] = "planes",
    window: Annotated[Three | None, Parameter(group=BEADS)] = None,
    match: Annotated[Modality | None, Parameter(group=MATCH)] = None,
    matched: Annotated[Path | None, Parameter(group=MATCH)] = None,
    learn: Annotated[
        tuple[str, ...], Parameter(group=MATCH, consume_multiple=True, show_default=False)
    ] = (),
    sigma: Annotated[Three | None, Parameter(group=MICROSCOPE)] = None,
    options: MicroscopeOptions = MicroscopeOptions(),  # noqa: B008
) -> int:
    """Measure the PSF from a stack of beads.

    Averages the beads that show the PSF and says why others do not. With --match it also fits a
    model of a microscope to them, which has no noise and can be used at other depths.

    Parameters
    ----------
    stack
        A TIFF, OME-TIFF or ImageJ TIFF file or an OME-Zarr folder of beads.
    output
        The PSF file to write, .json: the average of the beads.
    spacing
        Voxel size in um along z, y and x; by default as the file says.
    channel
        Channel of the beads, from 0, where the file has several.
    frame
        Time point of the beads, from 0, where the file has several.
    tiff
        Also write the average, without its background, as an OME-TIFF.
    picture
        Also write a picture of the PSF, with --match above that of the model, .png.
    bead_diameter
        In um: the beads' size is divided out. Matters from a third of the PSF's width.
    points
        A CSV file with columns z, y, x (or napari's axis-0, axis-1, axis-2): where the beads are.
    points_unit
        What the points are counted in.
    threshold
        How many standard deviations of the noise a bead must stand out by.
    separation
        How far apart two beads must be, in full widths at half maximum.
    saturation
        Grey value at which the detector ends; by default that of 8, 10, 12, 14 or 16 bits.
    background
        One level for each plane, or a constant one: the latter for a widefield stack.
    window
        Half-size of the PSF's voxels in um along z, y and x; by default four widths.
    match
        Fit this kind of microscope to the beads, from the numbers given.
    matched
        The PSF file to write of the model that --match has fitted, .json.
    learn
        Numbers to fit, such as na or pinhole; by default aperture, pinhole, sheet and aberrations,
        or a Gaussian's widths.
    sigma
        Where --match gaussian begins, in um along z, y and x; by default as wide as the beads.
    options
        The microscope that --match begins from.
    """
    from napari_deltamic.cli.psf_files import save_pair, save_picture
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.imaging import read_stack, write_stack
    from napari_deltamic.optics import GaussianPSF, save_psf
    from napari_deltamic.optics.bead_average import measure_psf
    from napari_deltamic.optics.quantities import chosen_quantities
    from napari_deltamic.optics.width import SIGMA_OF_FWHM

    _check_outputs(output, tiff, picture, matched)
    _check_match(match, matched, learn, sigma, options)
    start: PSF | None = None
    if match is not None and (match != "gaussian" or sigma is not None):
        start = chosen_microscope("--match", match, options, sigma)
    if learn:
        # Before the work, not after it.
        chosen_quantities(GaussianPSF(1.0) if start is None else start, learn)
    image = read_stack(stack, spacing, channel, frame)
    found = measure_psf(
        image.data,
        image.spacing,
        positions=None if points is None else _positions(points, points_unit, image),
        bead_diameter=bead_diameter,
        window=window,
        threshold=threshold,
        separation=separation,
        saturation=saturation,
        background=background,
    )
    _print_beads(stack.name, found)
    save_psf(found.psf, output)
    say(f"Wrote {output}")
    if tiff is not None:
        write_stack(tiff, found.average.astype("float32"), found.spacing)
        say(f"Wrote {tiff}")
    if match is not None and matched is not None:
        if start is None:
            z, y, x = (SIGMA_OF_FWHM * found.fwhm).tolist()
            start = chosen_microscope("--match", match, options, (z, y, x))
        try:
            psf, widths = _matched(start, found, learn)
        except KeyboardInterrupt:
            say(f"Stopped: {matched} was not written, but {output} holds the PSF of the beads.")
            return INTERRUPTED
        save_psf(psf, matched)
        say(f"Wrote {matched}")
        if picture is not None:
            save_pair(picture, (found.psf, psf), ("beads", match), (found.fwhm, widths))
    elif picture is not None:
        save_picture(picture, found.psf, stack.name, found.fwhm)
    if picture is not None:
        say(f"Wrote {picture}")
    return SUCCESS


def _check_outputs(
    output: Path, tiff: Path | None, picture: Path | None, matched: Path | None
) -> None:
    check_output_file("--output", output, ".json")
    if tiff is not None:
        check_output_file("--tiff", tiff, ".tif", ".tiff")
    if picture is not None:
        check_output_file("--picture", picture, ".png")
    if matched is not None:
        check_output_file("--matched", matched, ".json")
        if matched.resolve() == output.resolve():
            raise UsageError(f"--matched: {matched} is --output too; the model needs its own file")


def _check_match(
    match: Modality | None,
    matched: Path | None,
    learn: tuple[str, ...],
    sigma: Three | None,
    options: MicroscopeOptions,
) -> None:
    if match is not None:
        if matched is None:
            raise UsageError("--matched: needed with --match, a file for the model")
        return
    given = [typed(name) for name in options.given()]
    given += [
        option
        for option, value in (("--matched", matched), ("--learn", learn), ("--sigma", sigma))
        if value
    ]
    if given:
        raise UsageError(f"{given[0]}: goes with --match")


def _positions(path: Path, unit: PointsUnit, stack: ImageStack) -> NDArray[np.float64]:
    points = read_points(path)
    return points * stack.spacing if unit == "voxel" else points


def _print_beads(name: str, found: BeadMeasurement) -> None:
    from napari_deltamic.cli.psf_facts import print_psf
    from napari_deltamic.cli.tables import print_table
    from napari_deltamic.cli.terminal import console

    print_table(
        f"{counted(len(found.beads), 'bead')} averaged",
        ("position z, y, x (µm)", "width z, y, x (µm)", "SNR", "differs by"),
        (
            (
                _three(bead.position, ".2f"),
                _three(bead.fwhm, ".3f"),
                f"{bead.snr:.0f}",
                f"{100 * bead.difference:.1f} %",
            )
            for bead in found.beads
        ),
        words=2,
    )
    if found.rejected:
        print_table(
            f"{counted(len(found.rejected), 'bright spot')} left out",
            ("position z, y, x (µm)", "why"),
            ((_three(spot.position, ".2f"), spot.reason) for spot in found.rejected),
            words=2,
        )
    print_psf(f"The PSF of {name}", found.psf, found.fwhm)
    console().print(f"Signal to noise of the average: {found.snr:.0f}")


def _matched(
    start: PSF, found: BeadMeasurement, learn: tuple[str, ...]
) -> tuple[PSF, NDArray[np.float64]]:
    from napari_deltamic.cli.psf_facts import lengths
    from napari_deltamic.cli.tables import print_table
    from napari_deltamic.cli.terminal import console, errors_console, say
    from napari_deltamic.optics.match_result import MatchProgress
    from napari_deltamic.optics.matching import match_psf

    say("Fitting the model to the beads")
    with errors_console().status("Preparing") as status:

        def show(progress: MatchProgress) -> None:
            left = 100 * progress.residual
            status.update(f"Step {progress.step}: {left:.1f} % of the beads' light left over")

        result = match_psf(start, found, names=learn or None, on_progress=show)
    print_table(
        f"{type(result.psf).__name__} fitted to the beads",
        ("", "value", "±", ""),
        [
            (name, f"{one.value:.5g}", f"{one.deviation:.2g}", one.unit)
            for name, one in result.values.items()
        ],
    )
    console().print(f"Full width at half maximum (z, y, x): {lengths(result.fwhm)}")
    console().print(f"Left of the beads' light by the model: {100 * result.residual:.1f} %")
    if not result.converged:
        say("The fit did not settle: begin from numbers nearer to the microscope's, or fit fewer.")
    if result.at_bounds:
        say(f"At an end of what makes sense: {', '.join(result.at_bounds)}; do not trust these.")
    return result.psf, result.fwhm


def _three(values: NDArray[np.float64], digits: str) -> str:
    return ", ".join(f"{value:{digits}}" for value in values)
