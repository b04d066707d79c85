"""Arrays in files that are safe to open: no code in them, and none larger than its file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.archives import read_npz
from napari_deltamic.replacing import replacing


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of numbers by name into an uncompressed .npz file.

    Raises
    ------
    ValueError
        If an array holds anything but numbers and truth values.
    OSError
        If the file cannot be written.
    """
    plain = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in plain.items():
        if array.dtype.kind not in "biufc":
            raise ValueError(f"{name}: values of type {array.dtype} cannot be saved")
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **plain)  # type: ignore[arg-type]


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote.

    Raises
    ------
    ValueError
        If the file is missing, damaged, or none of that kind.
    """
    try:
        if path.is_symlink():
            raise ValueError("it is a link, which could lead out of the session")
        return dict(read_npz(path))
    # A damaged archive fails in a dozen ways, from zipfile's to the tokenizer's of array headers.
    except Exception as error:
        raise ValueError(f"{path.name} cannot be read ({error})") from error


def digest_of(data: NDArray[Any]) -> str:
    """Return what tells the values of an array from others."""
    array = np.ascontiguousarray(data)
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(array.view(np.uint8).reshape(-1).data if array.size else b"")
    return digest.hexdigest()
