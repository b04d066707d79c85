"""The files that a fit is repeated from: those that there are, and those that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_deltamic.plugin.psf_choice import GAUSSIAN
from napari_deltamic.plugin.repeat import FitFiles

if TYPE_CHECKING:
    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.plugin.fit_input import FitInput

_TIFF = (".tif", ".tiff")
# Of channels and frames that are tried, which costs reading each.
_MOST_TRIES = 64


def write_fit_files(fit: FitInput, path: str | None, folder: Path) -> FitFiles:
    """Write what a fit has no file of into a folder, and return all its files; for a thread.

    Parameters
    ----------
    fit
        What it was given.
    path
        File that its image came from, if any.
    folder
        Made where it does not exist; files of an earlier fit in it are replaced.

    Raises
    ------
    ValueError
        If the stack holds NaN and the like.
    OSError
        If a file cannot be written.
    """
    from napari_deltamic.imaging import write_stack
    from napari_deltamic.mesh import write_mesh
    from napari_deltamic.optics import save_psf
    from napari_deltamic.plugin.fit_region import FitRegion

    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    region = FitRegion(fit.source, fit.mesh, fit.psf.make, fit.whole_up_to)
    stack = region.load()
    mesh, image = folder / "seed.rec", folder / "image.ome.tif"
    write_mesh(fit.mesh, mesh)
    place = None if path is None else _place_in(Path(path), stack)
    if path is None or place is None:
        write_stack(image, stack.data, stack.spacing)
        place = None, None
    else:
        image = Path(path).resolve()
    psf: Path | tuple[float, float, float] = folder / "psf.json"
    if fit.psf.class_name == GAUSSIAN and "sigma" in fit.psf.arguments:
        z, y, x = np.broadcast_to(fit.psf.arguments["sigma"], 3).tolist()
        psf = z, y, x
    else:
        save_psf(region.psf(), folder / "psf.json")
    spacing, origin = tuple(stack.spacing.tolist()), tuple(stack.origin.tolist())
    output = folder / "fitted"
    return FitFiles(
        image, mesh, psf, spacing, origin, *place, fit.settings, output, fit.first_stage
    )


def _place_in(path: Path, stack: ImageStack) -> tuple[int | None, int | None] | None:
    """Return the channel and frame of a file that are a stack; None if none is."""
    from napari_deltamic.imaging import read_stack
    from napari_deltamic.imaging.reading import stack_info

    if path.suffix.lower() not in _TIFF or not path.is_file():
        return None
    try:
        info = stack_info(path)
        for channel, frame in _tries(info.channels, info.frames):
            found = read_stack(path, stack.spacing, channel, frame)
            if np.array_equal(found.data, stack.data):
                return channel, frame
    except ValueError:
        # A file that napari reads in its own way.
        return None
    return None


def _tries(channels: int, frames: int) -> Iterator[tuple[int | None, int | None]]:
    if channels * frames > _MOST_TRIES:
        return
    for channel in range(channels):
        for frame in range(frames):
            yield channel if channels > 1 else None, frame if frames > 1 else None
