"""Movies as sequences of stacks, of which one is in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from operator import index
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging import ImageStack, read_stack, stack_info
from napari_deltamic.spacing import checked_spacing


class Movie(Sequence[ImageStack]):
    """The frames of a movie, each loaded when it is asked for and not kept.

    Parameters
    ----------
    source
        A TIFF, OME-TIFF or ImageJ TIFF file, an OME-Zarr folder, or a (T, Z, Y, X) array; only one
        frame at a time is read of files and of arrays that read their parts on demand, such as
        Dask's, Zarr's or memory maps.
    spacing
        (3,) voxel size in um, (z, y, x); by default as the file says.
    origin
        (3,) centre of voxel (0, 0, 0) in um; by default as an OME-Zarr folder says, and 0 for
        others.
    channel
        Which one to read of a file with several, from 0.
    start, stop
        The frames from ``start`` up to but without ``stop``, counted from 0 in the source; by
        default all of them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the source is neither, an array comes without a voxel size, or a range holds no frames.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | ArrayLike,
        spacing: ArrayLike | None = None,
        origin: ArrayLike | None = None,
        channel: int | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        self.spacing: NDArray[np.float64] | None = None
        if spacing is not None:
            self.spacing = checked_spacing(spacing)
        self._origin, self._channel = origin, channel
        self._file: Path | None = None
        self._array: Any = None
        if isinstance(source, str | os.PathLike):
            self._file = Path(source)
            count = stack_info(self._file).frames
        else:
            self._array = source if hasattr(source, "shape") else np.asarray(source)
            shape = tuple(self._array.shape)
            if len(shape) != 4:
                raise ValueError(
                    f"source: expected a movie (T, Z, Y, X), got an array of shape {shape}"
                )
            if self.spacing is None:
                raise ValueError("spacing: an array says none; pass the voxel size in um (z, y, x)")
            if channel is not None:
                raise ValueError("channel: goes with a file; choose the array's channel beforehand")
            count = int(shape[0])
        first, last = _checked_range(start, stop, count)
        self._numbers = range(first, last)
        self._in_file = count

    @property
    def first(self) -> int:
        """Number of the first frame in the source."""
        return self._numbers.start

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, frame: int) -> ImageStack: ...

    @overload
    def __getitem__(self, frame: slice) -> list[ImageStack]: ...

    def __getitem__(self, frame: int | slice) -> ImageStack | list[ImageStack]:
        if isinstance(frame, slice):
            return [self[number] for number in range(*frame.indices(len(self)))]
        number = self._numbers[index(frame)]
        if self._file is not None:
            chosen = number if self._in_file > 1 else None
            stack = read_stack(self._file, self.spacing, self._channel, chosen)
            place = stack.origin if self._origin is None else self._origin
            return ImageStack(stack.data, stack.spacing, place)
        assert self.spacing is not None
        place = (0.0, 0.0, 0.0) if self._origin is None else self._origin
        return ImageStack(np.asarray(self._array[number]), self.spacing, place)


def _checked_range(start: int, stop: int | None, count: int) -> tuple[int, int]:
    last = count if stop is None else stop
    if not 0 <= start < last <= count:
        raise ValueError(
            f"start, stop: the movie has frames 0 to {count - 1}, so {start} to {last} "
            "(the last one not included) holds none or goes beyond it"
        )
    return start, last
