"""What is told about a PSF on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_deltamic.cli.tables import print_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_deltamic.optics import PSF


def print_psf(title: str, psf: PSF, widths: NDArray[np.float64]) -> None:
    """Print what a user wants to know of a PSF.

    Parameters
    ----------
    title
        Of the table.
    psf
        The PSF.
    widths
        (3,) its full widths at half maximum in um.
    """
    from napari_deltamic.optics.microscope import MicroscopePSF
    from napari_deltamic.optics.sampling import nyquist_spacing

    rows = [
        ("full width at half maximum (z, y, x)", lengths(widths)),
        ("voxels at most (Nyquist; z, y, x)", lengths(nyquist_spacing(psf))),
        ("99.9 % of the light within ± (z, y, x)", lengths(psf.extent())),
    ]
    if isinstance(psf, MicroscopePSF):
        depth, seen = psf.arguments()["depth"], float(psf.apparent_depth().detach())
        if depth or abs(seen) > 1e-3:
            rows.append(("depth below the coverslip", f"{depth:.4g} µm"))
            rows.append(("in focus after the stage has moved", f"{seen:.4g} µm"))
    print_table(title, ("", ""), rows, words=2)


def lengths(values: Sequence[float] | NDArray[np.float64]) -> str:
    """Return lengths as words."""
    return " x ".join(f"{value:#.3g}".rstrip(".") for value in values) + " µm"
