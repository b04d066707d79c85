"""PSFs as the command line names them, and the pictures it makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Group

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.values import Three
from napari_deltamic.replacing import replacing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_deltamic.optics import PSF

DPI = 110
BLUR = Group("Blur (one of these)", sort_key=1)


def chosen_psf(sigma: Three | None, psf: Path | None) -> PSF:
    """Return the PSF of a file, or the Gaussian of some widths.

    Raises
    ------
    UsageError
        If not exactly one of the two is given.
    """
    from napari_deltamic.optics import GaussianPSF, load_psf

    if psf is not None and sigma is None:
        return load_psf(psf)
    if sigma is not None and psf is None:
        return GaussianPSF(sigma)
    raise UsageError(
        "give the blur once: --sigma Z Y X in um, or --psf with a file that napari-deltamic psf "
        f"has made; {'none was' if psf is None else 'both were'} given"
    )


def save_picture(
    path: Path, psf: PSF, title: str, widths: NDArray[np.float64] | None = None
) -> None:
    """Write the picture of a PSF."""
    from napari_deltamic.cli.psf_picture import draw_psf

    with replacing(path) as name:
        draw_psf(psf, title, widths).savefig(name, dpi=DPI)


def save_pair(
    path: Path,
    pair: tuple[PSF, PSF],
    titles: tuple[str, str],
    widths: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Write the picture of two PSFs."""
    from napari_deltamic.cli.psf_picture import draw_two

    figure = draw_two(pair, titles, widths)
    with replacing(path) as name:
        figure.savefig(name, dpi=DPI)
