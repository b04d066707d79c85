"""Archives of arrays that may come from anywhere: nothing in them is run, or larger than the file.

An archive says of each member how large it is, and each array of what shape it is, before a byte of
it is read. All of that is held against the file's own size, so that nothing is allocated for what
is not there.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

_NUMBERS, _TEXT = "biufc", "U"
_ENDING = ".npy"
_VERSIONS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_archive(path: Path) -> None:
    """Raise an error if a file is no archive, or its members are more than the file itself.

    Raises
    ------
    OSError, ValueError, zipfile.BadZipFile
        If it is none, or a member is compressed, encrypted, or one of several in the same bytes.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for one in members:
        if one.compress_type != zipfile.ZIP_STORED or one.flag_bits & 1:
            raise ValueError(f"{one.filename!r} is compressed or encrypted, which nothing here is")
        if one.compress_size != one.file_size:
            raise ValueError(f"{one.filename!r} is not as large as it says")
    promised = sum(one.file_size for one in members)
    if promised > path.stat().st_size:
        raise ValueError(f"it promises {promised:,} bytes, more than the file has")


def read_npz(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[np.generic]]:
    """Return arrays of an uncompressed .npz file by name: of numbers, truth values or text.

    Parameters
    ----------
    path
        The file.
    names
        Those to read; by default all.

    Raises
    ------
    Exception
        Whatever a damaged archive leads to, from zipfile's errors to those of array headers; the
        caller says what the file should have been.
    """
    check_archive(path)
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for one in archive.infolist():
            name = one.filename.removesuffix(_ENDING)
            if names is None or name in names:
                with archive.open(one) as stream:
                    arrays[name] = _array(stream, name, one.file_size)
    return arrays


def _array(stream: IO[bytes], name: str, size: int) -> NDArray[np.generic]:
    version = np.lib.format.read_magic(stream)
    if version not in _VERSIONS:
        raise ValueError(f"{name!r} is an array of version {version}")
    shape, is_fortran, dtype = _VERSIONS[version](stream)
    if dtype.kind not in _NUMBERS + _TEXT:
        raise ValueError(f"{name!r} holds {dtype}, and neither numbers nor text")
    left = size - stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"{name!r} promises shape {shape} of {dtype}, and has {left:,} bytes")
    values = np.frombuffer(stream.read(), dtype) if left else np.empty(0, dtype)
    # A copy, for what is read from bytes cannot be changed.
    return values.reshape(shape, order="F" if is_fortran else "C").copy()
