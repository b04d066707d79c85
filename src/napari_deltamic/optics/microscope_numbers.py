"""Checks of the numbers that a microscope is described by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from napari_deltamic.optics.diffraction.pupil import MODELS, Model

_DEFAULTS: dict[str, float] = {
    "immersion_index": 1.515,
    "depth": 0.0,
    "coverslip_index": 1.515,
    "coverslip_thickness": 170.0,
    "coverslip_design_index": 1.515,
    "coverslip_design_thickness": 170.0,
    "working_distance": 150.0,
}
_NAMES = (
    "na",
    *_DEFAULTS,
    "sample_index",
    "immersion_design_index",
    "model",
    "aberrations",
    "axial_range",
)
_INDICES = (1.0, 2.5)
_MODES = 120


class Numbers(NamedTuple):
    """A microscope's numbers, checked."""

    values: dict[str, float]
    model: Model
    axial_range: float | None


def checked_numbers(given: Mapping[str, Any], own: Mapping[str, Any]) -> Numbers:
    """Return the numbers of a microscope with the defaults for those not given.

    Parameters
    ----------
    given
        What every microscope may have, see :class:`MicroscopeNumbers`.
    own
        What only this kind has.

    Raises
    ------
    ValueError
        If a number is impossible; the message names it.
    TypeError
        If there is no such number.
    """
    unknown = given.keys() - _NAMES
    if unknown:
        raise TypeError(f"{min(unknown)}: there is no such number; known are {', '.join(_NAMES)}")
    plain = {key: value for key, value in {**given, **own}.items() if value is not None}
    for name in ("na", *own):
        if name not in plain:
            raise ValueError(f"{name}: missing; look it up on the objective or the microscope")
    model = plain.pop("model", "richards_wolf")
    if model not in MODELS:
        raise ValueError(f"model: expected one of {', '.join(MODELS)}, got {model!r}")
    axial_range = plain.pop("axial_range", None)
    plain.pop("aberrations", None)
    values = _DEFAULTS | {name: _number(name, value) for name, value in plain.items()}
    values.setdefault("sample_index", values["immersion_index"])
    values.setdefault("immersion_design_index", values["immersion_index"])
    for name, value in values.items():
        _check(name, value)
    if values["na"] >= values["immersion_index"]:
        raise ValueError(
            f"na: {values['na']:g} needs an immersion of a larger index than "
            f"{values['immersion_index']:g}; set immersion_index (oil 1.515, water 1.33)"
        )
    if "polarisation" in values and model != "richards_wolf":
        raise ValueError(
            f"polarisation: the field of model {model!r} has none; take model='richards_wolf'"
        )
    if axial_range is not None and not 0 < _number("axial_range", axial_range) <= 1000:
        raise ValueError(f"axial_range: expected a distance in um, up to 1000, got {axial_range}")
    return Numbers(values, model, None if axial_range is None else float(axial_range))


def checked_aberrations(
    aberrations: Mapping[int, float] | None,
) -> tuple[tuple[int, ...], list[float]]:
    """Return Noll indices and waves, in order of the index."""
    given = {} if aberrations is None else dict(aberrations)
    try:
        modes = {int(noll): _number("aberrations", waves) for noll, waves in given.items()}
    except (TypeError, ValueError):
        raise ValueError(
            "aberrations: expected waves by Noll index, such as {5: 0.1, 11: -0.05}, "
            f"got {aberrations}"
        ) from None
    for noll, waves in modes.items():
        if not 2 <= noll <= _MODES:
            raise ValueError(f"aberrations: Noll indices go from 2 to {_MODES}, got {noll}")
        if not abs(waves) <= 5:
            raise ValueError(f"aberrations: mode {noll} is {waves:g} waves; at most 5 make sense")
    return tuple(sorted(modes)), [modes[noll] for noll in sorted(modes)]


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise ValueError(f"{name}: expected a number, got {value!r}")
    return number


def _check(name: str, value: float) -> None:
    if name.endswith("index"):
        if not _INDICES[0] <= value <= _INDICES[1]:
            raise ValueError(f"{name}: a refractive index lies between 1 and 2.5, got {value:g}")
    elif name.endswith("wavelength"):
        if not 0.1 <= value <= 5.0:
            raise ValueError(
                f"{name}: expected micrometres, 0.1 to 5, got {value:g}; 520 nm are 0.52"
            )
    elif name == "polarisation":
        if not abs(value) <= 360:
            raise ValueError(f"polarisation: expected degrees, -360 to 360, got {value:g}")
    elif name == "depth":
        if not 0 <= value <= 5000:
            raise ValueError(f"depth: expected 0 to 5000 um, got {value:g}")
    elif not value > 0:
        raise ValueError(f"{name}: expected a positive number, got {value:g}")
