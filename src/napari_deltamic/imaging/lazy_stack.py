"""A stack that is read part by part, because it may be larger than memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.stack import ImageStack, OnVoxels, checked_origin
from napari_deltamic.spacing import checked_spacing


class Sliceable(Protocol):
    """What reads the part of it that is asked for: a zarr, dask or HDF5 array, a memory map."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""

    @property
    def dtype(self) -> Any:
        """Type of the stored values."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return a part, which numpy can make an array of."""


@dataclass(frozen=True, eq=False)
class LazyStack(OnVoxels):
    """One channel of one time point that stays where it is; see :class:`ImageStack`.

    Parameters
    ----------
    data
        (Z, Y, X) intensities that are read when a part is asked for.
    spacing
        (3,) voxel size in um, in (z, y, x) order.
    origin
        (3,) centre of voxel (0, 0, 0) in um.

    Raises
    ------
    ValueError
        If the data are not 3D or have fewer than two voxels along an axis, or if the spacing is
        not three positive lengths.
    """

    data: Sliceable
    spacing: NDArray[np.float64]
    origin: NDArray[np.float64]

    def __init__(
        self, data: Sliceable, spacing: ArrayLike, origin: ArrayLike = (0.0, 0.0, 0.0)
    ) -> None:
        shape = tuple(data.shape)
        if len(shape) != 3 or min(shape) < 2:
            raise ValueError(
                f"data: expected a 3D stack (Z, Y, X) of two voxels or more along every axis, got "
                f"shape {shape}; choose one frame and one channel"
            )
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "spacing", checked_spacing(spacing))
        object.__setattr__(self, "origin", checked_origin(origin))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        return cast("tuple[int, int, int]", tuple(self.data.shape))

    def part(self, start: ArrayLike, stop: ArrayLike) -> ImageStack:
        """Read the voxels from ``start`` to before ``stop``, as far as the stack holds them.

        Parameters
        ----------
        start, stop
            (3,) indices of voxels, in (z, y, x) order.

        Returns
        -------
        ImageStack
            In its place in um.

        Raises
        ------
        ValueError
            If fewer than two voxels along an axis lie in the stack, or they hold NaN or infinity.
        """
        first = np.clip(np.asarray(start, np.int64), 0, self.shape)
        last = np.clip(np.asarray(stop, np.int64), first, self.shape)
        z, y, x = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        return ImageStack(
            np.asarray(self.data[z, y, x]), self.spacing, self.origin + first * self.spacing
        )
