"""Checkpoints: a fit's progress on disk, from which it goes on exactly as if never interrupted."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_deltamic.archives import read_npz
from napari_deltamic.fitting.densities import Brightness
from napari_deltamic.fitting.lbfgs import Memory
from napari_deltamic.fitting.misfit import Evaluation
from napari_deltamic.fitting.progress import Optics, Progress
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.imaging import ImageStack
from napari_deltamic.imaging.frame_stack import Recording
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.optics import PSF
from napari_deltamic.replacing import replacing

_log = logging.getLogger(__name__)

_VERSION = 5
_SCALARS = (
    "stage",
    "leg",
    "leg_iteration",
    "iteration",
    "begun",
    "reason",
    "backend",
    "on_voxels",
    "noise",
    "leg_noise",
)
_PLACES = ("leg_start", "cleared")
_OPTICS = ("planned", "base", "last", "now")
_HISTORIES = ("leg_losses", "loss_history", "stage_starts", "warnings")


def fingerprint(
    stack: Recording, mesh: TriangleMesh, psf: PSF, settings: FitSettings, first_stage: int = 0
) -> str:
    """Return what tells one fit's input from another's."""
    digest = hashlib.sha256()
    data = stack.data, stack.spacing, stack.origin, stack.mask
    for array in (*data, mesh.vertices, mesh.faces, mesh.labels):
        digest.update(repr(None if array is None else array.shape).encode())
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    recorded = {} if isinstance(stack, ImageStack) else stack.acquisition.state_dict()
    for name, value in (*psf.state_dict().items(), *recorded.items()):
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    digest.update(type(psf).__name__.encode() + settings.model_dump_json().encode())
    # Only then, so that checkpoints of fits that left none out stay good.
    if first_stage:
        digest.update(f"first stage {first_stage}".encode())
    return digest.hexdigest()


def save_checkpoint(path: Path, progress: Progress, identity: str) -> None:
    """Write a fit's progress; the file is whole at every moment."""
    meta = {
        "version": _VERSION,
        "identity": identity,
        **{name: getattr(progress, name) for name in (*_SCALARS, *_HISTORIES)},
        "background": progress.brightness.background,
        "attenuation": progress.brightness.attenuation,
    }
    arrays: dict[str, Any] = {
        "vertices": progress.mesh.vertices,
        "faces": progress.mesh.faces,
        "labels": progress.mesh.labels,
        "membrane": progress.brightness.membrane,
        "interior": progress.brightness.interior,
    }
    for name in _PLACES:
        if getattr(progress, name) is not None:
            arrays[name] = getattr(progress, name)
    if progress.here is not None:
        meta["loss"], meta["penalty"] = progress.here.loss, progress.here.penalty
        arrays["gradient"] = progress.here.gradient.cpu().numpy()
    if progress.anchor is not None:
        arrays["anchor"], anchor_brightness = progress.anchor
        arrays["anchor_membrane"] = anchor_brightness.membrane
        arrays["anchor_interior"] = anchor_brightness.interior
        meta["anchor_background"] = anchor_brightness.background
        meta["anchor_attenuation"] = anchor_brightness.attenuation
    if progress.optics is not None:
        meta["drift"] = progress.optics.drift
        arrays.update({f"optics_{name}": getattr(progress.optics, name) for name in _OPTICS})
        if progress.optics.deviation is not None:
            arrays["optics_deviation"] = progress.optics.deviation
    if progress.memory.smoothed is not None:
        arrays["steps"] = torch.stack(progress.memory.steps).cpu().numpy()
        arrays["changes"] = torch.stack(progress.memory.changes).cpu().numpy()
        arrays["smoothed"] = progress.memory.smoothed.cpu().numpy()
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, meta=np.array(json.dumps(meta)), **arrays)


def checkpoint_file(checkpoint: str | Path | None, resume: bool) -> Path | None:
    """Return the file that progress goes to, or raise ValueError if it can go to none."""
    file = None if checkpoint is None else Path(checkpoint)
    if file is not None and (file.is_dir() or not file.parent.is_dir()):
        raise ValueError(f"checkpoint: {file} must be a file in a folder that exists; make it")
    if resume and file is None:
        raise ValueError("resume: there is no checkpoint to go on from; name its file")
    return file


def try_checkpoint(path: Path, progress: Progress, identity: str) -> None:
    """Write a fit's progress, if that is possible; see :func:`try_to_keep`."""
    try_to_keep(partial(save_checkpoint, path, progress, identity), path, progress.warnings)


def try_to_keep(keep: Callable[[], None], path: Path, warnings: list[str]) -> None:
    """Write progress; where that fails there is one more warning, and the last file stays.

    Hours of fitting count for more than the means to go on from them.
    """
    try:
        keep()
    except OSError as error:
        warning = f"the progress could not be kept in {path} ({error.strerror or error})"
        if warning not in warnings:
            warnings.append(warning)
            _log.warning(warning)


def load_checkpoint(path: Path, identity: str) -> Progress:
    """Read a fit's progress.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a checkpoint, or is one of a fit of other data, optics or settings.
    """
    try:
        arrays: dict[str, Any] = dict(read_npz(path))
        meta = dict(json.loads(str(arrays.pop("meta"))))
        version, of_fit = meta["version"], meta["identity"]
    except FileNotFoundError:
        raise
    # A damaged archive fails in a dozen ways, from zlib's to the tokenizer's of array headers.
    except Exception as error:
        raise ValueError(f"checkpoint: {path} cannot be read ({error}); start afresh") from error
    if version != _VERSION:
        raise ValueError(f"checkpoint: {path} is of another version ({version}); start afresh")
    if of_fit != identity:
        raise ValueError(
            f"checkpoint: {path} belongs to a fit of another stack, mesh, PSF or settings; "
            "give the same ones, or start afresh"
        )
    try:
        return _progress(meta, arrays)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"checkpoint: {path} is damaged ({error!r}); start afresh") from error


def _progress(meta: dict[str, Any], arrays: dict[str, Any]) -> Progress:
    brightness = Brightness(
        arrays["membrane"], arrays["interior"], meta["background"], meta["attenuation"]
    )
    progress = Progress(
        TriangleMesh(arrays["vertices"], arrays["faces"], arrays["labels"]),
        brightness,
        **{name: meta[name] for name in (*_SCALARS, *_HISTORIES)},
    )
    for name in _PLACES:
        setattr(progress, name, arrays.get(name))
    if "gradient" in arrays:
        progress.here = Evaluation(
            meta["loss"], torch.from_numpy(arrays["gradient"]), brightness, meta["penalty"]
        )
    if "drift" in meta:
        values = {name: arrays[f"optics_{name}"] for name in _OPTICS}
        values["deviation"] = arrays.get("optics_deviation")
        progress.optics = Optics(**values, drift=meta["drift"])
    if "anchor" in arrays:
        anchor_brightness = Brightness(
            arrays["anchor_membrane"],
            arrays["anchor_interior"],
            meta["anchor_background"],
            meta["anchor_attenuation"],
        )
        progress.anchor = arrays["anchor"], anchor_brightness
    if "steps" in arrays:
        steps, changes, smoothed = (
            torch.from_numpy(arrays[name]) for name in ("steps", "changes", "smoothed")
        )
        progress.memory = Memory(list(steps), list(changes), smoothed)
    return progress
