"""What real beads say about the PSF, and how well models follow them.

Run as ``python benchmarks/bench_beads.py`` where the folder of real data is.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from machine import describe

from napari_deltamic.imaging.local_data import DATASETS, fetch
from napari_deltamic.imaging.reading import read_stack
from napari_deltamic.optics import ConfocalPSF, GaussianPSF
from napari_deltamic.optics.bead_average import BeadMeasurement, measure_psf
from napari_deltamic.optics.match_result import Match
from napari_deltamic.optics.matching import match_psf
from napari_deltamic.optics.psf import PSF

NAME = "beads_confocal.tif"
FREE = ("na", "pinhole", "zernike")
# Astigmatism, coma and spherical aberration.
ABERRATIONS = {5: 0.0, 6: 0.0, 7: 0.0, 8: 0.0, 11: 0.0}


def confocal(model: str, aberrations: dict[int, float]) -> ConfocalPSF:
    """Return what the microscope is thought to be; the file does not say."""
    return ConfocalPSF(
        na=1.4,
        excitation_wavelength=0.488,
        emission_wavelength=0.52,
        model=model,
        aberrations=aberrations,
    )


def with_aberrations(psf: ConfocalPSF, polarisation: float | None) -> ConfocalPSF:
    """Return a fitted round model with the other aberrations too."""
    aberrations = ABERRATIONS | psf.arguments()["aberrations"]
    more = {"aberrations": aberrations, "polarisation": polarisation}
    return ConfocalPSF(**psf.arguments() | more)


def row(name: str, match: Match, seconds: float) -> str:
    values = ", ".join(f"{key} {estimate.value:.3g}" for key, estimate in match.values.items())
    settled = "" if match.converged else ", did not settle"
    limits = f", at its limit: {', '.join(match.at_bounds)}" if match.at_bounds else ""
    return (
        f"{name:<34}{match.residual:>9.3f}   {um(match.fwhm)}{seconds:>8.1f}   "
        f"{values}{settled}{limits}"
    )


def um(lengths: np.ndarray) -> str:
    return "  ".join(f"{length:.3f}" for length in lengths)


def compare(measured: BeadMeasurement) -> None:
    title = "fitted to the four beads together"
    print(f"{title:<34}{'residual':>9}   {'FWHM z, y, x / um':<21}{'s':>8}")

    def fitted(name: str, psf: PSF, names: tuple[str, ...] | None = None) -> Match:
        start = time.perf_counter()
        match = match_psf(psf, measured, names=names)
        print(row(name, match, time.perf_counter() - start), flush=True)
        return match

    fitted("the average itself", measured.psf)
    fitted("Gaussian", GaussianPSF((0.25, 0.1, 0.1)))
    fitted("Gaussian, tilted", GaussianPSF(covariance=np.diag([0.06, 0.01, 0.01])))
    fitted("confocal, scalar, spherical", confocal("pupil", {11: 0.0}), FREE)
    found = fitted("confocal, vectorial, spherical", confocal("richards_wolf", {11: 0.0}), FREE)
    fitted("the same, five modes", with_aberrations(found.psf, None), FREE)
    # Longer along y than along x: so is the spot of a laser that is polarised along y.
    fitted("the same, polarised", with_aberrations(found.psf, 90.0), FREE)


def main() -> None:
    print(describe("torch", "scipy"))
    try:
        path = fetch(NAME, download=False)
    except FileNotFoundError as absent:
        print(f"skipped: {absent}")
        return
    stack = read_stack(path, spacing=DATASETS[NAME].spacing)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        measured = measure_psf(stack.data, stack.spacing)
    print(f"{NAME}: measured in {time.perf_counter() - start:.1f} s")
    for warning in caught:
        print(f"  warning: {warning.message}")
    print(f"beads used {len(measured.beads)}, rejected {len(measured.rejected)}")
    for bead in measured.beads:
        print(
            f"  at {um(bead.position)} um: SNR {bead.snr:5.0f}, FWHM {um(bead.fwhm)} um, "
            f"differs from the average by {bead.difference:.3f}"
        )
    print(f"average: SNR {measured.snr:.0f}, FWHM {um(measured.fwhm)} um")
    compare(measured)


if __name__ == "__main__":
    main()
