"""A trained model in one file: settings, field, optics and weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from napari_deltamic.archives import check_archive
from napari_deltamic.compressive.model import CompressiveModel
from napari_deltamic.compressive.settings import CompressiveSettings
from napari_deltamic.compressive.torch_files import write_torch
from napari_deltamic.optics import PSF
from napari_deltamic.optics.files import psf_of_text, text_of_psf
from napari_deltamic.optics.voxel_checks import checked_shape
from napari_deltamic.spacing import checked_spacing

_FORMAT, _VERSION = "napari-deltamic compressive model", 1
# Voxels that light may spread over: in any file, and for each number that a file has.
_ALWAYS, _MOST_RATIO = 1 << 23, 256


def save_model(model: CompressiveModel, path: str | os.PathLike[str]) -> None:
    """Write a model; an existing file is replaced at once or not at all."""
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "settings": model.settings.model_dump_json(),
        "field": model.acquisition.shape,
        "spacing": model.spacing,
        "excitation": _text_of(model.excitation),
        "emission": _text_of(model.emission),
        "weights": model.state_dict(),
    }
    write_torch(Path(path), content)


def load_model(path: str | os.PathLike[str]) -> CompressiveModel:
    """Return a model that :func:`save_model` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not one of these.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"path: there is no file {path}")
    try:
        check_archive(Path(path))
        content = torch.load(path, weights_only=True)
        if (content["format"], content["version"]) != (_FORMAT, _VERSION):
            raise ValueError(f"it is {content['format']}, version {content['version']}")
        settings = CompressiveSettings.model_validate_json(content["settings"])
        field, spacing = checked_shape(content["field"]), content["spacing"]
        psfs = _psf_of(content["excitation"]), _psf_of(content["emission"])
        _check_sizes(content["weights"], settings, field, spacing, psfs)
        model = CompressiveModel(settings, field, spacing, *psfs)
        model.load_state_dict(content["weights"])
    # A damaged file fails in a dozen ways, from the archive's to the unpickler's, in many lines.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"path: {path} is no model of this program ({reason})") from error
    return model


def _check_sizes(
    weights: dict[str, torch.Tensor],
    settings: CompressiveSettings,
    field: tuple[int, int, int],
    spacing: ArrayLike,
    psfs: tuple[PSF | None, PSF | None],
) -> None:
    """Raise ValueError if a model needs far more memory than its weights do."""
    masks = weights["acquisition.patterns"]
    # A tensor that repeats its numbers can be larger than what the file has of it.
    if masks.shape != (settings.frames, *field[1:]) or not masks.is_contiguous():
        raise ValueError(f"its field is {field}, and its patterns have {tuple(masks.shape)}")
    most = max(_ALWAYS, _MOST_RATIO * sum(one.numel() for one in weights.values()))
    for psf in psfs:
        reach = 0.0 if psf is None else psf.extent() / checked_spacing(spacing)
        voxels = float(np.prod(np.add(field, reach)))
        if not voxels <= most:
            raise ValueError(f"its light spreads over {voxels:.3g} voxels, more than {most:.3g}")


def _text_of(psf: PSF | None) -> str | None:
    return None if psf is None else text_of_psf(psf)


def _psf_of(text: str | None) -> PSF | None:
    return None if text is None else psf_of_text(text)
