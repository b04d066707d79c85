"""Fit the parameters of any PSF model to beads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.optics.ball import ball_transform
from napari_deltamic.optics.bead_average import BeadMeasurement
from napari_deltamic.optics.bounded_fit import Fitted, minimised
from napari_deltamic.optics.match_result import (
    Estimate,
    Match,
    MatchProgress,
    MatchStoppedError,
)
from napari_deltamic.optics.measured import MeasuredPSF, bright_centre
from napari_deltamic.optics.otf_image import PointImages, band_of
from napari_deltamic.optics.psf import PSF
from napari_deltamic.optics.quantities import (
    Quantity,
    called_with,
    chosen_quantities,
    raw_values,
    with_raw_values,
)
from napari_deltamic.optics.voxel_checks import checked_positive, checked_volume
from napari_deltamic.optics.width import fwhm_of
from napari_deltamic.spacing import checked_spacing

# A shift of the whole image is one of the position, which is fitted anyway. The others stand in a
# data sheet, or change the image as the aperture or spherical aberration does.
_LEFT_ALONE = {
    *("zernike_2", "zernike_3", "zernike_4"),
    *("wavelength", "excitation_wavelength", "emission_wavelength"),
    *("pinhole_diameter", "pinhole_pitch", "polarisation"),
    *("immersion_index", "sample_index", "coverslip_index", "coverslip_thickness", "depth"),
}
# Room for wide priors: a value may move by this many of their widths at most.
_WIDTHS = 8.0
# Derivatives of the OTF hold while all quantities stay within this share of their prior widths.
_NEAR = 0.2
# What a quantity is moved by for its derivative, in prior widths.
_DIFFERENCE = 0.02


class _Beads(NamedTuple):
    windows: NDArray[np.float64]
    trusted: NDArray[np.bool_]
    places: NDArray[np.float64]
    spacing: NDArray[np.float64]
    diameter: float | None


def match_psf(
    model: PSF,
    beads: BeadMeasurement | MeasuredPSF | ArrayLike,
    spacing: ArrayLike | None = None,
    *,
    names: Iterable[str] | None = None,
    bead_diameter: float | None = None,
    max_steps: int = 30,
    on_progress: Callable[[MatchProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Match:
    """Fit a model's quantities, and each bead's position, light and background, to beads.

    Parameters
    ----------
    model
        Any PSF with quantities; left as it is. Its values are where the fit begins and what is
        thought likely.
    beads
        A measurement, whose beads are then fitted together as they were recorded; a measured PSF;
        or (Z, Y, X) an image of one bead.
    spacing
        (3,) voxel size in um, with an image only.
    names
        Quantities, or groups of them, to fit. By default what beads tell and no data sheet does:
        a Gaussian's widths; a microscope's aperture, pinhole in Airy units, sheet and Zernike
        modes, but for those that only shift the image.
    bead_diameter
        Of the beads in um; an evenly bright ball of that size is imaged. By default that of the
        measurement, or a point: the size of beads below a third of the PSF's width cannot be
        told from a wider PSF, so nothing is guessed.
    max_steps
        Of each of the fit's two rounds, after which it is left as it is.
    on_progress
        Called after each step.
    should_stop
        Asked before each image and each OTF that is computed, many times a second.

    Raises
    ------
    ValueError
        If the model has no such quantity, the image no bead, or an argument is impossible.
    MatchStoppedError
        If ``should_stop`` said yes.

    Notes
    -----
    Levenberg and Marquardt's method within the quantities' bounds, on the least-squares misfit of
    all voxels plus the squared deviations of the quantities from where they began, over their
    prior widths. The noise that weighs the two is what the fit itself leaves, so that quantities
    which the beads do not tell apart, such as aperture and wavelength, stay near what was known.
    Light and background are solved for exactly at each step (variable projection).
    """
    data = _as_beads(beads, spacing, bead_diameter)
    quantities = _quantities(model, names)
    problem = _Problem(model, quantities, data, on_progress, should_stop)
    # The first fit leaves better an estimate of the noise than what it began with.
    rough = problem.fitted(problem.start(), max_steps)
    return problem.match(problem.fitted(rough.x, max_steps))


def _as_beads(
    beads: BeadMeasurement | MeasuredPSF | ArrayLike,
    spacing: ArrayLike | None,
    diameter: float | None,
) -> _Beads:
    if isinstance(beads, BeadMeasurement | MeasuredPSF):
        if spacing is not None:
            raise ValueError("spacing: a measured PSF brings its own; give it with an image only")
        steps = np.asarray(beads.spacing, dtype=np.float64)
    elif spacing is None:
        raise ValueError("spacing: an image needs its voxel size in um, (z, y, x)")
    else:
        steps = checked_spacing(spacing)
    if diameter is not None:
        checked_positive("bead_diameter", diameter)
    if isinstance(beads, BeadMeasurement):
        size = beads.bead_diameter if diameter is None else diameter
        return _Beads(beads.windows, beads.trusted, beads.places, steps, size)
    voxels = beads.voxels.cpu().numpy() if isinstance(beads, MeasuredPSF) else beads
    window = checked_volume("beads", voxels)
    light = window - np.median(window)
    if not light.max() > 0:
        raise ValueError("beads: nothing is brighter than the background; give an image of a bead")
    place = (bright_centre(light) - np.array(window.shape) // 2) * steps
    return _Beads(window[None], np.ones((1, *window.shape), bool), place[None], steps, diameter)


def _quantities(model: PSF, names: Iterable[str] | None) -> list[Quantity]:
    if names is not None:
        return chosen_quantities(model, names, "names")
    return [quantity for quantity in model.quantities() if quantity.name not in _LEFT_ALONE]


class _Bead(NamedTuple):
    """What one bead's voxels say at given unknowns."""

    energy: float
    amplitude: float
    background: float
    residual: torch.Tensor
    shape: torch.Tensor
    """(N,) the model's voxels less their mean, scaled to energy 1."""


class _Problem:
    """The misfit of a model to beads; its unknowns are in units of prior widths and voxels.

    The first unknowns are the quantities', over their prior widths and from where they began; then
    come the three of each bead's position, in voxels.
    """

    def __init__(
        self,
        model: PSF,
        quantities: Sequence[Quantity],
        beads: _Beads,
        on_progress: Callable[[MatchProgress], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._model, self._quantities, self._beads = model, quantities, beads
        self._on_progress, self._should_stop = on_progress, should_stop
        self._step = 0
        shape = beads.windows.shape[1:]
        band = band_of(model, beads.spacing * shape, beads.spacing)
        self._points = PointImages(band, shape, beads.spacing)
        self._frequencies = band.grid()
        self._ball = (
            torch.ones(())
            if beads.diameter is None
            else ball_transform(beads.diameter, self._frequencies)
        )
        self._voxels = [
            torch.from_numpy(window[own])
            for window, own in zip(beads.windows, beads.trusted, strict=True)
        ]
        self._kept = [torch.from_numpy(own) for own in beads.trusted]
        self._light = sum(float((v - v.mean()).square().sum()) for v in self._voxels)
        self._raw = raw_values(model, quantities)
        self._widths = np.array([quantity.width for quantity in quantities])
        bounds = np.array(
            [[q.raw_of(q.lower), q.raw_of(q.upper)] for q in quantities], dtype=np.float64
        ).reshape(-1, 2)
        room = (bounds - self._raw[:, None]) / self._widths[:, None]
        reach = np.array(shape) / 2.0
        places = beads.places / beads.spacing
        self.lower = np.concatenate([np.maximum(room[:, 0], -_WIDTHS), (places - reach).ravel()])
        self.upper = np.concatenate([np.minimum(room[:, 1], _WIDTHS), (places + reach).ravel()])
        self.noise = 1.0
        self._last: tuple[bytes, torch.Tensor] = b"", torch.empty(0)
        self._slopes: tuple[NDArray[np.float64], list[torch.Tensor]] | None = None

    @property
    def count(self) -> int:
        """Voxels that count."""
        return sum(len(voxels) for voxels in self._voxels)

    def start(self) -> NDArray[np.float64]:
        """Return the unknowns to begin with."""
        places = self._beads.places / self._beads.spacing
        return np.concatenate([np.zeros(len(self._quantities)), places.ravel()])

    def energy(self, x: NDArray[np.float64]) -> float:
        """Return the sum of squares that the model leaves."""
        otf = self._otf_at(x)
        return sum(self._bead(otf, x, i).energy for i in range(len(self._voxels)))

    def cost(self, x: NDArray[np.float64]) -> float:
        """Return the energy over the noise, and the squared deviations from the priors."""
        return self.energy(x) / self.noise + float(np.square(self._prior(x)).sum())

    def linearised(
        self, x: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return the cost, half its gradient, and the square of its Jacobian."""
        otf, slopes = self._otf_at(x), self._otf_slopes(x)
        count = len(self._quantities)
        gradient = np.zeros(len(x))
        square = np.zeros((len(x), len(x)))
        total = 0.0
        for i in range(len(self._voxels)):
            bead = self._bead(otf, x, i)
            total += bead.energy
            position = self._position(x, i)
            columns = [self._image(slope, position) for slope in slopes]
            moves = self._points.slopes(otf, position)
            columns += [move * step for move, step in zip(moves, self._beads.spacing, strict=True)]
            jacobian = torch.stack([column[self._kept[i]] for column in columns], dim=1)
            # Kaufman's variable projection: what light and background would take up is left out.
            jacobian = bead.amplitude * (jacobian - jacobian.mean(dim=0))
            jacobian = jacobian - bead.shape[:, None] * (bead.shape @ jacobian)
            places = np.r_[0:count, count + 3 * i : count + 3 * i + 3]
            gradient[places] -= (jacobian.T @ bead.residual).numpy() / self.noise
            square[np.ix_(places, places)] += (jacobian.T @ jacobian).numpy() / self.noise
        self._tell(total)
        prior = self._prior(x)
        gradient[:count] += prior
        square[range(count), range(count)] += 1.0
        return total / self.noise + float(prior @ prior), gradient, square

    def fitted(self, x: NDArray[np.float64], most_steps: int) -> Fitted:
        """Return a fit from some unknowns on, what they leave taken for noise."""
        self.noise = max(self.energy(x) / self.count, 1e-300)
        return minimised(self.cost, self.linearised, x, self.lower, self.upper, most_steps)

    def match(self, fitted: Fitted) -> Match:
        """Return the result of a fit."""
        x, count = fitted.x, len(self._quantities)
        raw, otf = self._raw_tensor(x), self._otf_at(x)
        ends = [self._bead(otf, x, i) for i in range(len(self._voxels))]
        images = [
            bead.background + bead.amplitude * self._image(otf, self._position(x, i))
            for i, bead in enumerate(ends)
        ]
        covariance = np.linalg.pinv(fitted.curvature)
        deviations = np.sqrt(np.maximum(np.diag(covariance)[:count], 0.0)) * self._widths
        light = sum(
            float((voxels - bead.background).square().sum())
            for voxels, bead in zip(self._voxels, ends, strict=True)
        )
        psf = with_raw_values(self._model, self._quantities, raw)
        span = self.upper - self.lower
        at_end = (x - self.lower < 1e-6 * span) | (self.upper - x < 1e-6 * span)
        return Match(
            psf=psf,
            values={
                q.name: Estimate(q.value_of(float(r)), q.deviation_of(float(r), float(d)), q.unit)
                for q, r, d in zip(self._quantities, raw, deviations, strict=True)
            },
            residual=float(np.sqrt(self.energy(x) / light)),
            fwhm=fwhm_of(psf),
            shifts=np.array([self._position(x, i) for i in range(len(ends))]),
            amplitudes=np.array([bead.amplitude for bead in ends]),
            backgrounds=np.array([bead.background for bead in ends]),
            images=np.array([image.numpy() for image in images]),
            converged=fitted.converged,
            at_bounds=[q.name for q, end in zip(self._quantities, at_end, strict=False) if end],
        )

    def _tell(self, energy: float) -> None:
        if self._on_progress is not None:
            self._on_progress(MatchProgress(self._step, float(np.sqrt(energy / self._light))))
        self._step += 1

    def _check_stop(self) -> None:
        if self._should_stop is not None and self._should_stop():
            raise MatchStoppedError("the fit to the beads was stopped")

    def _image(self, otf: torch.Tensor, position: NDArray[np.float64]) -> torch.Tensor:
        self._check_stop()
        return self._points.image(otf, position)

    def _otf(self, raw: torch.Tensor) -> torch.Tensor:
        """Return the OTF, with the bead's size, at the band's frequencies."""
        self._check_stop()
        otf = called_with(self._model, self._quantities, raw, "otf", self._frequencies)
        return otf * self._ball

    def _otf_at(self, x: NDArray[np.float64]) -> torch.Tensor:
        """Return the OTF, remembered for the one place that was asked for last."""
        raw = self._raw_tensor(x)
        key = raw.numpy().tobytes()
        if self._last[0] != key or not len(self._last[1]):
            with torch.no_grad():
                self._last = key, self._otf(raw)
        return self._last[1]

    def _otf_slopes(self, x: NDArray[np.float64]) -> list[torch.Tensor]:
        """Return the OTF's derivatives by the quantities, over their prior widths.

        From differences: a third of forward mode's time for a microscope's OTF. Near by they are
        not made anew, since they change little; the misfit itself is always exact.
        """
        prior = self._prior(x)
        if self._slopes is None or np.abs(prior - self._slopes[0]).max(initial=0.0) > _NEAR:
            otf, slopes = self._otf_at(x), []
            for i, value in enumerate(prior):
                step = _DIFFERENCE if value + _DIFFERENCE <= self.upper[i] else -_DIFFERENCE
                moved = prior.copy()
                moved[i] += step
                with torch.no_grad():
                    slopes.append((self._otf(self._raw_tensor(moved)) - otf) / step)
            self._slopes = prior.copy(), slopes
        return self._slopes[1]

    def _raw_tensor(self, x: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(self._raw + self._widths * x[: len(self._quantities)])

    def _prior(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x[: len(self._quantities)]

    def _position(self, x: NDArray[np.float64], bead: int) -> NDArray[np.float64]:
        first = len(self._quantities) + 3 * bead
        position: NDArray[np.float64] = x[first : first + 3] * self._beads.spacing
        return position

    def _bead(self, otf: torch.Tensor, x: NDArray[np.float64], i: int) -> _Bead:
        model = self._image(otf, self._position(x, i))[self._kept[i]]
        voxels = self._voxels[i]
        shape = model - model.mean()
        norm = torch.linalg.vector_norm(shape)
        shape = shape / norm
        light = shape @ (voxels - voxels.mean())
        residual = voxels - voxels.mean() - light * shape
        amplitude = float(light / norm)
        background = float(voxels.mean()) - amplitude * float(model.mean())
        return _Bead(float(residual.square().sum()), amplitude, background, residual, shape)
