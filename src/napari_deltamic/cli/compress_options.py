"""The settings and optics of ``compress train``, as its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import Group
from pydantic import BaseModel, ConfigDict

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.psf_files import chosen_psf
from napari_deltamic.cli.values import Three
from napari_deltamic.compressive.settings import CompressiveSettings, PatternKind, PositiveFloat

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF

SETTINGS = Group("Settings", sort_key=2)
OPTICS = Group("Blur (by default none)", sort_key=3)


def _same(name: str) -> Any:
    """Return default, limits and description of a setting."""
    return CompressiveSettings.model_fields[name]


class TrainingOptions(BaseModel):
    """The settings that are worth an option; the others are for Python."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patterns: PatternKind = _same("patterns")
    frames: int = _same("frames")
    binning: int = _same("binning")
    loss: Literal["l1", "ssim"] = _same("loss")
    photons: PositiveFloat | None = _same("photons")
    read_noise: float = _same("read_noise")
    epochs: int = _same("epochs")
    seed: int = _same("seed")


def chosen_settings(options: TrainingOptions | None) -> CompressiveSettings:
    """Return the settings that the options give."""
    given = {} if options is None else options.model_dump(exclude_unset=True)
    return CompressiveSettings(**given)


def chosen_blur(prefix: str, sigma: Three | None, psf: Path | None) -> PSF | None:
    """Return the blur that a pair of options gives, or None if neither is given.

    Parameters
    ----------
    prefix
        What their names begin with, before "sigma" and "psf".
    sigma
        Standard deviation in um along z, y and x.
    psf
        A PSF file.

    Raises
    ------
    UsageError
        If both are given, or one makes no sense.
    """
    if sigma is None and psf is None:
        return None
    if sigma is not None and psf is not None:
        raise UsageError(f"--{prefix}sigma: give it or --{prefix}psf, not both")
    try:
        return chosen_psf(sigma, psf)
    except ValueError as error:
        said = str(error).replace("sigma:", f"--{prefix}sigma:", 1)
        raise UsageError(said) from error
