"""Which PSF the user has chosen: a class and its arguments, without Qt and without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF

GAUSSIAN, MEASURED = "GaussianPSF", "MeasuredPSF"
_WORDS = {
    GAUSSIAN: "Gaussian",
    MEASURED: "Measured",
    "WidefieldPSF": "Widefield",
    "GibsonLanniPSF": "Widefield",
    "PupilPSF": "Widefield",
    "RichardsWolfPSF": "Widefield",
    "ConfocalPSF": "Confocal",
    "SpinningDiscPSF": "Spinning disc",
    "LightSheetPSF": "Light sheet",
    "TwoPhotonPSF": "Two-photon",
}
_WAVELENGTHS = ("excitation_wavelength", "emission_wavelength", "wavelength")


@dataclass(frozen=True, eq=False)
class PsfChoice:
    """A PSF by its class and what it is made from.

    Attributes
    ----------
    class_name
        Of a class in ``napari_deltamic.optics``.
    arguments
        Of its constructor.
    """

    class_name: str
    arguments: Mapping[str, Any]

    def make(self) -> PSF:
        """Return the PSF; imports torch.

        Raises
        ------
        ValueError
            If the numbers do not go together.
        """
        from napari_deltamic import optics

        psf: PSF = getattr(optics, self.class_name)(**self.arguments)
        return psf

    @property
    def kind(self) -> str:
        """The kind of microscope, in words."""
        return _WORDS[self.class_name]

    def summary(self) -> str:
        """Return a line that tells this PSF from others."""
        numbers = self.arguments
        if self.class_name == GAUSSIAN:
            if "covariance" in numbers:
                widths = np.sqrt(np.diag(np.asarray(numbers["covariance"])))
                return f"Gaussian, tilted, σ {_by(widths)} µm"
            return f"Gaussian, σ {_by(np.broadcast_to(numbers['sigma'], 3))} µm"
        if self.class_name == MEASURED:
            size = " × ".join(str(n) for n in np.shape(numbers["voxels"]))
            return f"Measured, {size} voxels of {_by(numbers['spacing'])} µm"
        waves = [1000 * numbers[name] for name in _WAVELENGTHS if name in numbers]
        parts = [
            f"{self.kind}, NA {numbers['na']:.4g}",
            "/".join(f"{wave:.0f}" for wave in waves) + " nm",
        ]
        if any((numbers.get("aberrations") or {}).values()):
            parts.append("aberrated")
        return ", ".join(parts)


def is_psf_class(name: str) -> bool:
    """Return whether a class of PSFs has this name."""
    return name in _WORDS


def gaussian(sigma: Any) -> PsfChoice:
    """Return a Gaussian of some widths in um, (z, y, x).

    Raises
    ------
    ValueError
        If a width is not positive.
    """
    widths = np.asarray(sigma, dtype=np.float64)
    if widths.shape != (3,) or not (np.isfinite(widths).all() and (widths > 0).all()):
        raise ValueError(f"sigma: expected three positive widths in um, got {sigma}")
    return PsfChoice(GAUSSIAN, {"sigma": tuple(widths.tolist())})


def choice_of(psf: PSF) -> PsfChoice:
    """Return the choice that makes an equal PSF."""
    from napari_deltamic.optics import GaussianPSF, MeasuredPSF
    from napari_deltamic.optics.microscope import MicroscopePSF

    if isinstance(psf, MicroscopePSF):
        return PsfChoice(type(psf).__name__, _free(psf.arguments()))
    if isinstance(psf, MeasuredPSF):
        voxels = psf.voxels.detach().cpu().double().numpy()
        placed = {"voxels": voxels, "spacing": psf.spacing, "centre": psf.centre}
        return PsfChoice(MEASURED, placed)
    if not isinstance(psf, GaussianPSF):
        raise ValueError(f"psf: {type(psf).__name__} cannot be shown here")
    if "below_diagonal" in dict(psf.named_parameters()):
        return PsfChoice(GAUSSIAN, {"covariance": psf.covariance.detach().cpu().tolist()})
    return gaussian(psf.sigma.detach().cpu().tolist())


def _free(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments without those that are nothing."""
    return {name: value for name, value in arguments.items() if value not in (None, {})}


def _by(lengths: Any) -> str:
    return " × ".join(f"{length:.3g}" for length in lengths)
