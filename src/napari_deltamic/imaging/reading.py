"""Stacks from and to TIFF files."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.metadata import VoxelSize, voxel_size
from napari_deltamic.imaging.stack import ImageStack
from napari_deltamic.spacing import checked_spacing

_SPACING_HELP = "pass the voxel size in um as spacing=(z, y, x)"


@dataclass(frozen=True)
class StackInfo:
    """What a TIFF file holds, without its voxels.

    Attributes
    ----------
    path
        The file.
    shape, axes
        Shape of the image and one letter an axis, such as "TCZYX"; axes of length 1 are left out.
    dtype
        Type of the stored values.
    spacing
        (z, y, x) voxel size in um, or None where the file does not state all three.
    spacing_note
        What the file says about its voxel size.
    channels, frames
        How many there are; 1 where the file has no such axis.
    """

    path: Path
    shape: tuple[int, ...]
    axes: str
    dtype: str
    spacing: tuple[float, float, float] | None
    spacing_note: str
    channels: int
    frames: int


def stack_info(path: str | os.PathLike[str]) -> StackInfo:
    """Describe a TIFF file from its metadata alone.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a readable TIFF file.
    """
    with _opened(path) as (file, tif):
        series = tif.series[0]
        axes = _named_axes(series.axes, series.shape)
        kept = [(axis, size) for axis, size in zip(axes, series.shape, strict=True) if size > 1]
        size_of = dict(kept)
        size = voxel_size(tif)
        return StackInfo(
            path=file,
            shape=tuple(size for _, size in kept),
            axes="".join(axis for axis, _ in kept),
            dtype=str(series.dtype),
            spacing=size.complete,
            spacing_note=size.found,
            channels=size_of.get("C", 1),
            frames=size_of.get("T", 1),
        )


def read_stack(
    path: str | os.PathLike[str],
    spacing: ArrayLike | None = None,
    channel: int | None = None,
    frame: int | None = None,
) -> ImageStack:
    """Read one channel of one frame of a TIFF file.

    Parameters
    ----------
    path
        A TIFF, OME-TIFF or ImageJ TIFF file; of several images in it the first is read.
    spacing
        (z, y, x) voxel size in um. Without it the file's own OME or ImageJ metadata count.
    channel, frame
        Which one to read, from 0; needed only where the file has several.

    Returns
    -------
    ImageStack
        (Z, Y, X) float32, voxel (0, 0, 0) at the origin.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a readable TIFF file, not a 3D stack of grey values, holds NaN or infinity,
        states no voxel size in um, or if a channel or frame must be chosen or does not exist.
    """
    given = None if spacing is None else checked_spacing(spacing)
    with _opened(path) as (file, tif):
        series = tif.series[0]
        axes = _named_axes(series.axes, series.shape)
        choice = _choice(file, axes, series.shape, channel, frame)
        voxels = _spacing_of_file(file, voxel_size(tif)) if given is None else given
        data = _read_plane_by_plane(series, axes, choice)
    try:
        return ImageStack(data, voxels)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def write_stack(path: str | os.PathLike[str], data: ArrayLike, spacing: ArrayLike) -> None:
    """Write a stack as a compressed OME-TIFF file that states its voxel size.

    The file appears under its name only once it is complete.

    Parameters
    ----------
    path
        Where to write; an existing file is replaced.
    data
        (Z, Y, X) values of any integer or float type; booleans become 0 and 1.
    spacing
        (z, y, x) voxel size in um.

    Raises
    ------
    ValueError
        If the data are not 3D or of a type that OME-TIFF does not hold, or the spacing is not
        three positive lengths.
    """
    import tifffile

    file = Path(path)
    array = _storable(np.asarray(data))
    sizes = zip("ZYX", checked_spacing(spacing), strict=True)
    metadata: dict[str, Any] = {"axes": "ZYX"}
    for axis, size in sizes:
        metadata[f"PhysicalSize{axis}"] = float(size)
        metadata[f"PhysicalSize{axis}Unit"] = "µm"
    part = file.with_name(f".{file.name}.{uuid4().hex}.part")
    try:
        tifffile.imwrite(
            part, array, ome=True, photometric="minisblack", compression="zlib", metadata=metadata
        )
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[Path, Any]]:
    """Open a TIFF file; whatever goes wrong while reading it becomes an error that names it."""
    import tifffile

    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"path: there is no file {file}")
    try:
        with tifffile.TiffFile(file) as tif:
            if not tif.series:
                raise ValueError("it holds no image")
            if _ends_early(file, tif):
                raise ValueError("it is cut short, some of its planes are missing")
            yield file, tif
    except _RefusedError as error:
        raise ValueError(str(error)) from None
    except KeyError as error:
        # tifffile reports a compression it cannot decode alone as KeyError.
        raise ValueError(
            f"path: {file} cannot be decoded ({error.args[0]}); save it uncompressed "
            "or with zlib (deflate)"
        ) from error
    except (
        ArithmeticError,
        IndexError,
        OSError,
        RuntimeError,  # what imagecodecs raises
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        raise ValueError(f"path: {file} is not a readable TIFF file: {error}") from error


def _ends_early(file: Path, tif: Any) -> bool:
    """Whether the chain of pages leads out of the file; tifffile would read what is left of it."""
    form = tif.tiff
    size = file.stat().st_size
    seen = set()
    with file.open("rb") as stream:
        stream.seek(8 if form.offsetsize == 8 else 4)
        while chunk := stream.read(form.offsetsize):
            if len(chunk) < form.offsetsize:
                return True
            (offset,) = struct.unpack(form.offsetformat, chunk)
            if offset == 0 or offset in seen:
                return False
            seen.add(offset)
            if offset + form.tagnosize > size:
                return True
            stream.seek(offset)
            (tags,) = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))
            stream.seek(offset + form.tagnosize + tags * form.tagsize)
    return True


class _RefusedError(Exception):
    """The file is sound, but not what was asked for; carries the whole message."""


def _named_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return the axes with a single unnamed axis beside y and x taken as z."""
    unnamed = [k for k, axis in enumerate(axes) if axis in "QI" and shape[k] > 1]
    has_z = any(axis == "Z" and size > 1 for axis, size in zip(axes, shape, strict=True))
    if len(unnamed) != 1 or has_z:
        return axes
    return axes[: unnamed[0]] + "Z" + axes[unnamed[0] + 1 :]


def _choice(
    file: Path, axes: str, shape: tuple[int, ...], channel: int | None, frame: int | None
) -> dict[str, int]:
    """Return the index to take along every axis that is not z, y or x."""
    size_of = {axis: size for axis, size in zip(axes, shape, strict=True) if size > 1}
    layout = f"axes {axes} of shape {tuple(shape)}"
    if "S" in size_of:
        raise _RefusedError(
            f"path: {file} is a colour (RGB) image, {layout}; split its channels and save the one "
            "to fit as grey values"
        )
    if "Z" not in size_of and len(size_of) == 3 and size_of.keys() & set("TC"):
        name = "frames" if "T" in size_of else "channels"
        raise _RefusedError(
            f"path: {file} has no z axis, only {name} ({layout}); if they are the planes of a "
            f"stack, exchange slices and {name} in ImageJ (Image > Properties) and save again"
        )
    if not {"Z", "Y", "X"} <= size_of.keys() and not set("QI") & size_of.keys():
        raise _RefusedError(
            f"path: {file} is not a 3D stack: {layout}; a stack (Z, Y, X) is needed"
        )
    unknown = sorted(size_of.keys() - set("TCZYX"))
    if unknown or len(size_of) != sum(size > 1 for size in shape):
        raise _RefusedError(
            f"path: {file} has {layout}, which cannot be told apart; save it with named axes, as "
            "OME-TIFF or from ImageJ"
        )
    wanted = (("C", "channel", channel), ("T", "frame", frame))
    return {
        axis: _checked_index(file, name, size_of.get(axis, 1), index)
        for axis, name, index in wanted
    }


def _checked_index(file: Path, name: str, count: int, index: int | None) -> int:
    if index is None:
        if count > 1:
            raise _RefusedError(
                f"{name}: {file} has {count} {name}s; choose one with {name}=0 to {count - 1}"
            )
        return 0
    if not 0 <= index < count:
        raise _RefusedError(f"{name}: {file} has {name}s 0 to {count - 1}, got {index}")
    return index


def _spacing_of_file(file: Path, size: VoxelSize) -> tuple[float, float, float]:
    if size.complete is None:
        stated = [length for length in size.spacing if length is not None]
        what = (
            "states a voxel size that is not positive"
            if len(stated) == 3
            else "does not state the voxel size in units of length along all three axes"
        )
        raise _RefusedError(f"spacing: {file} {what} (found: {size.found}); {_SPACING_HELP}")
    return size.complete


def _read_plane_by_plane(series: Any, axes: str, choice: dict[str, int]) -> NDArray[np.float32]:
    """Read only the pages of the chosen channel and frame, where each page is one plane."""
    shape = series.shape
    index = tuple(choice.get(axis, slice(None) if axis in "ZYX" else 0) for axis in axes)
    in_pages = prod(shape[:-2])
    pages: list[Any] = [None]
    if axes.endswith("YX") and len(series.pages) == in_pages:
        numbers = np.arange(in_pages).reshape(shape[:-2])[index[:-2]]
        pages = [series.pages[int(number)] for number in np.ravel(numbers)]
    if None in pages:
        data = series.asarray()[index]
        order = "".join(axis for axis in axes if axis in "ZYX")
    else:
        data = np.stack([page.asarray().reshape(shape[-2:]) for page in pages])
        order = "ZYX"
    if np.iscomplexobj(data):
        raise _RefusedError(
            "path: the image holds complex numbers; save its real part or magnitude"
        )
    return np.asarray(np.transpose(data, [order.index(axis) for axis in "ZYX"]), dtype=np.float32)


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 3:
        raise ValueError(f"data: expected a 3D stack (Z, Y, X), got shape {array.shape}")
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype in (np.int64, np.uint64):
        limits = np.iinfo(np.int32)
        if array.size and not limits.min <= array.min() <= array.max() <= limits.max:
            raise ValueError("data: 64-bit integers beyond 32 bits do not fit into OME-TIFF")
        return array.astype(np.int32)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise ValueError(f"data: type {array.dtype} does not fit into OME-TIFF")
    return array
