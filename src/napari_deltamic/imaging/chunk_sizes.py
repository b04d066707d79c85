"""What chunks of a zarr array say of their sizes, held against their files."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

# Of blosc 1 and 2: four bytes of versions and flags; bytes of the values, a block and the whole.
_BLOSC = struct.Struct("<4x3I")
# Of a zstd frame, and how long its header may be (RFC 8878).
_ZSTD, _LONGEST = b"\x28\xb5\x2f\xfd", 18


def check_chunk_sizes(array: Any, index: tuple[int | slice, ...]) -> None:
    """Make sure that blosc or zstd can be given the chunks that a part of an array meets.

    Both take the sizes in a chunk's header on trust. From a chunk that is damaged there they would
    allocate what it promises, and blosc would read beyond its end and take the process with it.

    Parameters
    ----------
    array
        A zarr array in a folder.
    index
        The part, one number or slice for each axis.

    Raises
    ------
    ValueError
        If the sizes of a chunk are not those of its file and of the array.
    """
    name = type(array.compressors[-1]).__name__ if array.compressors else ""
    is_sound = next((check for codec, check in _CHECKS.items() if codec in name), None)
    # Chunks within a shard lie at places of which only zarr knows.
    if is_sound is None or array.shards is not None:
        return
    is_alone = len(array.compressors) == 1 and not array.filters
    values = int(np.prod(array.chunks)) * array.dtype.itemsize if is_alone else None
    folder = Path(array.store_path.store.root) / array.store_path.path
    for place in product(*map(_chunks_along, index, array.shape, array.chunks)):
        key = array.metadata.encode_chunk_key(place)
        file = folder / key
        # What was never written is left out.
        if file.is_file() and not is_sound(file, values):
            raise ValueError(f"its chunk {key} is damaged: it says to have another size")


def _chunks_along(part: int | slice, size: int, chunk: int) -> range:
    """Return which chunks along an axis hold a part of it."""
    if not isinstance(part, slice):
        return range(part // chunk, part // chunk + 1)
    start, stop, _ = part.indices(size)
    return range(start // chunk, -(-stop // chunk))


def _is_sound_blosc(file: Path, values: int | None) -> bool:
    header = _start_of(file, _BLOSC.size)
    if len(header) < _BLOSC.size:
        return False
    promised, block, whole = _BLOSC.unpack(header)
    fits = whole == file.stat().st_size and block <= max(promised, 1)
    return fits and (values is None or promised == values)


def _is_sound_zstd(file: Path, values: int | None) -> bool:
    header = _start_of(file, _LONGEST)
    if not header.startswith(_ZSTD) or len(header) < 6:
        return False
    flags = header[4]
    is_single = bool(flags & 0x20)
    # Before the size lie a byte of the window, unless there is but one segment, and a dictionary.
    start = 5 + (not is_single) + (0, 1, 2, 4)[flags & 3]
    length = (int(is_single), 2, 4, 8)[flags >> 6]
    if length == 0:
        # No size is promised, and none is believed.
        return True
    promised = int.from_bytes(header[start : start + length], "little") + 256 * (length == 2)
    return values is None or promised == values


def _start_of(file: Path, length: int) -> bytes:
    with file.open("rb") as content:
        return content.read(length)


_CHECKS = {"Blosc": _is_sound_blosc, "Zstd": _is_sound_zstd}
