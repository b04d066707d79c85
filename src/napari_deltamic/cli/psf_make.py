"""The command ``psf make``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.microscope_options import (
    MICROSCOPE,
    MicroscopeOptions,
    Modality,
    chosen_microscope,
)
from napari_deltamic.cli.paths import check_output_file
from napari_deltamic.cli.values import Three, WholeThree

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF

# Along an axis, of a file whose shape was not chosen.
_MOST_VOXELS = 129


def make(
    *,
    modality: Annotated[Modality, Parameter(group=MICROSCOPE)],
    output: Annotated[Path, Parameter(alias="-o")],
    sigma: Annotated[Three | None, Parameter(group=MICROSCOPE)] = None,
    options: MicroscopeOptions = MicroscopeOptions(),  # noqa: B008
    shape: WholeThree | None = None,
    spacing: Three | None = None,
    tiff: Path | None = None,
    picture: Path | None = None,
) -> None:
    """Compute the PSF of a microscope from the numbers of its objective.

    Prints its widths, and how finely a stack must be sampled. `fit` and `render` take the file that
    it writes as --psf.

    Parameters
    ----------
    modality
        The kind of microscope.
    output
        The PSF file to write, .json: the numbers, from which every command computes the PSF anew.
    sigma
        Standard deviation in um along z, y and x (gaussian).
    options
        The microscope.
    shape
        Voxels of --tiff along z, y and x; by default as far as the light reaches, at most 129.
    spacing
        Voxel size of --tiff in um along z, y and x; by default as large as Nyquist allows.
    tiff
        Also write the PSF's voxels, which sum to 1, as an OME-TIFF.
    picture
        Also write a picture of the PSF and its transfer function, .png.
    """
    from napari_deltamic.cli.psf_facts import print_psf
    from napari_deltamic.cli.psf_files import save_picture
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.optics import save_psf
    from napari_deltamic.optics.width import fwhm_of
    from napari_deltamic.spacing import checked_spacing

    check_output_file("--output", output, ".json")
    if tiff is not None:
        check_output_file("--tiff", tiff, ".tif", ".tiff")
    elif shape is not None or spacing is not None:
        raise UsageError(f"{'--shape' if shape else '--spacing'}: goes with --tiff")
    if picture is not None:
        check_output_file("--picture", picture, ".png")
    psf = chosen_microscope("--modality", modality, options, sigma)
    if shape is not None and min(shape) < 2:
        raise UsageError(f"--shape: needs at least two voxels along every axis, got {shape}")
    if spacing is not None:
        checked_spacing(spacing)
    widths = fwhm_of(psf)
    save_psf(psf, output)
    written = [output]
    if tiff is not None:
        _write_voxels(tiff, psf, shape, spacing)
        written.append(tiff)
    if picture is not None:
        save_picture(picture, psf, output.stem, widths)
        written.append(picture)
    print_psf(f"{output.name}: {type(psf).__name__}", psf, widths)
    for path in written:
        say(f"Wrote {path}")


def _write_voxels(
    path: Path,
    psf: PSF,
    shape: tuple[int, int, int] | None,
    spacing: tuple[float, float, float] | None,
) -> None:
    import numpy as np

    from napari_deltamic.imaging import write_stack
    from napari_deltamic.optics.sampling import nyquist_spacing

    steps = nyquist_spacing(psf) if spacing is None else np.array(spacing)
    if shape is None:
        # Odd, so that the middle of the file is the middle of the PSF.
        wanted = 2 * np.ceil(psf.extent() / steps).astype(int) + 1
        z, y, x = np.clip(wanted, 3, _MOST_VOXELS).tolist()
        shape = (z, y, x)
    voxels = psf.sampled(shape, (float(steps[0]), float(steps[1]), float(steps[2])))
    write_stack(path, voxels.detach().cpu().numpy().astype(np.float32), steps)
