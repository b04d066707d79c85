"""What a TIFF file promises, held against the file before any of it is decoded."""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

_ALWAYS = 256 << 20
"""Bytes of an image that any file may hold."""
_MOST_RATIO = 2000
"""Bytes of an image for each of its file; zlib, the tightest in common use, comes to 1030."""
_LEADS_OUT = "/\\:\0"


def check_pages(file: Path, tif: Any) -> None:
    """Raise ValueError if the chain of pages leads out of the file, or in circles.

    tifffile would read what is left of it, or without end.
    """
    form = tif.tiff
    size = file.stat().st_size
    seen = set()
    with file.open("rb") as stream:
        stream.seek(8 if form.offsetsize == 8 else 4)
        while True:
            chunk = stream.read(form.offsetsize)
            if len(chunk) < form.offsetsize:
                break
            (offset,) = struct.unpack(form.offsetformat, chunk)
            if offset == 0:
                return
            if offset in seen:
                raise ValueError("its pages lead in circles")
            seen.add(offset)
            if offset + form.tagnosize > size:
                break
            stream.seek(offset)
            (tags,) = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))
            stream.seek(offset + form.tagnosize + tags * form.tagsize)
    raise ValueError("it is cut short, some of its planes are missing")


def check_file_names(tif: Any) -> None:
    """Raise ValueError if OME metadata put planes into files that do not lie beside this one."""
    if not (tif.is_ome and tif.ome_metadata):
        return
    try:
        root = ElementTree.fromstring(tif.ome_metadata)
    except ElementTree.ParseError:
        return
    for element in root.iter():
        name = element.get("FileName", "")
        if any(sign in name for sign in _LEADS_OUT) or name in (".", ".."):
            raise ValueError(f"it takes planes from {name!r}, which is not a file beside it")


def check_size(file: Path, series: Any) -> None:
    """Raise ValueError if an image, or one tile of it, is far larger than its file can hold."""
    most = max(_ALWAYS, _MOST_RATIO * file.stat().st_size)
    tile = prod(series.keyframe.chunks) * series.dtype.itemsize
    for what, size in (("an image", prod(series.shape) * series.dtype.itemsize), ("tiles", tile)):
        if size > most:
            raise ValueError(
                f"it promises {what} of {size:,} bytes, more than a file of "
                f"{file.stat().st_size:,} bytes can hold"
            )
