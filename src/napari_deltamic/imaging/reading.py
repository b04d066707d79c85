"""Stacks from TIFF files and OME-Zarr folders, and to TIFF files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.lazy_stack import LazyStack
from napari_deltamic.imaging.stack import ImageStack
from napari_deltamic.imaging.stored_image import StoredImage
from napari_deltamic.imaging.tiff_reading import stored_tiff
from napari_deltamic.replacing import replacing
from napari_deltamic.spacing import checked_spacing


@dataclass(frozen=True)
class StackInfo:
    """What a TIFF file or an OME-Zarr folder holds, without its voxels.

    Attributes
    ----------
    path
        The file or folder.
    shape, axes
        Shape of the image and one letter an axis, such as "TCZYX"; axes of length 1 are left out.
    dtype
        Type of the stored values.
    spacing
        (z, y, x) voxel size in um, or None where not all three are stated.
    spacing_note
        What is said about the voxel size.
    channels, frames
        How many there are; 1 where there is no such axis.
    chunks
        Shape of the pieces that a zarr folder is read in; None for a TIFF file.
    """

    path: Path
    shape: tuple[int, ...]
    axes: str
    dtype: str
    spacing: tuple[float, float, float] | None
    spacing_note: str
    channels: int
    frames: int
    chunks: tuple[int, ...] | None = None


def stack_info(path: str | os.PathLike[str]) -> StackInfo:
    """Describe a TIFF file or an OME-Zarr folder from its metadata alone.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If it is not readable as one.
    ImportError
        If it is a zarr folder and the package zarr is not installed.
    """
    image = _stored(path)
    shape = image.data.shape
    kept = [n for n, size in enumerate(shape) if size > 1]
    size_of = dict(zip(image.axes, shape, strict=True))
    return StackInfo(
        path=image.path,
        shape=tuple(shape[n] for n in kept),
        axes="".join(image.axes[n] for n in kept),
        dtype=str(image.data.dtype),
        spacing=image.size.complete,
        spacing_note=image.size.found,
        channels=size_of.get("C", 1),
        frames=size_of.get("T", 1),
        chunks=None if image.chunks is None else tuple(image.chunks[n] for n in kept),
    )


def open_stack(
    path: str | os.PathLike[str],
    spacing: ArrayLike | None = None,
    channel: int | None = None,
    frame: int | None = None,
) -> LazyStack:
    """Open one channel of one frame of a TIFF file or an OME-Zarr folder, and read nothing yet.

    Of a zarr folder the chunks are read that a part meets; of a TIFF file the part itself where it
    is not compressed, otherwise the planes that the part meets.

    Parameters
    ----------
    path
        A TIFF, OME-TIFF or ImageJ TIFF file, of which the first image counts; or the folder of an
        OME-Zarr image, which is opened in full resolution, or of a zarr array.
    spacing
        (z, y, x) voxel size in um. Without it the image's own metadata count.
    channel, frame
        Which one to open, from 0; needed only where there are several.

    Returns
    -------
    LazyStack
        Where an OME-Zarr image says it lies, as many voxels from 0 if the spacing is given; that
        of a TIFF file begins at 0.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If it is not readable, not a 3D stack of grey values, states no voxel size in um, or if a
        channel or frame must be chosen or does not exist.
    ImportError
        If it is a zarr folder and the package zarr is not installed.
    """
    return _stored(path).stack(spacing, channel, frame)


def read_stack(
    path: str | os.PathLike[str],
    spacing: ArrayLike | None = None,
    channel: int | None = None,
    frame: int | None = None,
) -> ImageStack:
    """Read one channel of one frame of a TIFF file or an OME-Zarr folder.

    Parameters
    ----------
    path, spacing, channel, frame
        See :func:`open_stack`.

    Returns
    -------
    ImageStack
        (Z, Y, X) float32; voxel (0, 0, 0) lies at the origin, or where an OME-Zarr image says.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As :func:`open_stack`; ValueError also if the stack holds NaN or infinity.
    MemoryError
        If there is not enough for all of it.
    """
    stack = open_stack(path, spacing, channel, frame)
    data = stack.data[:, :, :]
    try:
        return ImageStack(data, stack.spacing, stack.origin)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


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
    with replacing(file) as name:
        tifffile.imwrite(
            name, array, ome=True, photometric="minisblack", compression="zlib", metadata=metadata
        )


def _stored(path: str | os.PathLike[str]) -> StoredImage:
    # Two letters at least, because a drive has one.
    if re.match(r"[A-Za-z]\w+:/", os.fspath(path)):
        raise ValueError(
            f"path: {path} is an address; only files and folders of this machine are read, so "
            "download or mount it first"
        )
    file = Path(path)
    if file.is_dir():
        # Not needed otherwise, and slow to load.
        from napari_deltamic.imaging.zarr_reading import stored_zarr

        return stored_zarr(file)
    return stored_tiff(file)


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
