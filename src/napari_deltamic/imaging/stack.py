"""An image stack with its place in space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.spacing import checked_spacing


class OnVoxels:
    """What lies on voxels: voxel (k, j, i) at ``origin + spacing * (k, j, i)``."""

    spacing: NDArray[np.float64]
    origin: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        raise NotImplementedError

    @property
    def lower_corner(self) -> NDArray[np.float64]:
        """(3,) the corner of the stack's volume with the smallest coordinates, in um."""
        return self.origin - 0.5 * self.spacing

    @property
    def upper_corner(self) -> NDArray[np.float64]:
        """(3,) the corner of the stack's volume with the largest coordinates, in um."""
        return self.lower_corner + self.spacing * self.shape


@dataclass(frozen=True, eq=False)
class ImageStack(OnVoxels):
    """One channel of one time point; voxel (k, j, i) lies at ``origin + spacing * (k, j, i)``.

    Parameters
    ----------
    data
        (Z, Y, X) intensities; kept as float32.
    spacing
        (3,) voxel size in um, in (z, y, x) order.
    origin
        (3,) centre of voxel (0, 0, 0) in um.
    mask
        (Z, Y, X) bool, True where the data are to be trusted; None trusts every voxel.

    Raises
    ------
    ValueError
        If the data are not 3D, are empty or hold NaN or infinity where the mask trusts them, if
        the spacing is not three positive lengths, or if a shape does not match.
    """

    data: NDArray[np.float32]
    spacing: NDArray[np.float64]
    origin: NDArray[np.float64]
    mask: NDArray[np.bool_] | None

    def __init__(
        self,
        data: ArrayLike,
        spacing: ArrayLike,
        origin: ArrayLike = (0.0, 0.0, 0.0),
        mask: ArrayLike | None = None,
    ) -> None:
        array = np.asarray(data, dtype=np.float32)
        if array.ndim != 3:
            raise ValueError(
                f"data: expected a 3D stack (Z, Y, X), got {array.ndim}D of shape {array.shape}; "
                "choose one frame and one channel, and stack single planes into a volume"
            )
        if min(array.shape) < 2:
            raise ValueError(f"data: needs at least two voxels along every axis, got {array.shape}")
        checked_mask = None if mask is None else _checked_mask(mask, array.shape)
        bad = ~np.isfinite(array)
        if checked_mask is not None:
            bad &= checked_mask
            # Untrusted voxels may hold anything; zero keeps NaN out of the transforms.
            array = np.where(checked_mask, array, np.float32(0.0))
        if bad.any():
            first = tuple(int(index) for index in np.argwhere(bad)[0])
            raise ValueError(
                f"data: NaN or infinite in {int(bad.sum())} of {bad.size} voxels, the first at "
                f"{first}; repair, crop or mask them"
            )
        object.__setattr__(self, "data", array)
        object.__setattr__(self, "spacing", checked_spacing(spacing))
        object.__setattr__(self, "origin", checked_origin(origin))
        object.__setattr__(self, "mask", checked_mask)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        return cast("tuple[int, int, int]", self.data.shape)


def checked_origin(origin: ArrayLike) -> NDArray[np.float64]:
    """Return an origin as (3,) float64, or raise ValueError."""
    array = np.asarray(origin, dtype=np.float64)
    if array.shape != (3,) or not np.isfinite(array).all():
        raise ValueError(f"origin: expected three positions in um, (z, y, x), got {origin}")
    return array


def _checked_mask(mask: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    array = np.asarray(mask)
    if array.shape != shape:
        raise ValueError(f"mask: shape {array.shape} does not match the data's {shape}")
    array = array.astype(bool)
    if not array.any():
        raise ValueError("mask: no voxel is trusted; it must be True where the data count")
    return array
