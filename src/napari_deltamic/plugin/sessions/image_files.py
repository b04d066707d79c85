"""Whether a layer's data can be read from its file again, and reading them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.sessions.arrays import digest_of
from napari_deltamic.plugin.sessions.saved import ImageFile

# Of a stack, spread evenly, by which it is told from others: all planes of most stacks.
_MOST_PLANES, _MOST_BYTES = 256, 1 << 28


def stack_digest(data: Any, frame: tuple[int, ...]) -> str:
    """Return what tells the (Z, Y, X) stack of a frame, within (..., Z, Y, X) data, from others."""
    planes, rows, columns = (int(size) for size in data.shape[-3:])
    affordable = max(2, _MOST_BYTES // max(1, rows * columns * data.dtype.itemsize))
    count = min(planes, _MOST_PLANES, affordable)
    kept = np.unique(np.linspace(0, planes - 1, count).round().astype(int))
    stack = data[frame]
    return digest_of(np.asarray(stack if len(kept) == planes else stack[kept]))


def file_of(
    path: str | None, reader: str | None, data: Any, frame: tuple[int, ...]
) -> ImageFile | None:
    """Return the file that gives a layer's data again; None if none does.

    Parameters
    ----------
    path, reader
        Where napari says that the layer came from, and which plugin read it.
    data
        The layer's data.
    frame
        Which of their stacks is compared with the file's.
    """
    if not path or not reader or not Path(path).exists():
        return None
    digest = stack_digest(data, frame)
    try:
        items = _read(path, reader)
    except Exception:
        # Readers of all plugins raise whatever they like; then the data are kept instead.
        return None
    for number, item in enumerate(items):
        if _is_this(item, data.shape, frame, digest):
            return ImageFile(str(Path(path).resolve()), reader, number, frame, digest)
    return None


def data_of(file: ImageFile) -> Any:
    """Return a layer's data from its file.

    Raises
    ------
    ValueError
        If the file is missing, cannot be read or holds something else by now.
    """
    if not Path(file.path).exists():
        raise ValueError(
            f"the image {file.path} is missing; put it back and open the session again"
        )
    try:
        item = _read(file.path, file.reader)[file.item]
    except Exception as error:
        raise ValueError(f"the image {file.path} cannot be read: {error}") from error
    if not _is_this(item, None, file.frame, file.digest):
        raise ValueError(
            f"the image {file.path} is not as it was when the session was saved; put the old file "
            "back and open the session again"
        )
    return item


def _read(path: str, reader: str) -> list[Any]:
    """Return the data of each layer that a plugin makes of a file, of pyramids the finest."""
    from npe2 import io_utils

    found = io_utils.read([path], stack=False, plugin_name=reader)
    data = [item[0] for item in found]
    return [one[0] if isinstance(one, list | tuple) else one for one in data]


def _is_this(
    data: NDArray[Any], shape: tuple[int, ...] | None, frame: tuple[int, ...], digest: str
) -> bool:
    if shape is not None and tuple(data.shape) != tuple(shape):
        return False
    if len(data.shape) != len(frame) + 3:
        return False
    inside = all(0 <= k < size for k, size in zip(frame, data.shape, strict=False))
    return inside and stack_digest(data, frame) == digest
