"""Pictures of a PSF as arrays, one after the other: a quick look first, then what takes longer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.psf_choice import PsfChoice

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF

VOXELS = 64
# A PSF that is not round takes longer, so it is first drawn on half as many voxels a side.
_QUICK_VOXELS = 32
_FREQUENCIES = 97
_DISC = "SpinningDiscPSF"
# How far the pictures reach: across in wavelengths over the aperture, and of the axial reach.
_ACROSS, _ALONG = 1.6, 0.55
# No wider than these many of the largest voxels that lose nothing, so that none is missed.
_MOST_STEPS = 30.0
_MARGIN = 5


class Sections(NamedTuple):
    """A PSF on its central planes."""

    planes: dict[str, NDArray[np.float32]]
    """By name, such as "xz", x along the columns; the peak is 1."""
    steps: tuple[float, float, float]
    """Between voxels, in um."""
    fwhm: NDArray[np.float64] | None
    """(3,) in um, None where the PSF is wider than the picture."""
    nyquist: NDArray[np.float64]
    """(3,) the largest voxels in um that lose nothing."""
    is_final: bool
    """False for the quick look."""


class Transfer(NamedTuple):
    """The OTF on its central plane of kz and kx."""

    magnitude: NDArray[np.float32]
    """(Kz, Kx) from minus to plus the reach."""
    reach: tuple[float, float]
    """Along kz and kx, in cycles/um."""


class Volume(NamedTuple):
    """A PSF on voxels."""

    voxels: NDArray[np.float32]
    """The peak is 1; centred on voxel ``VOXELS // 2``."""
    steps: tuple[float, float, float]
    """In um."""


def drawing(choice: PsfChoice) -> Iterator[Sections | Transfer]:
    """Yield pictures of a PSF; the first one comes soon.

    Raises
    ------
    ValueError
        If the numbers do not go together.
    """
    import torch

    from napari_deltamic.optics.sampling import nyquist_spacing

    psf = choice.make().float()
    with torch.no_grad():
        nyquist = nyquist_spacing(psf)
        reach = _reach(psf, nyquist)
    if getattr(psf, "is_round", True):
        yield _sections(psf, reach, nyquist, VOXELS)
    else:
        is_disc = choice.class_name == _DISC
        quick = _without_neighbours(choice).make().float() if is_disc else psf
        yield _sections(quick, reach, nyquist, _QUICK_VOXELS, is_final=False)
        # The haze of a disc's other pinholes comes from far away, and takes ten times as long.
        yield _sections(psf, reach, nyquist, _QUICK_VOXELS if is_disc else VOXELS)
    yield _transfer(psf, nyquist)


def volume(choice: PsfChoice) -> Volume:
    """Return a PSF on the voxels that the pictures are drawn from."""
    import torch

    from napari_deltamic.optics.sampling import nyquist_spacing

    psf = choice.make().float()
    with torch.no_grad():
        voxels, steps = _sampled(psf, _reach(psf, nyquist_spacing(psf)), VOXELS)
    return Volume(voxels, steps)


def _without_neighbours(choice: PsfChoice) -> PsfChoice:
    """Return about the same as a spinning disc, but for the haze of neighbouring pinholes."""
    numbers = dict(choice.arguments)
    diameter = numbers.pop("pinhole_diameter", 50.0) / numbers.pop("magnification")
    numbers.pop("pinhole_pitch", None)
    numbers["pinhole"] = diameter * numbers["na"] / (1.22 * numbers["emission_wavelength"])
    return PsfChoice("ConfocalPSF", numbers)


def _reach(psf: PSF, nyquist: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (3,) how far from the centre the pictures reach, in um."""
    from napari_deltamic.optics.microscope import MicroscopePSF

    if not isinstance(psf, MicroscopePSF):
        return psf.extent()
    layout, numbers = psf.layout(), psf.arguments()
    wavelength = float(np.mean([float(beam) for beam in psf.beams()]))
    aperture = min(numbers["na"], numbers["sample_index"], numbers["coverslip_index"])
    across = _ACROSS * wavelength / aperture
    # An aberrated PSF is followed farther along the axis, and is wider too.
    cosine = float(np.sqrt(1.0 - min(aperture / numbers["immersion_index"], 0.99) ** 2))
    usual = 5.0 * wavelength / (numbers["immersion_index"] * (1.0 - cosine))
    across *= max(1.0, layout.axial_reach / usual)
    wanted = np.array([_ALONG * layout.axial_reach, across, across])
    return np.minimum(wanted, _MOST_STEPS * nyquist)


def _sampled(
    psf: PSF, reach: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    z, y, x = (2.0 * reach / count).tolist()
    voxels = psf.sampled((count, count, count), (z, y, x)).detach().cpu().numpy()
    return (voxels / voxels.max()).astype(np.float32), (z, y, x)


def _sections(
    psf: PSF,
    reach: NDArray[np.float64],
    nyquist: NDArray[np.float64],
    count: int,
    *,
    is_final: bool = True,
) -> Sections:
    import torch

    with torch.no_grad():
        voxels, steps = _sampled(psf, reach, count)
    middle = count // 2
    planes = {
        "xy": voxels[middle],
        "yz": np.ascontiguousarray(voxels[:, :, middle].T),
        "xz": np.ascontiguousarray(voxels[:, middle]),
    }
    return Sections(planes, steps, _fwhm(voxels, steps), nyquist, is_final)


def _fwhm(
    voxels: NDArray[np.float32], steps: tuple[float, float, float]
) -> NDArray[np.float64] | None:
    from napari_deltamic.optics.width import fwhm

    # Splines through all voxels would take longer than the PSF itself.
    kept = []
    for axis in range(3):
        bright = np.flatnonzero(voxels.max(axis=tuple(i for i in range(3) if i != axis)) > 0.3)
        kept.append(slice(max(int(bright[0]) - _MARGIN, 0), int(bright[-1]) + _MARGIN + 1))
    try:
        return fwhm(voxels[tuple(kept)], steps)
    except ValueError:
        return None


def _transfer(psf: PSF, nyquist: NDArray[np.float64]) -> Transfer:
    import torch

    z, _, x = (1.05 * 0.5 / nyquist).tolist()
    kz = torch.linspace(-z, z, _FREQUENCIES)
    kx = torch.linspace(0.0, x, _FREQUENCIES // 2 + 1)
    grid = torch.stack(torch.meshgrid(kz, torch.zeros(1), kx, indexing="ij"), dim=-1)
    with torch.no_grad():
        half = psf.otf(grid)[:, 0].abs().float().cpu().numpy()
    # The transform of what is real is the same, but for the phase, at opposite frequencies.
    whole = np.hstack([half[::-1, :0:-1], half])
    return Transfer(np.ascontiguousarray(whole), (z, x))
