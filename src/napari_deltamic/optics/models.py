"""Widefield PSFs: one per model of the field in the pupil."""

from __future__ import annotations

from typing import Unpack

import torch

from napari_deltamic.optics.diffraction.focus import Focus
from napari_deltamic.optics.diffraction.layout import Layout
from napari_deltamic.optics.diffraction.pupil import Model
from napari_deltamic.optics.microscope import MicroscopeNumbers, MicroscopePSF


class WidefieldPSF(MicroscopePSF):
    """A widefield microscope: what the objective makes of the light of one emitter.

    Parameters
    ----------
    wavelength
        Of the emitted light in um.
    numbers
        See :class:`MicroscopePSF`; ``na`` is a must.
    """

    wavelength: torch.nn.Parameter
    only_model: Model | None = None
    """The model of a class that knows one alone."""

    def __init__(self, *, wavelength: float, **numbers: Unpack[MicroscopeNumbers]) -> None:
        if self.only_model is not None:
            if numbers.get("model", self.only_model) != self.only_model:
                raise ValueError(
                    f"model: {type(self).__name__} is always {self.only_model!r}; "
                    "WidefieldPSF takes any"
                )
            numbers["model"] = self.only_model
        super().__init__({"wavelength": wavelength}, **numbers)

    def beams(self) -> list[torch.nn.Parameter]:
        """See :meth:`MicroscopePSF.beams`."""
        return [self.wavelength]

    def combined(self, focus: Focus, layout: Layout) -> torch.Tensor:
        """Return the spot of the emission."""
        return focus.spot(self.wavelength)


class GibsonLanniPSF(WidefieldPSF):
    """A widefield microscope after Gibson and Lanni: scalar, with an evenly bright pupil.

    Parameters
    ----------
    wavelength
        Of the emitted light in um.
    numbers
        See :class:`MicroscopePSF`, but for ``model``; ``na`` is a must.
    """

    only_model = "gibson_lanni"


class PupilPSF(WidefieldPSF):
    """A widefield microscope by its pupil function: scalar, bright as an aplanatic lens makes it.

    Parameters
    ----------
    wavelength
        Of the emitted light in um.
    numbers
        See :class:`MicroscopePSF`, but for ``model``; ``na`` is a must.
    """

    only_model = "pupil"


class RichardsWolfPSF(WidefieldPSF):
    """A widefield microscope with the vector field of a dipole that turns freely.

    Parameters
    ----------
    wavelength
        Of the emitted light in um.
    numbers
        See :class:`MicroscopePSF`, but for ``model``; ``na`` is a must.
    """

    only_model = "richards_wolf"
