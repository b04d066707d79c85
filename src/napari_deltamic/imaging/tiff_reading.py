"""Images in TIFF files, of which only the pages that are asked for are read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.axes import named_axes
from napari_deltamic.imaging.metadata import voxel_size
from napari_deltamic.imaging.stored_image import StoredImage
from napari_deltamic.imaging.tiff_limits import (
    check_pages,
    check_segments,
    check_size,
    file_names,
)


def stored_tiff(file: Path) -> StoredImage:
    """Return the first image of a TIFF file from its metadata alone.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a readable TIFF file.
    """
    with _opened(file) as tif:
        series = tif.series[0]
        shape = tuple(int(size) for size in series.shape)
        voxels = _TiffVoxels(file, shape, series.dtype)
        return StoredImage(file, voxels, named_axes(series.axes, shape), voxel_size(tif))


def tiff_values(file: Path) -> NDArray[Any]:
    """Return all values of the first image of a TIFF file, whatever its axes are.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`stored_tiff`.
    """
    with _opened(file) as tif:
        check_segments(tif.series[0].pages)
        return np.asarray(tif.series[0].asarray())


@dataclass(frozen=True)
class _TiffVoxels:
    """The values of a file that is open only while some of them are read."""

    file: Path
    shape: tuple[int, ...]
    dtype: Any

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        with _opened(self.file) as tif:
            series = tif.series[0]
            if series.dataoffset is not None:
                return self._mapped(tif, series.dataoffset, index)
            shape = self.shape
            pages: list[Any] = [None]
            if series.axes.endswith("YX") and len(series.pages) == prod(shape[:-2]):
                numbers = np.arange(prod(shape[:-2])).reshape(shape[:-2])[index[:-2]]
                pages = [series.pages[int(number)] for number in np.ravel(numbers)]
            if None in pages or not pages:
                check_segments(series.pages)
                return np.asarray(series.asarray()[index])
            check_segments(pages)
            planes = [page.asarray().reshape(shape[-2:])[index[-2:]] for page in pages]
            return np.reshape(planes, (*numbers.shape, *planes[0].shape))

    def _mapped(self, tif: Any, offset: int, index: tuple[int | slice, ...]) -> NDArray[Any]:
        dtype = np.dtype(self.dtype).newbyteorder(tif.byteorder)
        mapped = np.memmap(self.file, dtype, "r", offset, self.shape)
        # A copy, so that nothing holds the file.
        return np.array(mapped[index])


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a TIFF file; whatever goes wrong while reading it becomes an error that names it."""
    import tifffile

    if not file.is_file():
        raise FileNotFoundError(f"path: there is no file {file}")
    try:
        with tifffile.TiffFile(file) as tif:
            check_pages(file, tif)
            files = max(1, len(file_names(tif)))
            if not tif.series:
                raise ValueError("it holds no image")
            check_size(files * file.stat().st_size, tif.series[0])
            yield tif
    except KeyError as error:
        # tifffile reports a compression it cannot decode alone as KeyError.
        raise ValueError(
            f"path: {file} cannot be decoded ({error.args[0]}); save it uncompressed "
            "or with zlib (deflate)"
        ) from error
    except (
        ArithmeticError,
        AssertionError,  # with which tifffile checks itself
        AttributeError,
        IndexError,
        OSError,
        RuntimeError,  # what imagecodecs raises
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"path: {file} is not a readable TIFF file: {reason}") from error
