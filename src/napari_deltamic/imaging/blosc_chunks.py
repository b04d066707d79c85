"""What chunks of a zarr array say of their sizes, held against their files."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

# Of blosc 1 and 2: four bytes of versions and flags; bytes of the values, a block and the whole.
_HEADER = struct.Struct("<4x3I")


def check_blosc_chunks(array: Any, index: tuple[int | slice, ...]) -> None:
    """Make sure that blosc can be given the chunks that a part of an array meets.

    Blosc takes the sizes in a chunk's header on trust. From a chunk that is damaged there it would
    allocate what it promises, or read beyond its end and take the process with it.

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
    last = array.compressors[-1] if array.compressors else None
    # Chunks within a shard lie at places of which only zarr knows.
    if "Blosc" not in type(last).__name__ or array.shards is not None:
        return
    is_alone = len(array.compressors) == 1 and not array.filters
    values = int(np.prod(array.chunks)) * array.dtype.itemsize if is_alone else None
    folder = Path(array.store_path.store.root) / array.store_path.path
    for place in product(*map(_chunks_along, index, array.shape, array.chunks)):
        key = array.metadata.encode_chunk_key(place)
        file = folder / key
        # What was never written is left out.
        if file.is_file() and not _is_sound(file, values):
            raise ValueError(f"its chunk {key} is damaged: it says to have another size")


def _chunks_along(part: int | slice, size: int, chunk: int) -> range:
    """Return which chunks along an axis hold a part of it."""
    if not isinstance(part, slice):
        return range(part // chunk, part // chunk + 1)
    start, stop, _ = part.indices(size)
    return range(start // chunk, -(-stop // chunk))


def _is_sound(file: Path, values: int | None) -> bool:
    with file.open("rb") as content:
        header = content.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return False
    promised, block, whole = _HEADER.unpack(header)
    fits = whole == file.stat().st_size and block <= max(promised, 1)
    return fits and (values is None or promised == values)
