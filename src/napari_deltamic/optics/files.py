"""PSF files: one JSON file holds a model's class and numbers, or the voxels of a measured PSF."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import Any, NoReturn

from napari_deltamic.optics.gaussian import GaussianPSF
from napari_deltamic.optics.measured import MeasuredPSF
from napari_deltamic.optics.microscope import MicroscopeNumbers, MicroscopePSF
from napari_deltamic.optics.modalities import (
    ConfocalPSF,
    LightSheetPSF,
    SpinningDiscPSF,
    TwoPhotonPSF,
)
from napari_deltamic.optics.models import (
    GibsonLanniPSF,
    PupilPSF,
    RichardsWolfPSF,
    WidefieldPSF,
)
from napari_deltamic.optics.packed_voxels import packed, unpacked
from napari_deltamic.optics.psf import PSF
from napari_deltamic.replacing import replacing

FORMAT, VERSION = "napari-deltamic PSF", 1

# A file names its class, and only these can be meant: nothing in a file is ever run.
_CLASSES: dict[str, type[PSF]] = {
    each.__name__: each
    for each in (
        GaussianPSF,
        MeasuredPSF,
        WidefieldPSF,
        GibsonLanniPSF,
        PupilPSF,
        RichardsWolfPSF,
        ConfocalPSF,
        SpinningDiscPSF,
        LightSheetPSF,
        TwoPhotonPSF,
    )
}
_MOST_BYTES = 400 << 20


def save_psf(psf: PSF, path: str | os.PathLike[str]) -> None:
    """Write a PSF to a .json file.

    An existing file is replaced at once or not at all. Models are saved by their numbers, exactly;
    the voxels of a :class:`MeasuredPSF` in single precision, as text in the same file.

    Parameters
    ----------
    psf
        A model of this package, as it is now: learned numbers included.
    path
        Ends in .json.

    Raises
    ------
    ValueError
        If the ending is another, or the PSF is of a class that this package does not know.
    OSError
        If the file cannot be written.
    """
    target, text = _checked_path(path), text_of_psf(psf)
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def load_psf(path: str | os.PathLike[str]) -> PSF:
    """Read a PSF that :func:`save_psf` wrote, or that somebody wrote by hand.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is none of a PSF, or a number in it is missing, unknown or impossible; the
        message names the file and the number.
    """
    source = _checked_path(path)
    if not source.is_file():
        reason = "it is a folder" if source.is_dir() else "there is no such file"
        raise FileNotFoundError(f"{source}: {reason}")
    if source.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{source}: larger than {_MOST_BYTES >> 20} MB; no PSF file is")
    try:
        return psf_of_text(source.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{source}: not a JSON file ({error})") from error
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def text_of_psf(psf: PSF) -> str:
    """Return what :func:`save_psf` writes.

    Raises
    ------
    ValueError
        If the PSF is of a class that this package does not know.
    """
    name = type(psf).__name__
    if _CLASSES.get(name) is not type(psf):
        raise ValueError(f"psf: {name} cannot be saved; only {', '.join(_CLASSES)} can")
    content = {"format": FORMAT, "version": VERSION, "class": name, "arguments": _arguments(psf)}
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def psf_of_text(text: str) -> PSF:
    """Return the PSF of what :func:`text_of_psf` returned.

    Raises
    ------
    ValueError
        As :func:`load_psf`, but for the file's name.
    """
    try:
        content = json.loads(text, parse_constant=_refuse)
    # Nesting without end, and whole numbers without end, have errors of their own.
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a JSON file ({error})") from error
    return _psf_of(content)


def _arguments(psf: PSF) -> dict[str, Any]:
    if isinstance(psf, MicroscopePSF):
        return psf.arguments()
    if isinstance(psf, MeasuredPSF):
        return {
            "voxels": packed(psf.voxels.detach().cpu().numpy()),
            "spacing": list(psf.spacing),
            "centre": list(psf.centre),
        }
    assert isinstance(psf, GaussianPSF)
    if "below_diagonal" in dict(psf.named_parameters()):
        return {"covariance": psf.covariance.tolist()}
    return {"sigma": psf.sigma.tolist()}


def _psf_of(content: Any) -> PSF:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"format: not a PSF file; expected {FORMAT!r}")
    if content.get("version") != VERSION:
        raise ValueError(
            f"version: expected {VERSION}, got {content.get('version')!r}; "
            "a newer napari-deltamic may read it"
        )
    kind = _CLASSES.get(str(content.get("class")))
    if kind is None:
        raise ValueError(
            f"class: expected one of {', '.join(_CLASSES)}, got {content.get('class')!r}"
        )
    arguments = content.get("arguments")
    if not isinstance(arguments, dict):
        raise ValueError("arguments: expected numbers by name")
    _check_names(kind, arguments)
    checked = {name: _checked(name, value) for name, value in arguments.items()}
    try:
        psf = kind(**checked)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"arguments: {error}") from error
    return psf


def _check_names(kind: type[PSF], arguments: dict[str, Any]) -> None:
    own = [each for each in inspect.signature(kind).parameters.values() if each.name != "numbers"]
    known = {each.name for each in own}
    needed = {each.name for each in own if each.default is inspect.Parameter.empty}
    if issubclass(kind, MicroscopePSF):
        known |= MicroscopeNumbers.__annotations__.keys()
        needed.add("na")
    for name in arguments:
        if name not in known:
            raise ValueError(
                f"{name}: {kind.__name__} has no such number; it has {', '.join(sorted(known))}"
            )
    for name in sorted(needed):
        if arguments.get(name) is None:
            raise ValueError(f"{name}: missing; {kind.__name__} needs it")


def _checked(name: str, value: Any) -> Any:
    """Return an argument as its class takes it."""
    if name == "voxels":
        return unpacked(value)
    if name == "model":
        if not isinstance(value, str):
            raise ValueError(f"model: expected its name, got {_shown(value)}")
        return value
    if value is None or _is_number(value):
        return value
    if name == "aberrations":
        if isinstance(value, dict) and all(map(_is_number, value.values())):
            return value
        raise ValueError(
            f"aberrations: expected waves by Noll index, such as {{'5': 0.1}}, got {_shown(value)}"
        )
    if name in ("sigma", "spacing", "centre") and isinstance(value, list) and len(value) == 3:
        if all(map(_is_number, value)):
            return value
    elif name == "covariance" and _is_matrix(value):
        return value
    raise ValueError(f"{name}: expected a number, or as many as it has, got {_shown(value)}")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, list) and len(row) == 3 and all(map(_is_number, row)) for row in value
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def _checked_path(path: str | os.PathLike[str]) -> Path:
    checked = Path(path).expanduser()
    if checked.suffix.lower() != ".json":
        raise ValueError(f"{checked}: a PSF file ends in .json")
    return checked


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number that a PSF file may hold")
