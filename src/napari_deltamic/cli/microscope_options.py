"""The options that describe a microscope."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from napari_deltamic.cli.errors import UsageError

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF

Modality = Literal[
    "gaussian", "widefield", "confocal", "spinning-disc", "light-sheet", "two-photon"
]
Model = Literal["richards-wolf", "pupil", "gibson-lanni"]

MICROSCOPE = Group("Microscope", sort_key=1)
SAMPLE = Group("Immersion, coverslip and sample", sort_key=2)

_TYPED = {
    "excitation_wavelength": "--excitation",
    "emission_wavelength": "--emission",
    "aberrations": "--aberration",
}
_OF_MODALITY: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "widefield": (("wavelength",), ()),
    "confocal": (("excitation_wavelength", "emission_wavelength"), ("pinhole", "polarisation")),
    "spinning-disc": (
        ("excitation_wavelength", "emission_wavelength", "magnification"),
        ("pinhole_diameter", "pinhole_pitch"),
    ),
    "light-sheet": (("wavelength", "sheet_thickness"), ()),
    "two-photon": (("excitation_wavelength",), ("polarisation",)),
}
"""Of each modality the numbers that it needs beside the aperture, and those it may have."""
_OWN = {name for needed, more in _OF_MODALITY.values() for name in (*needed, *more)}


@Parameter(name="*", group=SAMPLE)
@dataclass(frozen=True)
class MicroscopeOptions:
    """What every microscope is described by; None where it was not given."""

    na: Annotated[float | None, Parameter(group=MICROSCOPE)] = None
    """Numerical aperture of the objective, as engraved on it."""
    wavelength: Annotated[float | None, Parameter(group=MICROSCOPE)] = None
    """Of the emitted light in um (widefield, light sheet)."""
    excitation_wavelength: Annotated[
        float | None,
        Parameter(name=("--excitation", "--excitation-wavelength"), group=MICROSCOPE),
    ] = None
    """Of the laser in um (confocal, spinning disc, two-photon)."""
    emission_wavelength: Annotated[
        float | None, Parameter(name=("--emission", "--emission-wavelength"), group=MICROSCOPE)
    ] = None
    """Of the emitted light in um (confocal, spinning disc)."""
    pinhole: Annotated[float | None, Parameter(group=MICROSCOPE)] = None
    """Diameter in Airy units (confocal); 1 by default."""
    polarisation: Annotated[float | None, Parameter(group=MICROSCOPE)] = None
    """Of a laser, if along a line: degrees from x towards y (confocal, two-photon)."""
    magnification: Annotated[float | None, Parameter(group=MICROSCOPE)] = None
    """From the sample to the disc (spinning disc)."""
    pinhole_diameter: Annotated[float | None, Parameter(group=MICROSCOPE)] = None
    """On the disc, in um (spinning disc); 50 by default."""
    pinhole_pitch: Annotated[float | None, Parameter(group=MICROSCOPE)] = None
    """From one pinhole to the next, on the disc, in um (spinning disc); 250 by default."""
    sheet_thickness: Annotated[float | None, Parameter(group=MICROSCOPE)] = None
    """Full width at half maximum in um (light sheet)."""
    model: Annotated[Model | None, Parameter(group=MICROSCOPE)] = None
    """Of the field in the pupil: richards-wolf (vectorial, the default), pupil or gibson-lanni."""
    aberrations: Annotated[
        tuple[str, ...],
        Parameter(name="--aberration", group=MICROSCOPE, consume_multiple=True, show_default=False),
    ] = ()
    """Zernike modes as NOLL=WAVES, root mean square, such as 5=0.1 11=-0.05."""
    axial_range: Annotated[float | None, Parameter(group=MICROSCOPE)] = None
    """How far from its focus the PSF is followed, in um; some five widths by default."""
    immersion_index: float | None = None
    """Refractive index: oil 1.515 (the default), glycerol 1.45, water 1.33, air 1.0."""
    sample_index: float | None = None
    """Refractive index of the medium that holds the emitters; the immersion's by default."""
    depth: float | None = None
    """Of the emitters below the coverslip in um; 0 by default."""
    coverslip_index: float | None = None
    """Refractive index of the coverslip; 1.515 by default."""
    coverslip_thickness: float | None = None
    """In um; 170 by default."""
    coverslip_design_index: float | None = None
    """Of the coverslip that the objective was made for; 1.515 by default."""
    coverslip_design_thickness: float | None = None
    """Of the coverslip that the objective was made for, in um; 170 by default."""
    immersion_design_index: float | None = None
    """Of the immersion that the objective was made for; the immersion's by default."""
    working_distance: float | None = None
    """Of the objective in um; 150 by default. Matters if the immersion is not as designed."""

    def given(self) -> dict[str, Any]:
        """Return the options that were given, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, ())}


def chosen_microscope(
    option: str,
    modality: Modality,
    options: MicroscopeOptions,
    sigma: tuple[float, float, float] | None,
) -> PSF:
    """Return the PSF that options describe.

    Parameters
    ----------
    option
        How the modality was chosen, for messages: ``--modality``.
    modality
        Which kind of microscope.
    options
        Its numbers.
    sigma
        Widths of a Gaussian in um.

    Raises
    ------
    UsageError
        If a number is missing, or does not go with the modality.
    """
    from napari_deltamic import optics

    given = options.given()
    if modality == "gaussian":
        if given:
            raise UsageError(f"{typed(next(iter(given)))}: does not go with {option} gaussian")
        if sigma is None:
            raise UsageError(f"--sigma: needed with {option} gaussian, in um")
        return optics.GaussianPSF(sigma)
    if sigma is not None:
        raise UsageError(f"--sigma: goes with {option} gaussian, not with {modality}")
    needed, more = _OF_MODALITY[modality]
    for name in given:
        if name in _OWN and name not in needed + more:
            having = [each for each, both in _OF_MODALITY.items() if name in sum(both, ())]
            raise UsageError(
                f"{typed(name)}: goes with {option} {' or '.join(having)}, not with {modality}"
            )
    for name in ("na", *needed):
        if name not in given:
            raise UsageError(f"{typed(name)}: needed with {option} {modality}")
    if "aberrations" in given:
        given["aberrations"] = _waves(given["aberrations"])
    if "model" in given:
        given["model"] = given["model"].replace("-", "_")
    kinds: dict[str, type[PSF]] = {
        "widefield": optics.WidefieldPSF,
        "confocal": optics.ConfocalPSF,
        "spinning-disc": optics.SpinningDiscPSF,
        "light-sheet": optics.LightSheetPSF,
        "two-photon": optics.TwoPhotonPSF,
    }
    psf = kinds[modality](**given)
    # After the limits of each by itself, so that nanometres are called by their name.
    if "emission_wavelength" in needed:
        excitation, emission = given["excitation_wavelength"], given["emission_wavelength"]
        if excitation > emission:
            raise UsageError(
                f"--excitation: {excitation:g} um is longer than the emission's {emission:g}; are "
                "the two swapped?"
            )
    return psf


def typed(name: str) -> str:
    """Return the option that a number is typed as."""
    return _TYPED.get(name, "--" + name.replace("_", "-"))


def _waves(words: tuple[str, ...]) -> dict[int, float]:
    """Return waves by Noll index, from words such as 5=0.1."""
    found: dict[int, float] = {}
    for word in words:
        match = re.fullmatch(r"(\d{1,4})=(.+)", word)
        try:
            if match is None:
                raise ValueError
            mode, waves = int(match[1]), float(match[2])
            if not math.isfinite(waves):
                raise ValueError
        except ValueError:
            raise UsageError(
                f"--aberration: expected NOLL=WAVES, such as 5=0.1, got {word}"
            ) from None
        if mode in found:
            raise UsageError(f"--aberration: mode {mode} is given twice")
        found[mode] = waves
    return found
