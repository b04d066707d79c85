"""Measure the PSF from a stack of beads: the average of all that show it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_deltamic.optics.bead_background import BackgroundKind
from napari_deltamic.optics.beads import FoundBeads, Rejected, find_beads
from napari_deltamic.optics.measured import MeasuredPSF
from napari_deltamic.optics.spectrum_noise import without_noise
from napari_deltamic.optics.spot import box_offsets, nearer
from napari_deltamic.optics.voxel_checks import checked_positive
from napari_deltamic.optics.width import fwhm_of
from napari_deltamic.spacing import checked_spacing

# The narrowest that a bead can look, over its diameter: through a PSF that is long along z, and a
# little less for noise.
_NARROWEST_BALL = 0.8
# Full widths at half maximum in um, across, that points have under some lens or other.
_POINTS = (0.05, 4.0)
# Half-size of the window, in full widths at half maximum.
_WINDOW = 4.0
# Voxels further away hardly matter to a quintic spline.
_SPLINE_REACH = 12


@dataclass(frozen=True)
class Bead:
    """One bead of an average."""

    position: NDArray[np.float64]
    """(3,) in um from the centre of voxel (0, 0, 0)."""
    fwhm: NDArray[np.float64]
    """(3,) full widths at half maximum in um, of a Gaussian fitted to it."""
    brightness: float
    """Height above the background."""
    snr: float
    """That height over the standard deviation of the background."""
    difference: float
    """What the average leaves of it, relative: root of the energies' ratio."""


@dataclass(frozen=True, eq=False)
class BeadMeasurement:
    """A PSF measured from beads, and what it was measured from."""

    psf: MeasuredPSF
    """The average without the noise that lies outside its band, centred; this is for use."""
    average: NDArray[np.float64]
    """(Z, Y, X) the average of the aligned beads as it is, the beads' centre in the middle."""
    spacing: NDArray[np.float64]
    """(3,) voxel size in um."""
    fwhm: NDArray[np.float64]
    """(3,) full widths at half maximum of ``psf`` in um, along z, y and x."""
    snr: float
    """Height of the average over the standard deviation of its background."""
    beads: list[Bead]
    """Those averaged, brightest first."""
    rejected: list[Rejected]
    """Bright spots left out, with reasons."""
    bead_diameter: float | None
    """In um, where it was given: divided out of ``psf``, not of ``average``."""
    windows: NDArray[np.float64]
    """(B, Z, Y, X) the beads as they were recorded, less the background, not resampled."""
    trusted: NDArray[np.bool_]
    """(B, Z, Y, X) False outside the stack and nearer to another bead."""
    places: NDArray[np.float64]
    """(B, 3) where each bead lies in its window, in um from the middle voxel."""
    noise: float
    """Standard deviation of a voxel's background."""


def measure_psf(
    image: ArrayLike,
    spacing: ArrayLike,
    *,
    positions: ArrayLike | None = None,
    bead_diameter: float | None = None,
    window: ArrayLike | None = None,
    threshold: float = 6.0,
    separation: float = 3.0,
    saturation: float | None = None,
    background: BackgroundKind = "planes",
) -> BeadMeasurement:
    """Measure the PSF from a stack of beads.

    Beads are found and judged, the background is taken off, each bead is resampled by a quintic
    spline to put its centre in the middle of a voxel, and the average weighs them by brightness,
    which is by their signal-to-noise ratio.

    Parameters
    ----------
    image
        (Z, Y, X) beads; one will do.
    spacing
        (3,) voxel size in um.
    positions, threshold, separation, saturation, background
        See :func:`find_beads`.
    bead_diameter
        In um. Where it is given, the beads' size is divided out of the PSF as far as the noise
        allows. Beads of less than a third of the PSF's width hardly matter.
    window
        (3,) half-size of the PSF's voxels in um; by default four full widths at half maximum, and
        less, with a warning, where no bead has so much of the stack on both sides.

    Raises
    ------
    ValueError
        If no bead fit for use is found, the message says what there was; or if the beads look
        smaller than ``bead_diameter``.
    """
    steps = checked_spacing(spacing)
    if bead_diameter is not None:
        checked_positive("bead_diameter", bead_diameter)
    found = find_beads(
        image,
        steps,
        positions=positions,
        threshold=threshold,
        separation=separation,
        saturation=saturation,
        background=background,
    )
    if len(found.positions) == 0:
        raise ValueError(_no_bead(found))
    usual = np.median(found.fwhm, axis=0)
    _check_widths(usual, bead_diameter)
    signal = np.asarray(image, dtype=np.float64) - found.background.level
    centres = found.positions / steps
    half = _half_size(centres, signal.shape, usual, steps, window)
    aligned, covered = _aligned(signal, found, half, steps, usual)
    average, strength = _averaged(aligned, covered, found.brightness)
    height = float(average[tuple(half)])
    psf = MeasuredPSF(without_noise(average, steps, bead_diameter), steps)
    windows, trusted, places = _recorded(signal, found, half, steps, usual)
    return BeadMeasurement(
        psf=psf,
        average=average,
        spacing=steps,
        fwhm=fwhm_of(psf),
        snr=height * float(np.sqrt(strength[tuple(half)])) / found.background.noise,
        beads=_described(found, _differences(aligned, covered, average)),
        rejected=found.rejected,
        bead_diameter=bead_diameter,
        windows=windows,
        trusted=trusted,
        places=places,
        noise=found.background.noise,
    )


def _described(found: FoundBeads, differences: list[float]) -> list[Bead]:
    snr = found.brightness / found.background.noise
    return [
        Bead(position, width, float(height), float(ratio), difference)
        for position, width, height, ratio, difference in zip(
            found.positions, found.fwhm, found.brightness, snr, differences, strict=True
        )
    ]


def _check_widths(fwhm: NDArray[np.float64], bead_diameter: float | None) -> None:
    """Refuse a diameter that beads so wide cannot have; warn of widths that no point has."""
    if bead_diameter is not None and _NARROWEST_BALL * bead_diameter > fwhm.min():
        raise ValueError(
            f"bead_diameter: beads of {bead_diameter:g} um cannot look {fwhm.min():.2g} um wide, "
            "as these do; expected um, 100 nm are 0.1"
        )
    _, y, x = fwhm
    if not (_POINTS[0] <= min(y, x) and max(y, x) <= _POINTS[1]):
        warnings.warn(
            f"image: its spots are {y:.2g} x {x:.2g} um wide (y, x), as points are under no lens; "
            "are these beads, and is the voxel size right, in um?",
            stacklevel=3,
        )


def _no_bead(found: FoundBeads) -> str:
    if not found.rejected:
        return (
            "image: no bead stands out of the noise; choose the channel and the frame of the "
            "beads, lower threshold, or pass positions"
        )
    reasons = "; ".join(
        f"({', '.join(f'{at:.2f}' for at in spot.position)}) um: {spot.reason}"
        for spot in found.rejected[:5]
    )
    crowded = any("another bead" in spot.reason for spot in found.rejected)
    advice = "; record beads further apart, or lower separation" if crowded else ""
    return f"image: no bright spot shows the PSF ({reasons}){advice}"


def _half_size(
    centres: NDArray[np.float64],
    shape: tuple[int, ...],
    fwhm: NDArray[np.float64],
    steps: NDArray[np.float64],
    window: ArrayLike | None,
) -> NDArray[np.intp]:
    """Return (3,) half of the window in voxels, no more than some bead has on either side."""
    lengths = _WINDOW * fwhm if window is None else np.asarray(window, dtype=np.float64)
    if lengths.shape != (3,) or not np.isfinite(lengths).all() or (lengths <= 0).any():
        raise ValueError(f"window: expected three positive half-sizes in um, got {window}")
    wanted = np.maximum(np.round(lengths / steps).astype(int), 2)
    room = np.minimum(centres.max(axis=0), (np.array(shape) - 1 - centres).max(axis=0))
    # A missing fraction of a voxel is not worth a plane.
    half: NDArray[np.intp] = np.minimum(wanted, np.maximum(np.ceil(room - 0.5).astype(int), 1))
    cut = [
        f"{length:.2f} um along {name}"
        for name, length, less in zip("zyx", half * steps, half < wanted, strict=True)
        if less
    ]
    if cut:
        warnings.warn(
            f"image: it ends {' and '.join(cut)} from the beads, so the PSF is cut there; record "
            "more around the beads for its faint parts",
            stacklevel=3,
        )
    return half


def _aligned(
    signal: NDArray[np.float64],
    found: FoundBeads,
    half: NDArray[np.intp],
    steps: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (B, Z, Y, X) the beads with their centres in the middle, and where they count."""
    shape = np.array(signal.shape)
    offsets = box_offsets(half)
    aligned, covered = [], []
    for position in found.positions:
        points = position / steps + offsets
        first = np.maximum(np.floor(points[0]).astype(int) - _SPLINE_REACH, 0)
        last = np.minimum(np.ceil(points[-1]).astype(int) + _SPLINE_REACH + 1, shape)
        z, y, x = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        values = ndimage.map_coordinates(
            signal[z, y, x], (points - first).T, order=5, mode="mirror"
        )
        aligned.append(values.reshape(2 * half + 1))
        inside = ((points >= -0.5) & (points <= shape - 0.5)).all(axis=1)
        own = inside & nearer(points * steps, position, _others(found, position), scale)
        covered.append(own.reshape(2 * half + 1))
    return np.array(aligned), np.array(covered)


def _recorded(
    signal: NDArray[np.float64],
    found: FoundBeads,
    half: NDArray[np.intp],
    steps: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Return windows of the voxels as recorded, where they count, and each bead's place in it."""
    offsets = box_offsets(half)
    windows, trusted, places = [], [], []
    for position in found.positions:
        middle = np.round(position / steps).astype(int)
        voxels = middle + offsets
        inside = ((voxels >= 0) & (voxels < signal.shape)).all(axis=1)
        kept = np.clip(voxels, 0, np.array(signal.shape) - 1)
        windows.append(np.where(inside, signal[tuple(kept.T)], 0.0).reshape(2 * half + 1))
        own = inside & nearer(voxels * steps, position, _others(found, position), scale)
        trusted.append(own.reshape(2 * half + 1))
        places.append(position - middle * steps)
    return np.array(windows), np.array(trusted), np.array(places)


def _others(found: FoundBeads, position: NDArray[np.float64]) -> NDArray[np.float64]:
    everything = found.neighbours()
    others: NDArray[np.float64] = everything[(everything != position).any(axis=1)]
    return others


def _averaged(
    aligned: NDArray[np.float64],
    covered: NDArray[np.bool_],
    brightness: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the average of beads scaled to equal height, and how many times 1 / noise^2 it has."""
    weights = brightness[:, None, None, None] * covered
    # The least-squares estimate: a bead of twice the height counts four times.
    strength = (weights**2).sum(axis=0)
    total = (weights * aligned).sum(axis=0)
    return np.divide(total, strength, out=np.zeros_like(total), where=strength > 0), strength


def _differences(
    aligned: NDArray[np.float64], covered: NDArray[np.bool_], average: NDArray[np.float64]
) -> list[float]:
    result: list[float] = []
    for bead, own in zip(aligned, covered, strict=True):
        light, model = bead[own], average[own]
        scale = float(light @ model / (model @ model))
        result.append(float(np.linalg.norm(light - scale * model) / np.linalg.norm(light)))
    return result
