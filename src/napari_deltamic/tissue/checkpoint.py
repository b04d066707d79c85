"""The progress of a tissue's fit on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.archives import read_npz
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.imaging.lazy_stack import LazyStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.optics import PSF
from napari_deltamic.replacing import replacing
from napari_deltamic.tissue.light import Light
from napari_deltamic.tissue.progress import BlockSummary, TissueProgress

_VERSION = 3
_PLAIN = ("blocks", "stage", "leg", "block", "begun", "warnings")
# Voxels along each side of the part of a stack that tells it from another.
_SAMPLE = 32


def identity_of(
    stack: LazyStack, mesh: TriangleMesh, psf: PSF, settings: FitSettings, cells: int
) -> str:
    """Return what tells one fit's input from another's, from the middle of the stack alone."""
    digest = hashlib.sha256(f"{stack.shape} {stack.data.dtype} {cells}".encode())
    middle = np.array(stack.shape) // 2
    sample = stack.part(middle - _SAMPLE // 2, middle + _SAMPLE // 2)
    arrays = stack.spacing, stack.origin, sample.data, mesh.vertices, mesh.faces, mesh.labels
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    for name, value in psf.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    digest.update(type(psf).__name__.encode() + settings.model_dump_json().encode())
    return digest.hexdigest()


def save_tissue(
    path: Path, progress: TissueProgress, identity: str, finished: bool = False
) -> None:
    """Write the progress; the file is whole at every moment."""
    meta = {
        "finished": finished,
        "version": _VERSION,
        "identity": identity,
        **{name: getattr(progress, name) for name in _PLAIN},
        "membrane": [[*pair, value] for pair, value in progress.light.membrane.items()],
        "interior": list(progress.light.interior.items()),
        "summaries": [[block, *one] for block, one in progress.summaries.items()],
    }
    mesh = progress.mesh
    with replacing(path) as name, name.open("wb") as file:
        np.savez(
            file,
            meta=np.array(json.dumps(meta)),
            vertices=mesh.vertices,
            faces=mesh.faces,
            labels=mesh.labels,
        )


def load_tissue(path: Path, identity: str) -> TissueProgress:
    """Read the progress.

    Raises
    ------
    ValueError
        If the file is not a checkpoint of a tissue, or is one of other data, optics or settings.
    """
    try:
        arrays = read_npz(path)
        meta = dict(json.loads(str(arrays["meta"])))
        version = meta["version"]
        if version == _VERSION and meta["identity"] == identity:
            return _progress(meta, arrays)
    # A damaged archive fails in a dozen ways.
    except Exception as error:
        raise ValueError(f"checkpoint: {path} cannot be read ({error}); start afresh") from error
    if version != _VERSION:
        raise ValueError(f"checkpoint: {path} is of another version ({version}); start afresh")
    raise ValueError(
        f"checkpoint: {path} belongs to a fit of another stack, mesh, PSF, settings or number of "
        "cells in a block; give the same ones, or start afresh"
    )


def is_unfinished(path: Path) -> bool:
    """Whether a file holds the progress of a tissue that has not come to its end."""
    try:
        return not json.loads(str(read_npz(path)["meta"]))["finished"]
    # Whatever else it is, it is none.
    except Exception:
        return False


def _progress(meta: dict[str, Any], arrays: dict[str, NDArray[np.generic]]) -> TissueProgress:
    membrane = {(int(low), int(high)): float(value) for low, high, value in meta["membrane"]}
    interior = {int(region): float(value) for region, value in meta["interior"]}
    return TissueProgress(
        TriangleMesh(arrays["vertices"], arrays["faces"], arrays["labels"]),
        light=Light(membrane, interior),
        summaries={int(block): BlockSummary(*one) for block, *one in meta["summaries"]},
        **{name: meta[name] for name in _PLAIN},
    )
