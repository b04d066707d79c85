"""Compressed frames of a specimen, with how they were acquired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.acquisition import Acquisition
from napari_deltamic.imaging.stack import ImageStack, OnVoxels, checked_origin
from napari_deltamic.optics import PSF


@dataclass(frozen=True, eq=False)
class FrameStack(OnVoxels):
    """What a camera recorded of a specimen through an acquisition operator.

    Parameters
    ----------
    data
        (T, Z, Y / d, X / d) frames; kept as float32.
    acquisition
        How they came about; its emission must have a PSF.
    origin
        (3,) centre of the specimen's voxel (0, 0, 0) in um.

    Raises
    ------
    ValueError
        If the frames are not of the acquisition's frame_shape or hold NaN or infinity, or the
        acquisition has no emission PSF.
    """

    data: NDArray[np.float32]
    acquisition: Acquisition
    spacing: NDArray[np.float64]
    origin: NDArray[np.float64]

    def __init__(
        self, data: ArrayLike, acquisition: Acquisition, origin: ArrayLike = (0.0, 0.0, 0.0)
    ) -> None:
        array = np.asarray(data, dtype=np.float32)
        if array.shape != acquisition.frame_shape:
            raise ValueError(
                f"data: expected frames of shape {acquisition.frame_shape} (T, Z, Y / d, X / d), "
                f"those of the acquisition, got {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError("data: some pixels are NaN or infinite; repair them, or record anew")
        if acquisition.emission is None:
            raise ValueError(
                "acquisition: it has no emission PSF, so nothing says how light blurs; give one"
            )
        object.__setattr__(self, "data", array)
        object.__setattr__(self, "acquisition", acquisition)
        object.__setattr__(self, "spacing", acquisition.spacing)
        object.__setattr__(self, "origin", checked_origin(origin))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the specimen along z, y and x."""
        return self.acquisition.shape

    @property
    def psf(self) -> PSF:
        """The blur of the emitted light."""
        assert self.acquisition.emission is not None
        return self.acquisition.emission

    @property
    def mask(self) -> None:
        """None, because every pixel is trusted."""


Recording = ImageStack | FrameStack
