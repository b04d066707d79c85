"""A fit as a command line and as a Python script, to run it again without napari; no Qt."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_deltamic.fitting.settings import FitSettings

Three = tuple[float, float, float]


@dataclass(frozen=True)
class FitFiles:
    """A fit by the files that it was of.

    Attributes
    ----------
    image
        A TIFF file.
    mesh
        A .rec file of the mesh that the fit started from, in um.
    psf
        Three widths of a Gaussian in um, or a PSF file.
    spacing, origin
        (z, y, x) voxel size, and centre of the first voxel, in um.
    channel, frame
        Which of the file's; None where it has but one.
    settings
        The fit's settings.
    output
        The folder for the result.
    first_stage
        The stage that the fit began with, from 0.
    """

    image: Path
    mesh: Path
    psf: Three | Path
    spacing: Three
    origin: Three
    channel: int | None
    frame: int | None
    settings: FitSettings
    output: Path
    first_stage: int = 0


def command_line(fit: FitFiles) -> str:
    """Return the line for a shell that runs the fit again.

    Raises
    ------
    ValueError
        If the fit did not begin with the first stage, which no option says.
    """
    if fit.first_stage:
        raise ValueError(
            f"the fit began with stage {fit.first_stage + 1}, after a correction; copy the Python "
            "script, which can do that"
        )
    words = ["napari-deltamic", "fit", str(fit.image), "--mesh", str(fit.mesh)]
    words += length_words("--spacing", fit.spacing)
    if any(fit.origin):
        words += length_words("--origin", fit.origin)
    for name, number in (("--channel", fit.channel), ("--frame", fit.frame)):
        words += [] if number is None else [name, str(number)]
    words += psf_words(fit.psf) + setting_words(fit.settings)
    words += ["-o", str(fit.output)]
    return typed(words)


def typed(words: Sequence[str]) -> str:
    """Return words as they are typed into a shell."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def psf_words(psf: Three | Path) -> list[str]:
    """Return the option that names a PSF file, or three widths of a Gaussian in um."""
    return ["--psf", str(psf)] if isinstance(psf, Path) else length_words("--sigma", psf)


def setting_words(settings: FitSettings) -> list[str]:
    """Return the options for the settings that are not the defaults."""
    words: list[str] = []
    for name, value in _chosen(settings).items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, tuple):
            words += [f"--{option}", *value]
        else:
            words += [f"--{option}", str(value)]
    return words


def length_words(option: str, lengths: Three) -> list[str]:
    """Return an option with three lengths in um."""
    return [option, *(repr(float(length)) for length in lengths)]


def python_script(fit: FitFiles) -> str:
    """Return a script that runs the fit again and writes the fitted mesh."""
    chosen = ", ".join(f"{name}={value!r}" for name, value in _chosen(fit.settings).items())
    choice = [
        f"{name}={number}"
        for name, number in (("channel", fit.channel), ("frame", fit.frame))
        if number is not None
    ]
    read = ", ".join([repr(str(fit.image)), f"spacing={fit.spacing}", *choice])
    is_file = isinstance(fit.psf, Path)
    psf = f"dm.load_psf({str(fit.psf)!r})" if is_file else f"dm.GaussianPSF(sigma={fit.psf})"
    stage = f", first_stage={fit.first_stage}" if fit.first_stage else ""
    lines = ["from pathlib import Path", "", "import napari_deltamic as dm", ""]
    lines.append(f"stack = dm.read_stack({read})")
    if any(fit.origin):
        lines.append(f"stack = dm.ImageStack(stack.data, stack.spacing, origin={fit.origin})")
    lines += [
        f"mesh = dm.read_mesh({str(fit.mesh)!r})",
        f"psf = {psf}",
        f"settings = dm.FitSettings({chosen})",
        f"result = dm.fit(stack, mesh, psf, settings{stage})",
        "print(result.stop_reason)",
        f"output = Path({str(fit.output)!r})",
        "output.mkdir(parents=True, exist_ok=True)",
        'dm.write_mesh(result.mesh, output / "mesh.rec")',
    ]
    return "\n".join(lines) + "\n"


def _chosen(settings: FitSettings) -> dict[str, Any]:
    """Return the settings that are not the defaults."""
    defaults = FitSettings()
    values = settings.model_dump()
    return {name: value for name, value in values.items() if value != getattr(defaults, name)}
