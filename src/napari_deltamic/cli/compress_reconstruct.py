"""The command ``compress reconstruct``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_deltamic.cli.paths import FILE, check_output_file


def reconstruct(
    model: Annotated[Path, Parameter(validator=FILE)],
    frames: Annotated[Path, Parameter(validator=FILE)],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    offset: float = 0.0,
) -> None:
    """Make an image of measured frames.

    Parameters
    ----------
    model
        A file that `napari-deltamic compress train` has written.
    frames
        A TIFF of the camera's frames in the patterns' order: (pattern, y, x) of one plane, or
        (pattern, z, y, x).
    output
        The image to write, .tif; 32-bit floating point, in the training images' scale of 0 to 1.
    offset
        What the camera reads in the dark, in the frames' grey values; it is subtracted.
    """
    from napari_deltamic.cli.compress_files import given_frames, given_model
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.compressive import reconstruct as image_of
    from napari_deltamic.imaging import write_stack
    from napari_deltamic.torch_threads import some_torch_threads

    check_output_file("--output", output, ".tif", ".tiff")
    trained = given_model(model)
    measured = given_frames(frames, trained, offset)
    with some_torch_threads():
        image = image_of(trained, measured)
    write_stack(output, image, trained.spacing)
    say(f"Wrote {output}")
