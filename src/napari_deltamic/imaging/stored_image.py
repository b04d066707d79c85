"""An image as it lies on disk, with all its frames and channels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.axes import chosen_indices
from napari_deltamic.imaging.lazy_stack import LazyStack, Sliceable
from napari_deltamic.imaging.metadata import VoxelSize
from napari_deltamic.spacing import checked_spacing


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image whose values are read when a part of it is asked for.

    Attributes
    ----------
    path
        Its file or folder.
    data
        The values, with all axes.
    axes
        A letter for each axis, such as "TCZYX"; Q for unknown ones.
    size
        What it says about its voxel size.
    place
        (3,) where voxel (0, 0, 0) lies, counted in voxels, (z, y, x).
    chunks
        Shape of the pieces that are read at a time; None where it is not made of such.
    """

    path: Path
    data: Sliceable
    axes: str
    size: VoxelSize
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)
    chunks: tuple[int, ...] | None = None

    def stack(self, spacing: ArrayLike | None, channel: int | None, frame: int | None) -> LazyStack:
        """Return one channel of one frame.

        Parameters
        ----------
        spacing
            (z, y, x) voxel size in um that counts instead of the image's own.
        channel, frame
            Which one, from 0; None if there is only one.

        Raises
        ------
        ValueError
            If that is not a stack of grey values with a voxel size.
        """
        given = None if spacing is None else checked_spacing(spacing)
        choice = chosen_indices(self.path, self.axes, self.data.shape, channel, frame)
        kind = np.dtype(self.data.dtype).kind
        if kind not in "buif":
            what = "complex numbers" if kind == "c" else f"values of type {self.data.dtype}"
            raise ValueError(
                f"path: {self.path} holds {what}; save one real number a voxel, such as the "
                "magnitude"
            )
        voxels = np.asarray(self._own_spacing() if given is None else given)
        return LazyStack(_Volume(self, choice), voxels, voxels * self.place)

    def _own_spacing(self) -> tuple[float, float, float]:
        if self.size.complete is not None:
            return self.size.complete
        stated = [length for length in self.size.spacing if length is not None]
        what = (
            "states a voxel size that is not positive"
            if len(stated) == 3
            else "does not state the voxel size in units of length along all three axes"
        )
        raise ValueError(
            f"spacing: {self.path} {what} (found: {self.size.found}); pass the voxel size in um as "
            "spacing=(z, y, x)"
        )


@dataclass(frozen=True, eq=False)
class _Volume:
    """(Z, Y, X) of an image that may have more axes, in any order."""

    image: StoredImage
    choice: dict[str, int]

    @property
    def shape(self) -> tuple[int, ...]:
        size_of = dict(zip(self.image.axes, self.image.data.shape, strict=True))
        return tuple(size_of[axis] for axis in "ZYX")

    @property
    def dtype(self) -> Any:
        return self.image.data.dtype

    def __getitem__(self, index: tuple[slice, slice, slice]) -> NDArray[Any]:
        taken = {**self.choice, **dict(zip("ZYX", index, strict=True))}
        # An axis that nobody chose from has one entry.
        part = self.image.data[tuple(taken.get(axis, 0) for axis in self.image.axes)]
        order = [axis for axis in self.image.axes if axis in "ZYX"]
        return np.transpose(np.asarray(part), [order.index(axis) for axis in "ZYX"])
