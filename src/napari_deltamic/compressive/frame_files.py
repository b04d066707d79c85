"""Masks for a micromirror device and frames from a camera, as TIFF files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.replacing import replacing

if TYPE_CHECKING:
    from napari_deltamic.compressive.model import CompressiveModel

_LIT = 255


def write_masks(masks: ArrayLike, path: str | os.PathLike[str]) -> None:
    """Write masks as a TIFF of one 8-bit page a pattern, 255 where lit and 0 where dark.

    Parameters
    ----------
    masks
        (T, Y, X) bool, or zeros and ones: ``model.patterns.binary()``. A pixel is a voxel of the
        specimen; what the projector's own pixels are is between it and the microscope.
    path
        Ends in .tif or .tiff; an existing file is replaced at once or not at all.

    Raises
    ------
    ValueError
        If the masks are not binary, or the path does not end so.
    """
    import tifffile

    array = np.asarray(masks)
    if array.ndim != 3 or 0 in array.shape or not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"masks: expected (T, Y, X) of zeros and ones, got {array.dtype} of shape {array.shape}"
        )
    file = Path(path)
    if file.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"path: expected a name that ends in .tif, got {file.name}")
    with replacing(file) as name:
        pages = np.where(array.astype(bool), np.uint8(_LIT), np.uint8(0))
        tifffile.imwrite(name, pages, photometric="minisblack")


def read_masks(path: str | os.PathLike[str]) -> NDArray[np.bool_]:
    """Return (T, Y, X) bool from a TIFF of two levels, lit at the higher one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a TIFF, or has more than two levels.
    """
    pages = _tiff_pages(path)
    if pages.ndim == 2:
        pages = pages[None]
    if pages.ndim != 3:
        raise ValueError(f"path: expected masks (T, Y, X) in {path}, got shape {pages.shape}")
    levels = np.unique(pages)
    if len(levels) > 2 or levels.max() <= 0 or (len(levels) == 2 and levels.min() != 0):
        raise ValueError(
            f"path: {path} holds {len(levels)} levels; masks are dark (0) or lit, nothing between"
        )
    return np.asarray(pages > 0)


def read_frames(
    path: str | os.PathLike[str],
    model: CompressiveModel,
    offset: float = 0.0,
    depth: int | None = None,
) -> NDArray[np.float32]:
    """Return (T, Z, Y / d, X / d) measured frames for a model to decode.

    Parameters
    ----------
    path
        A TIFF of (T, Y / d, X / d) or (T, Z, Y / d, X / d), in the patterns' order.
    model
        Whose patterns were shown.
    offset
        What the camera reads in the dark; it is subtracted.
    depth
        Planes Z that there must be; by default as many as the file has.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a TIFF, its values are not finite numbers, or it has another shape than
        the model's patterns give.
    """
    frames = _tiff_pages(path)
    if frames.dtype.kind not in "uif":
        raise ValueError(f"path: expected real numbers in {path}, got {frames.dtype}")
    count, _, rows, columns = model.acquisition.frame_shape
    # A single pattern or a single plane leaves no axis in the file.
    if frames.ndim == 2 and count == 1:
        frames = frames[None]
    if frames.ndim == 3:
        frames = frames[None] if count == 1 else frames[:, None]
    planes = depth or (frames.shape[1] if frames.ndim == 4 else 1)
    if frames.shape != (count, planes, rows, columns):
        raise ValueError(
            f"path: {path} holds frames of shape {frames.shape}; expected the model's patterns, "
            f"planes, rows and columns: ({count}, {planes}, {rows}, {columns})"
        )
    values = frames.astype(np.float32) - np.float32(offset)
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ValueError(f"path: {bad} values in {path} are NaN or infinite; repair them first")
    return np.asarray(values)


def _tiff_pages(path: str | os.PathLike[str]) -> NDArray[Any]:
    from napari_deltamic.imaging.tiff_reading import tiff_values

    return tiff_values(Path(path))
