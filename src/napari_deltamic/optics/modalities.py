"""Confocal, spinning-disc, light-sheet and two-photon PSFs, as products of spots."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import torch

from napari_deltamic.optics.diffraction.bessel import bessel
from napari_deltamic.optics.diffraction.focus import Focus
from napari_deltamic.optics.diffraction.layout import Layout
from napari_deltamic.optics.microscope import MicroscopeNumbers, MicroscopePSF


class ConfocalPSF(MicroscopePSF):
    """A laser scanning confocal microscope.

    Parameters
    ----------
    excitation_wavelength, emission_wavelength
        In um.
    pinhole
        Diameter in Airy units of the emission.
    polarisation
        Angle in degrees, from x towards y, of a laser that is polarised along a line; it makes the
        PSF longer in that direction. None for circularly polarised light, or if nobody knows.
    numbers
        See :class:`MicroscopePSF`; ``na`` is a must.
    """

    excitation_wavelength: torch.nn.Parameter
    emission_wavelength: torch.nn.Parameter
    pinhole: torch.nn.Parameter
    na: torch.nn.Parameter
    cone = 0.4

    def __init__(
        self,
        *,
        excitation_wavelength: float,
        emission_wavelength: float,
        pinhole: float = 1.0,
        polarisation: float | None = None,
        **numbers: Unpack[MicroscopeNumbers],
    ) -> None:
        own = {
            "excitation_wavelength": excitation_wavelength,
            "emission_wavelength": emission_wavelength,
            "pinhole": pinhole,
        }
        super().__init__(own, polarisation, **numbers)

    def beams(self) -> list[torch.nn.Parameter]:
        """See :meth:`MicroscopePSF.beams`."""
        return [self.excitation_wavelength, self.emission_wavelength]

    def blur_room(self, layout: Layout) -> float:
        """Return the pinhole's diameter; see :meth:`MicroscopePSF.blur_room`."""
        return float(self._pinhole().detach())

    def combined(self, focus: Focus, layout: Layout) -> torch.Tensor:
        """Return excitation times what the pinhole lets through."""
        diameter = self._pinhole()
        seen = focus.spot(self.emission_wavelength, lambda q: disc_transfer(diameter, q))
        return seen * focus.spot(self.excitation_wavelength, polarisation=self.polarisation)

    def _pinhole(self) -> torch.Tensor:
        """Return the pinhole's diameter in the sample, in um."""
        return self.pinhole * 1.22 * self.emission_wavelength / self.na


class SpinningDiscPSF(MicroscopePSF):
    """A spinning-disc confocal microscope, with the light that passes neighbouring pinholes.

    Parameters
    ----------
    excitation_wavelength, emission_wavelength
        In um.
    magnification
        From the sample to the disc.
    pinhole_diameter, pinhole_pitch
        Of the disc's pinholes and from one to the next, on the disc, in um. They pass by in all
        directions, so that neighbours count as rings.
    numbers
        See :class:`MicroscopePSF`; ``na`` is a must.
    """

    excitation_wavelength: torch.nn.Parameter
    emission_wavelength: torch.nn.Parameter
    magnification: torch.nn.Parameter
    pinhole_diameter: torch.nn.Parameter
    pinhole_pitch: torch.nn.Parameter

    def __init__(
        self,
        *,
        excitation_wavelength: float,
        emission_wavelength: float,
        magnification: float,
        pinhole_diameter: float = 50.0,
        pinhole_pitch: float = 250.0,
        **numbers: Unpack[MicroscopeNumbers],
    ) -> None:
        own = {
            "excitation_wavelength": excitation_wavelength,
            "emission_wavelength": emission_wavelength,
            "magnification": magnification,
            "pinhole_diameter": pinhole_diameter,
            "pinhole_pitch": pinhole_pitch,
        }
        super().__init__(own, **numbers)
        if pinhole_pitch < pinhole_diameter:
            raise ValueError(
                f"pinhole_pitch: {pinhole_pitch:g} um is less than the pinholes' diameter of "
                f"{pinhole_diameter:g} um"
            )

    def beams(self) -> list[torch.nn.Parameter]:
        """See :meth:`MicroscopePSF.beams`."""
        return [self.excitation_wavelength, self.emission_wavelength]

    def blur_room(self, layout: Layout) -> float:
        """Return how far neighbours matter; see :meth:`MicroscopePSF.blur_room`."""
        return layout.lateral_reach

    def combined(self, focus: Focus, layout: Layout) -> torch.Tensor:
        """Return the emission times the light that reaches it, averaged over the disc's turns.

        While a pinhole lets the camera see a point, its centre may lie anywhere within a radius of
        it, and so may the light that comes through: the excitation is blurred by two discs. The
        emission is imaged through the hole, not summed over it.
        """
        diameter = self.pinhole_diameter / self.magnification
        pitch = self.pinhole_pitch / self.magnification
        neighbours = _hexagonal(layout.lateral_reach / float(pitch.detach()))

        def lit(q: torch.Tensor) -> torch.Tensor:
            rings = torch.ones_like(q)
            for distance, count in neighbours:
                rings = rings + count * bessel(0, 2.0 * torch.pi * distance * pitch.to(q) * q)
            return disc_transfer(diameter, q).square() * rings

        return focus.spot(self.excitation_wavelength, lit) * focus.spot(self.emission_wavelength)


class LightSheetPSF(MicroscopePSF):
    """A light-sheet microscope whose sheet lies in the focal plane.

    Parameters
    ----------
    wavelength
        Of the emitted light in um.
    sheet_thickness
        Of the sheet, whose profile is Gaussian: full width at half maximum, in um.
    numbers
        See :class:`MicroscopePSF`, for the objective that detects; ``na`` is a must.
    """

    wavelength: torch.nn.Parameter
    sheet_thickness: torch.nn.Parameter

    def __init__(
        self, *, wavelength: float, sheet_thickness: float, **numbers: Unpack[MicroscopeNumbers]
    ) -> None:
        own = {"wavelength": wavelength, "sheet_thickness": sheet_thickness}
        super().__init__(own, **numbers)

    def beams(self) -> list[torch.nn.Parameter]:
        """See :meth:`MicroscopePSF.beams`."""
        return [self.wavelength]

    def sheet(self) -> float | None:
        """See :meth:`MicroscopePSF.sheet`."""
        return float(self.sheet_thickness.detach())

    def combined(self, focus: Focus, layout: Layout) -> torch.Tensor:
        """Return the spot of the emission, lit by the sheet."""
        away = focus.depth / self.sheet_thickness.to(focus.depth)
        return focus.spot(self.wavelength) * torch.exp(-4.0 * np.log(2.0) * away.square())


class TwoPhotonPSF(MicroscopePSF):
    """A two-photon microscope without a pinhole: the square of the excitation.

    Parameters
    ----------
    excitation_wavelength
        In um.
    polarisation
        As for :class:`ConfocalPSF`.
    numbers
        See :class:`MicroscopePSF`; ``na`` is a must.
    """

    excitation_wavelength: torch.nn.Parameter
    cone = 0.4

    def __init__(
        self,
        *,
        excitation_wavelength: float,
        polarisation: float | None = None,
        **numbers: Unpack[MicroscopeNumbers],
    ) -> None:
        own = {"excitation_wavelength": excitation_wavelength}
        super().__init__(own, polarisation, **numbers)

    def beams(self) -> list[torch.nn.Parameter]:
        """See :meth:`MicroscopePSF.beams`; two photons, so twice."""
        return [self.excitation_wavelength, self.excitation_wavelength]

    def combined(self, focus: Focus, layout: Layout) -> torch.Tensor:
        """Return the squared excitation."""
        lit = focus.spot(self.excitation_wavelength, polarisation=self.polarisation)
        return lit.square()


def disc_transfer(diameter: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return the transfer function of a uniform disc: 2 J1(x) / x with x = pi q times diameter."""
    x = torch.pi * diameter.to(q) * q
    return bessel(0, x) + bessel(2, x)


def _hexagonal(reach: float) -> list[tuple[float, int]]:
    """Return distances of a hexagonal lattice with pitch 1, but for 0, and the sites at each."""
    most = int(np.ceil(reach * 1.2)) + 1
    a, b = np.mgrid[-most : most + 1, -most : most + 1]
    squares, counts = np.unique(a * a + a * b + b * b, return_counts=True)
    return [
        (float(np.sqrt(square)), int(count))
        for square, count in zip(squares, counts, strict=True)
        if 0 < square <= reach**2
    ]
