"""The numbers of the PSF designer: how each is called, its unit, its range and what it changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from napari_deltamic.plugin.psf_choice import GAUSSIAN, MEASURED, PsfChoice


class Number(NamedTuple):
    """A number as people enter it."""

    title: str
    unit: str
    slider: tuple[float, float]
    """What the slider spans; more can be typed."""
    limits: tuple[float, float]
    start: float
    decimals: int
    tip: str
    per_um: float = 1.0
    """What is shown for 1 in the unit of the PSF classes."""
    logarithmic: bool = False
    """Whether the slider is."""


_AIR, _WATER = 1.2, 1.333
_SIGMA = "Standard deviation of the blur along {}; the full width at half maximum is 2.35 times it"
NUMBERS: dict[str, Number] = {
    **{
        f"sigma_{axis}": Number(
            f"Sigma {axis}", "µm", (0.03, 5), (0.001, 1000), 0.3, 3, _SIGMA.format(axis), 1.0, True
        )
        for axis in "zyx"
    },
    "na": Number(
        "NA", "", (0.1, 1.49), (0.01, 1.7), 1.4, 3,
        "Numerical aperture: a larger one makes the spot smaller, along z most of all",
    ),
    "immersion_index": Number(
        "Immersion index", "", (1.0, 1.52), (1.0, 2.5), 1.515, 3,
        "Refractive index of what the objective is dipped in: oil 1.515, silicone 1.406, "
        "water 1.333, air 1",
    ),
    "excitation": Number(
        "Excitation", "nm", (350, 700), (100, 5000), 488, 0,
        "Wavelength of the laser: a shorter one makes the spot smaller", 1000,
    ),
    "two_photon": Number(
        "Excitation", "nm", (700, 1300), (100, 5000), 920, 0,
        "Wavelength of the pulsed laser: a shorter one makes the spot smaller", 1000,
    ),
    "emission": Number(
        "Emission", "nm", (400, 800), (100, 5000), 520, 0,
        "Wavelength of the light that is detected: a shorter one makes the spot smaller", 1000,
    ),
    "pinhole": Number(
        "Pinhole", "AU", (0.2, 5), (0.001, 1000), 1.0, 2,
        "Diameter in Airy units: a larger one lets in more light from other planes", 1.0, True,
    ),
    "magnification": Number(
        "Magnification", "×", (10, 150), (0.1, 1000), 60, 1,
        "From the sample to the disc: with the pinholes' diameter it says how large they are in "
        "the sample",
    ),
    "pinhole_diameter": Number(
        "Pinholes", "µm", (10, 100), (0.1, 10000), 50, 1,
        "Diameter of a pinhole on the disc: a larger one lets in more light from other planes",
    ),
    "pinhole_pitch": Number(
        "Pinhole pitch", "µm", (50, 1000), (0.1, 100000), 250, 1,
        "From one pinhole of the disc to the next: close ones let in each other's light, a haze",
        1.0, True,
    ),
    "sheet_thickness": Number(
        "Sheet thickness", "µm", (0.3, 20), (0.01, 10000), 3.0, 2,
        "Full width at half maximum of the sheet of light: a thin one sharpens z", 1.0, True,
    ),
    "sample_index": Number(
        "Sample index", "", (1.0, 1.6), (1.0, 2.5), 1.515, 3,
        "Refractive index of what the cells lie in. Another than the immersion's gives spherical "
        "aberration, the more the deeper",
    ),
    "depth": Number(
        "Depth", "µm", (0, 100), (0, 5000), 0, 1,
        "How far below the coverslip. It matters where sample and immersion differ",
    ),
    "coverslip_thickness": Number(
        "Coverslip", "µm", (120, 220), (0.1, 5000), 170, 1,
        "Thickness of the coverslip. Another than the objective is made for gives spherical "
        "aberration; number 1.5 is 170 µm",
    ),
    "coverslip_index": Number(
        "Coverslip index", "", (1.3, 1.6), (1.0, 2.5), 1.515, 3,
        "Refractive index of the coverslip; for dipping objectives that of the immersion",
    ),
    "immersion_design_index": Number(
        "Immersion index", "", (1.0, 1.52), (1.0, 2.5), 1.515, 3,
        "Refractive index of the immersion that the objective is made for",
    ),
    "coverslip_design_thickness": Number(
        "Coverslip", "µm", (120, 220), (0.1, 5000), 170, 1,
        "Thickness of the coverslip that the objective is made for, or that its collar is set to",
    ),
    "coverslip_design_index": Number(
        "Coverslip index", "", (1.3, 1.6), (1.0, 2.5), 1.515, 3,
        "Refractive index of the coverslip that the objective is made for",
    ),
    "working_distance": Number(
        "Working distance", "mm", (0.1, 5), (0.001, 100), 0.15, 3,
        "Of the objective. It matters only if the immersion is not the one it is made for",
        1e-3, True,
    ),
}  # fmt: skip
"""By key; where a class calls it otherwise, its modality says how."""

SAMPLE = ("sample_index", "depth", "coverslip_thickness", "coverslip_index")
DESIGN = (
    "immersion_design_index", "coverslip_design_thickness", "coverslip_design_index",
    "working_distance",
)  # fmt: skip
WAVES = Number("", "λ", (-0.5, 0.5), (-5, 5), 0.0, 3, "Root mean square over the pupil, in waves")


class Modality(NamedTuple):
    """A kind of microscope."""

    title: str
    class_name: str
    numbers: dict[str, str]
    """The name of a class's argument for each key that is its own."""


MODALITIES = (
    Modality("Gaussian", GAUSSIAN, {f"sigma_{axis}": f"sigma_{axis}" for axis in "zyx"}),
    Modality("Widefield", "WidefieldPSF", {"emission": "wavelength"}),
    Modality(
        "Confocal",
        "ConfocalPSF",
        {
            "excitation": "excitation_wavelength",
            "emission": "emission_wavelength",
            "pinhole": "pinhole",
        },
    ),
    Modality(
        "Spinning disc",
        "SpinningDiscPSF",
        {
            "excitation": "excitation_wavelength",
            "emission": "emission_wavelength",
            "magnification": "magnification",
            "pinhole_diameter": "pinhole_diameter",
            "pinhole_pitch": "pinhole_pitch",
        },
    ),
    Modality(
        "Light sheet",
        "LightSheetPSF",
        {"emission": "wavelength", "sheet_thickness": "sheet_thickness"},
    ),
    Modality("Two-photon", "TwoPhotonPSF", {"two_photon": "excitation_wavelength"}),
    Modality("Measured", MEASURED, {}),
)
OBJECTIVE = ("na", "immersion_index")
FIELD_MODELS = {
    "richards_wolf": "vector (Richards-Wolf)",
    "pupil": "scalar, aplanatic (pupil)",
    "gibson_lanni": "scalar (Gibson-Lanni)",
}
_MODEL_OF_CLASS = {"PupilPSF": "pupil", "GibsonLanniPSF": "gibson_lanni"}


def modality_of(class_name: str) -> Modality:
    """Return the modality that a class belongs to; widefield has several classes."""
    found = [modality for modality in MODALITIES if modality.class_name == class_name]
    return found[0] if found else MODALITIES[1]


def model_of(choice: PsfChoice) -> str:
    """Return the model of the field, a key of ``FIELD_MODELS``."""
    usual = _MODEL_OF_CLASS.get(choice.class_name, "richards_wolf")
    return str(choice.arguments.get("model") or usual)


def is_physical(modality: Modality) -> bool:
    """Whether it is computed from an objective."""
    return modality.class_name not in (GAUSSIAN, MEASURED)


def keys_of(modality: Modality) -> dict[str, str]:
    """Return the argument's name for each key of a modality."""
    if not is_physical(modality):
        return modality.numbers
    # In this order the immersion comes before what follows from it.
    return modality.numbers | {key: key for key in (*OBJECTIVE, *SAMPLE, *DESIGN)}


def choice_from(
    modality: Modality,
    values: Mapping[str, float],
    model: str,
    waves: Mapping[int, float],
    axial_range: float | None,
) -> PsfChoice:
    """Return the PSF that numbers describe.

    Parameters
    ----------
    modality
        Any but the measured one.
    values
        As shown, by key.
    model
        Of the field, a key of ``FIELD_MODELS``.
    waves
        Zernike modes; those of 0 are left out, because a round PSF is computed far faster.
    axial_range
        As in :class:`MicroscopePSF`.

    Raises
    ------
    ValueError
        If a number is out of its limits.
    """
    named = keys_of(modality)
    for key in named:
        check(NUMBERS[key], values[key])
    given: dict[str, Any] = {name: values[key] / NUMBERS[key].per_um for key, name in named.items()}
    if modality.class_name == GAUSSIAN:
        return PsfChoice(GAUSSIAN, {"sigma": tuple(given[f"sigma_{axis}"] for axis in "zyx")})
    given["model"] = model
    lit = {noll: value for noll, value in waves.items() if value}
    if lit:
        given["aberrations"] = lit
    if axial_range is not None:
        given["axial_range"] = axial_range
    return PsfChoice(modality.class_name, given)


def values_from(choice: PsfChoice) -> dict[str, float]:
    """Return the numbers of a choice as shown, by key; those it leaves out have their defaults."""
    numbers = choice.arguments
    if choice.class_name == GAUSSIAN:
        if "covariance" in numbers:
            widths = [numbers["covariance"][i][i] ** 0.5 for i in range(3)]
        else:
            widths = list(numbers["sigma"])
        return {f"sigma_{axis}": float(width) for axis, width in zip("zyx", widths, strict=True)}
    found = {}
    for key, name in keys_of(modality_of(choice.class_name)).items():
        if numbers.get(name) is not None:
            found[key] = float(numbers[name]) * NUMBERS[key].per_um
        elif key == "sample_index" or key == "immersion_design_index":
            found[key] = found["immersion_index"]
        else:
            found[key] = NUMBERS[key].start
    return found


def usual_followers(immersion_index: float) -> dict[str, float]:
    """Return the numbers that follow from the immersion unless somebody says otherwise."""
    # Cells do not lie in air.
    sample = immersion_index if immersion_index > _AIR else _WATER
    return {"sample_index": sample, "immersion_design_index": immersion_index}


def check(number: Number, value: float) -> None:
    """Raise ValueError if a number is out of its limits."""
    lower, upper = number.limits
    if not lower <= value <= upper:
        unit = f" {number.unit}" if number.unit else ""
        raise ValueError(
            f"{number.title}: expected {lower:g} to {upper:g}{unit}, got {value:g}{unit}"
        )


def in_words(message: str) -> str:
    """Return a message with the arguments' names as the dock calls them."""
    titles = {key: number.title for key, number in NUMBERS.items()}
    for name in sorted(titles, key=len, reverse=True):
        message = re.sub(rf"\b{name}\b", titles[name], message)
    return message[:1].upper() + message[1:]
