"""A trained model in one file: settings, field, optics and weights."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch

from napari_deltamic.compressive.model import CompressiveModel
from napari_deltamic.compressive.settings import CompressiveSettings
from napari_deltamic.optics import PSF, load_psf, save_psf
from napari_deltamic.replacing import replacing

_FORMAT, _VERSION = "napari-deltamic compressive model", 1


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
    with replacing(Path(path)) as name:
        torch.save(content, name)


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
        content = torch.load(path, weights_only=True)
        if (content["format"], content["version"]) != (_FORMAT, _VERSION):
            raise ValueError(f"it is {content['format']}, version {content['version']}")
        model = CompressiveModel(
            CompressiveSettings.model_validate_json(content["settings"]),
            content["field"],
            content["spacing"],
            _psf_of(content["excitation"]),
            _psf_of(content["emission"]),
        )
        model.load_state_dict(content["weights"])
    # A damaged file fails in a dozen ways, from the archive's to the unpickler's.
    except Exception as error:
        raise ValueError(f"path: {path} is no model of this program ({error})") from error
    return model


def _text_of(psf: PSF | None) -> str | None:
    if psf is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "psf.json"
        save_psf(psf, file)
        return file.read_text(encoding="utf-8")


def _psf_of(text: str | None) -> PSF | None:
    if text is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "psf.json"
        file.write_text(text, encoding="utf-8")
        return load_psf(file)
