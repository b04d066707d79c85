"""Find the beads of a stack that show the PSF, and say why others do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_deltamic.optics.bead_background import (
    Background,
    BackgroundKind,
    away_from,
    dark_background,
)
from napari_deltamic.optics.spot import Spot, fit_spot
from napari_deltamic.optics.voxel_checks import checked_positive, checked_volume
from napari_deltamic.optics.width import SIGMA_OF_FWHM
from napari_deltamic.spacing import checked_spacing

# What so near to a brighter bead is so faint is a ring of it, or a star.
_LOBE_REACH = 4.0
_LOBE_BRIGHTNESS = 0.25
# Nearer to the border than this, in widths at half maximum, too much of a bead is missing.
_BORDER = np.array([1.0, 1.5, 1.5])
# Beads of one size look alike; what is so much wider than most is no single bead.
_WIDER = 1.3
_ENOUGH_TO_COMPARE = 3
_LARGEST_COUNTS = [float(2**bits - 1) for bits in (8, 10, 12, 14, 16)]
_BRIGHTEST = 12
# How far the light of a bead reaches that the background must not hold, in widths.
_REACH = 4.0


class Rejected(NamedTuple):
    """A bright spot that does not show the PSF."""

    position: NDArray[np.float64]
    """(3,) in um from the centre of voxel (0, 0, 0)."""
    reason: str
    """For people to read."""
    side_lobe: bool = False
    """Whether it is thought to be light of a brighter bead near by."""


class FoundBeads(NamedTuple):
    """The beads of a stack; lengths in um."""

    positions: NDArray[np.float64]
    """(N, 3) of those that are fit for use, brightest first, from the centre of voxel (0, 0, 0)."""
    fwhm: NDArray[np.float64]
    """(N, 3) full widths at half maximum, of a Gaussian fitted to each."""
    brightness: NDArray[np.float64]
    """(N,) height of each above the background."""
    rejected: list[Rejected]
    """The other bright spots."""
    background: Background
    """Of the stack without the beads."""

    def neighbours(self) -> NDArray[np.float64]:
        """Return (M, 3) all beads, fit for use or not."""
        others = [spot.position[None] for spot in self.rejected if not spot.side_lobe]
        return np.vstack([self.positions, *others])


def find_beads(
    image: ArrayLike,
    spacing: ArrayLike,
    *,
    positions: ArrayLike | None = None,
    threshold: float = 6.0,
    separation: float = 3.0,
    saturation: float | None = None,
    background: BackgroundKind = "planes",
) -> FoundBeads:
    """Find beads and judge which of them show the PSF.

    Parameters
    ----------
    image
        (Z, Y, X) beads smaller than the PSF, or not much larger.
    spacing
        (3,) voxel size in um.
    positions
        (N, 3) in um, roughly: beads to judge instead of looking for them.
    threshold
        How many standard deviations of a voxel's noise a bead must stand out by.
    separation
        How far apart two beads must be, in full widths at half maximum.
    saturation
        Counts at which the camera or detector ends. By default the largest number of 8, 10, 12, 14
        or 16 bits, where the brightest voxel is exactly that.
    background
        "planes" takes one level for each plane, "constant" one for the stack. A widefield stack
        wants the second: there a bead's light is spread over whole planes.

    Returns
    -------
    FoundBeads
        Perhaps without a single bead; those rejected come with reasons.

    Raises
    ------
    ValueError
        If the image is not a finite volume of three voxels along each axis, or an argument is
        impossible.
    """
    volume = checked_volume("image", image)
    if min(volume.shape) < 3:
        raise ValueError(f"image: needs at least three voxels along every axis, got {volume.shape}")
    steps = checked_spacing(spacing)
    checked_positive("threshold", threshold)
    checked_positive("separation", separation)
    if saturation is not None:
        checked_positive("saturation", saturation)
    if background not in ("planes", "constant"):
        raise ValueError(f"background: expected 'planes' or 'constant', got {background!r}")
    whole = np.asarray(image).dtype.kind in "biu" or not (volume % 1.0).any()
    everywhere = np.ones(volume.shape[1:], dtype=bool)
    ground = dark_background(volume, whole, background, everywhere)
    given = None if positions is None else _checked_positions(positions) / steps
    candidates, fwhm = _candidates(volume - ground.level, threshold * ground.noise, given)
    if len(candidates):
        away = away_from(candidates, volume.shape, _REACH * fwhm)
        ground = dark_background(volume, whole, background, away)
    signal = volume - ground.level
    judged = _fitted(signal, candidates, fwhm, look_for_lobes=given is None)
    full = _full_scale(volume, saturation) - ground.level
    for bead in judged:
        if bead.reason is None:
            bead.reason = _alone(signal, bead.spot, fwhm, full, threshold * ground.noise)
    _compare(judged, fwhm, steps, separation)
    good = [bead.spot for bead in judged if bead.reason is None and bead.spot is not None]
    good.sort(key=lambda spot: -spot.amplitude)
    return FoundBeads(
        np.array([spot.place for spot in good]).reshape(-1, 3) * steps,
        np.array([spot.fwhm for spot in good]).reshape(-1, 3) * steps,
        np.array([spot.amplitude for spot in good]),
        [
            Rejected(bead.place * steps, bead.reason, bead.side_lobe)
            for bead in judged
            if bead.reason is not None
        ],
        ground,
    )


@dataclass
class _Judged:
    """A bright spot on its way to a verdict."""

    candidate: NDArray[np.float64]
    spot: Spot | None = None
    reason: str | None = None
    side_lobe: bool = False

    @property
    def place(self) -> NDArray[np.float64]:
        """(3,) in voxels, as well as it is known."""
        return self.candidate if self.spot is None else self.spot.place


def _fitted(
    signal: NDArray[np.float64],
    candidates: NDArray[np.float64],
    fwhm: NDArray[np.float64],
    *,
    look_for_lobes: bool,
) -> list[_Judged]:
    """Return the bright spots with a Gaussian fitted to each, side lobes apart."""
    judged = [_Judged(place) for place in candidates]
    lobes = np.zeros(len(candidates), dtype=bool)
    if look_for_lobes and len(candidates):
        lobes = _side_lobes(signal, candidates, fwhm)
    last = np.array(signal.shape) - 1
    for i, bead in enumerate(judged):
        if ((bead.candidate < -0.5) | (bead.candidate > last + 0.5)).any():
            bead.reason = "outside the stack"
            continue
        if lobes[i]:
            bead.side_lobe = True
            bead.reason = "much fainter than one near by: a ring of it, not a bead"
            continue
        others = candidates[~lobes & (np.arange(len(candidates)) != i)]
        bead.spot = fit_spot(signal, bead.candidate, fwhm, others)
    return judged


def _candidates(
    signal: NDArray[np.float64], level: float, given: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (N, 3) places of bright spots and (3,) their usual width, in voxels."""
    calm = ndimage.gaussian_filter(signal, 0.8)
    if given is not None:
        inside = np.clip(np.round(given).astype(int), 0, np.array(signal.shape) - 1)
        return given, _usual_width(calm, inside)
    first = _maxima(calm, np.full(3, 1.0), level)
    if len(first) == 0:
        return first.astype(np.float64), np.ones(3)
    fwhm = _usual_width(calm, first)
    # Half a bead's width keeps its height, and noise does not make two of it.
    blurred = ndimage.gaussian_filter(signal, 0.5 * SIGMA_OF_FWHM * fwhm)
    return _maxima(blurred, 0.6 * fwhm, level).astype(np.float64), fwhm


def _maxima(
    image: NDArray[np.float64], radii: NDArray[np.float64], level: float
) -> NDArray[np.intp]:
    """Return (N, 3) voxels above a level, the highest within a box, the highest first."""
    size = 2 * np.maximum(np.ceil(radii), 1).astype(int) + 1
    highest = ndimage.maximum_filter(image, size=size.tolist(), mode="constant", cval=-np.inf)
    found = np.argwhere((image >= highest) & (image > level))
    return found[np.argsort(-image[tuple(found.T)], kind="stable")]


def _usual_width(calm: NDArray[np.float64], places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return (3,) the median full width at half maximum of the brightest spots, in voxels."""
    widths = []
    for place in places[:_BRIGHTEST]:
        half = 0.5 * calm[tuple(place)]
        found = []
        for axis in range(3):
            line = np.moveaxis(calm, axis, 0)[(slice(None), *np.delete(place, axis))]
            below = np.flatnonzero(line < half)
            before, after = below[below < place[axis]], below[below > place[axis]]
            left = before[-1] if len(before) else -1
            right = after[0] if len(after) else len(line)
            found.append(float(right - left - 1))
        widths.append(found)
    return np.maximum(np.median(widths, axis=0), 1.5)


def _side_lobes(
    signal: NDArray[np.float64], places: NDArray[np.float64], fwhm: NDArray[np.float64]
) -> NDArray[np.bool_]:
    blurred = ndimage.gaussian_filter(signal, 0.5 * SIGMA_OF_FWHM * fwhm)
    brightness = blurred[tuple(places.astype(int).T)]
    result = np.zeros(len(places), dtype=bool)
    for i, place in enumerate(places):
        distance = np.linalg.norm((places - place) / fwhm, axis=1)
        brighter = brightness * _LOBE_BRIGHTNESS > brightness[i]
        result[i] = bool((brighter & (distance < _LOBE_REACH)).any())
    return result


def _full_scale(volume: NDArray[np.float64], saturation: float | None) -> float:
    if saturation is not None:
        return float(saturation)
    brightest = float(volume.max())
    return brightest if brightest in _LARGEST_COUNTS else float("inf")


def _alone(
    signal: NDArray[np.float64],
    spot: Spot | None,
    fwhm: NDArray[np.float64],
    full: NDArray[np.float64],
    level: float,
) -> str | None:
    """Return why a bead by itself does not show the PSF, or None if it does."""
    if spot is None:
        return "no round spot: a Gaussian does not fit it"
    shape = np.array(signal.shape)
    space = np.minimum(spot.place, shape - 1 - spot.place) / fwhm
    short = np.flatnonzero(space < _BORDER)
    if len(short):
        axis = int(short[0])
        return (
            f"too near the border along {'zyx'[axis]}: {max(space[axis], 0.0):.1f} of its widths, "
            f"at least {_BORDER[axis]:g} are needed"
        )
    if spot.amplitude < level:
        return "too faint against the noise"
    half = np.ceil(fwhm).astype(int)
    first = np.maximum(np.round(spot.place).astype(int) - half, 0)
    z, y, x = (slice(int(a), int(a + 2 * h + 1)) for a, h in zip(first, half, strict=True))
    saturated = int((signal[z, y, x] >= full[z]).sum())
    if saturated:
        return f"saturated: as bright as the detector goes in {saturated} of its voxels"
    return None


def _compare(
    judged: list[_Judged],
    fwhm: NDArray[np.float64],
    steps: NDArray[np.float64],
    separation: float,
) -> None:
    """Reject beads that lie too close together, and those that are wider than most."""
    real = [bead for bead in judged if bead.spot is not None]
    for bead in real:
        apart = [np.linalg.norm((bead.place - other.place) / fwhm) for other in real]
        nearest = min(
            (j for j in range(len(real)) if real[j] is not bead),
            default=None,
            key=apart.__getitem__,
        )
        if nearest is None or apart[nearest] >= separation or bead.reason is not None:
            continue
        distance = np.linalg.norm((bead.place - real[nearest].place) * steps)
        bead.reason = (
            f"another bead is {distance:.2g} um away, {apart[nearest]:.1f} widths; at least "
            f"{separation:g} are needed"
        )
    good = [(bead, bead.spot) for bead in real if bead.reason is None and bead.spot is not None]
    if len(good) < _ENOUGH_TO_COMPARE:
        return
    widths = np.array([spot.fwhm for _, spot in good])
    for (bead, _), ratio in zip(
        good, (widths / np.median(widths, axis=0)).max(axis=1), strict=True
    ):
        if ratio > _WIDER:
            bead.reason = f"{ratio:.1f} times as wide as most: two beads in one, or a clump"


def _checked_positions(positions: ArrayLike) -> NDArray[np.float64]:
    places = np.asarray(positions, dtype=np.float64)
    if places.ndim != 2 or places.shape[1:] != (3,) or not np.isfinite(places).all():
        raise ValueError(f"positions: expected (N, 3) in um, (z, y, x), got shape {places.shape}")
    return places
