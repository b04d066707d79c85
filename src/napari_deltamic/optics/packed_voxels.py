"""Voxels as text, so that a file of numbers can hold them too."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_VOXELS = 1 << 26
"""A PSF of 400 voxels a side: far beyond use, and still only 256 MB."""
_BYTES = 4
_ENCODING = "float32, little-endian, zlib, base64"


def packed(voxels: ArrayLike) -> dict[str, Any]:
    """Return (Z, Y, X) voxels as what JSON can hold, in single precision."""
    array = np.asarray(voxels, dtype="<f4")
    if array.size > MOST_VOXELS:
        raise ValueError(f"voxels: {array.shape} are too many to save; crop the PSF")
    text = base64.b64encode(zlib.compress(array.tobytes(), 6)).decode("ascii")
    return {"shape": list(array.shape), "encoding": _ENCODING, "data": text}


def unpacked(found: Any) -> NDArray[np.float32]:
    """Return the voxels that :func:`packed` made text of.

    Raises
    ------
    ValueError
        If they are anything else; nothing larger than allowed is decompressed.
    """
    if not isinstance(found, dict) or set(found) != {"shape", "encoding", "data"}:
        raise ValueError("voxels: expected shape, encoding and data")
    shape, text = found["shape"], found["data"]
    if found["encoding"] != _ENCODING:
        raise ValueError(f"voxels: expected the encoding {_ENCODING!r}, got {found['encoding']!r}")
    if (
        not isinstance(shape, list)
        or len(shape) != 3
        or not all(type(n) is int and 0 < n <= MOST_VOXELS for n in shape)
        or math.prod(shape) > MOST_VOXELS
    ):
        raise ValueError(
            f"voxels: expected a shape of three whole numbers and at most {MOST_VOXELS:,} voxels, "
            f"got {shape!r}"
        )
    if not isinstance(text, str):
        raise ValueError("voxels: data is not text")
    size = _BYTES * math.prod(shape)
    try:
        compressed = base64.b64decode(text.encode("ascii"), validate=True)
        reader = zlib.decompressobj()
        raw = reader.decompress(compressed, size)
        # What is left over says that there are more voxels than the shape has.
        whole = len(raw) == size and not reader.decompress(reader.unconsumed_tail, 1)
    except (UnicodeEncodeError, binascii.Error, zlib.error) as error:
        raise ValueError(f"voxels: damaged data ({error})") from error
    if not whole or not reader.eof:
        raise ValueError(f"voxels: the data does not hold {shape[0]} x {shape[1]} x {shape[2]}")
    return np.frombuffer(raw, dtype="<f4").reshape(shape).astype(np.float32)
