"""The command ``compress patterns``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_deltamic.cli.paths import FILE, check_output_file


def patterns(
    model: Annotated[Path, Parameter(validator=FILE)],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
) -> None:
    """Write a model's patterns as a TIFF for a micromirror device.

    One 8-bit page a pattern, 255 where lit and 0 where dark; a pixel is a voxel of the specimen.

    Parameters
    ----------
    model
        A file that `napari-deltamic compress train` has written.
    output
        The file to write, .tif.
    """
    from napari_deltamic.cli.compress_files import given_model
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.cli.words import counted
    from napari_deltamic.compressive import write_masks

    check_output_file("--output", output, ".tif", ".tiff")
    masks = given_model(model).patterns.binary()
    write_masks(masks.numpy(), output)
    count, rows, columns = masks.shape
    say(f"{counted(count, 'pattern')} of {rows} x {columns} pixels (y, x)")
    say(f"Wrote {output}")
