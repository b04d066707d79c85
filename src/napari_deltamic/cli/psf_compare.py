"""The command ``psf compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.paths import FILE, check_output_file
from napari_deltamic.cli.values import Three, Whole

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF

TIFF = (".tif", ".tiff")


def compare(
    first: Annotated[Path, Parameter(validator=FILE)],
    second: Annotated[Path, Parameter(validator=FILE)],
    /,
    *,
    picture: Path | None = None,
    spacing: Three | None = None,
    channel: Whole | None = None,
    frame: Whole | None = None,
) -> None:
    """Compare two PSFs: widths, difference, transfer functions.

    Parameters
    ----------
    first
        A PSF file, .json, or a stack of beads, .tif, that the PSF is measured from.
    second
        The same, to be compared with the first.
    picture
        Also write a picture of both, .png.
    spacing
        Voxel size of the beads' stack in um along z, y and x; by default as the file says.
    channel
        Channel of the beads' stack, from 0, where the file has several.
    frame
        Time point of the beads' stack, from 0, where the file has several.
    """
    import numpy as np

    from napari_deltamic.cli.psf_facts import lengths
    from napari_deltamic.cli.psf_files import save_pair
    from napari_deltamic.cli.tables import print_table
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.optics.comparison import compare_psfs
    from napari_deltamic.optics.width import fwhm_of

    if picture is not None:
        check_output_file("--picture", picture, ".png")
    stacks = [path for path in (first, second) if path.suffix.lower() in TIFF]
    for name, value in (("spacing", spacing), ("channel", channel), ("frame", frame)):
        if value is not None and not stacks:
            raise UsageError(f"--{name}: goes with a stack of beads, and both files are PSFs")
    pair = _psf_of(first, spacing, channel, frame), _psf_of(second, spacing, channel, frame)
    widths = fwhm_of(pair[0]), fwhm_of(pair[1])
    found = compare_psfs(*pair)
    print_table(
        "Full width at half maximum",
        ("", "kind", "z (µm)", "y (µm)", "x (µm)"),
        [
            (path.name, type(psf).__name__, *(f"{length:#.4g}" for length in width))
            for path, psf, width in zip((first, second), pair, widths, strict=True)
        ]
        + [
            ("second / first", "", *(f"{ratio:.3f}" for ratio in widths[1] / widths[0])),
        ],
        words=2,
    )
    # Adding 0 makes -0 positive.
    moved = ", ".join(f"{np.round(length, 4) + 0.0:.4f}" for length in found.shift) + " µm"
    print_table(
        f"{second.name} against {first.name}",
        ("", ""),
        [
            ("relative L2 difference", f"{found.relative_l2:.4f}"),
            ("the same at any brightness", f"{found.shape_l2:.4f}"),
            ("largest difference of the OTFs", f"{found.otf_difference:.4f}"),
            ("lies beside the first by (z, y, x)", moved),
            ("compared on voxels of (z, y, x)", lengths(found.spacing)),
        ],
        words=2,
    )
    if picture is not None:
        save_pair(picture, pair, (first.name, second.name), widths)
        say(f"Wrote {picture}")


def _psf_of(path: Path, spacing: Three | None, channel: int | None, frame: int | None) -> PSF:
    if path.suffix.lower() not in TIFF:
        from napari_deltamic.optics import load_psf

        return load_psf(path)
    from napari_deltamic.imaging import read_stack
    from napari_deltamic.optics.bead_average import measure_psf

    stack = read_stack(path, spacing, channel, frame)
    try:
        return measure_psf(stack.data, stack.spacing).psf
    except ValueError as error:
        raise UsageError(f"{path}: {error}; psf measure has options for it") from error
