"""Models and frames as the commands below ``compress`` are given them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.replacing import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_deltamic.compressive import CompressiveModel


def given_model(path: Path) -> CompressiveModel:
    """Return the model of a file.

    Raises
    ------
    UsageError
        If it is not one.
    """
    from napari_deltamic.compressive import load_model

    try:
        return load_model(path)
    except ValueError as error:
        # What torch has to say about it fills a screen; --debug shows it.
        raise UsageError(
            f"MODEL: {path} is not a model; give a file that napari-deltamic compress train has "
            "written"
        ) from error


def given_frames(path: Path, model: CompressiveModel, offset: float) -> NDArray[np.float32]:
    """Return the (T, Z, Y / d, X / d) frames of a file.

    Raises
    ------
    UsageError
        If they are not those of the model's patterns.
    """
    from napari_deltamic.compressive import read_frames

    try:
        return read_frames(path, model, offset)
    except ValueError as error:
        raise UsageError(str(error).replace("path:", "FRAMES:", 1)) from error


def write_frames(path: Path, frames: NDArray[np.float32], model: CompressiveModel) -> None:
    """Write (T, Z, Y / d, X / d) frames as an OME-TIFF whose time points are the patterns."""
    import tifffile

    z, y, x = model.spacing
    binning = model.settings.binning
    metadata = {"axes": "TZYX"}
    for axis, size in (("Z", z), ("Y", binning * y), ("X", binning * x)):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    with replacing(path) as name:
        tifffile.imwrite(name, frames, ome=True, photometric="minisblack", metadata=metadata)
