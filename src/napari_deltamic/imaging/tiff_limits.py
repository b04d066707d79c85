"""What a TIFF file promises, held against the file before any of it is decoded."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

_ALWAYS = 256 << 20
"""Bytes of an image that any file may hold."""
_MOST_RATIO = 2000
"""Bytes of an image for each of its file; zlib, the tightest in common use, comes to 1030."""
_ALWAYS_SEGMENTS = 10_000
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


def file_names(tif: Any) -> set[str]:
    """Return the names of files, those that are there, that OME metadata put planes into.

    Raises
    ------
    ValueError
        If one of them does not lie beside this one.
    """
    if not (tif.is_ome and tif.ome_metadata):
        return set()
    try:
        root = ElementTree.fromstring(tif.ome_metadata)
    except ElementTree.ParseError:
        return set()
    # As tifffile looks for them, whatever stands before; other elements name files of no planes.
    parts = (element for element in root.iter() if element.tag.endswith("UUID"))
    names = {element.get("FileName", "") for element in parts} - {""}
    for name in names:
        if any(sign in name for sign in _LEADS_OUT) or name in (".", ".."):
            raise ValueError(f"it takes planes from {name!r}, which is not a file beside it")
    return {one for one in names if os.path.isfile(os.path.join(tif.filehandle.dirname, one))}


def check_size(size: int, series: Any) -> None:
    """Raise ValueError if an image, or a tile of it, is far larger than so many bytes can hold."""
    each = series.dtype.itemsize
    chunks = series.keyframe.chunks
    # Where the file has several numbers for a width, they come as a tuple of their own.
    if not all(isinstance(length, int) for length in chunks):
        raise ValueError(f"it has tiles of the size {str(chunks)[:60]}")
    for what, number in (("an image", prod(series.shape)), ("tiles", prod(chunks))):
        if number * each > max(_ALWAYS, _MOST_RATIO * size):
            raise ValueError(
                f"it promises {what} of {number * each:,} bytes, more than a file of {size:,} "
                "bytes can hold"
            )


def check_segments(pages: Iterable[Any]) -> None:
    """Raise ValueError if a strip or tile of a page is larger than the file, or there are too many.

    For each that is not there tifffile takes as long as for one that is.
    """
    for page in pages:
        if page is None:
            continue
        size = page.parent.filehandle.size
        longest, count = max(page.databytecounts, default=0), prod(page.chunked)
        if longest > size or count > max(_ALWAYS_SEGMENTS, size):
            raise ValueError(
                f"it promises {count:,} strips or tiles, the largest of {longest:,} bytes, and has "
                f"{size:,} bytes in all"
            )
