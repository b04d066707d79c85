"""The command ``compress simulate``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.paths import FILE, STACK, check_output_file
from napari_deltamic.cli.values import Whole

if TYPE_CHECKING:
    from napari_deltamic.compressive import CompressiveModel

_log = logging.getLogger(__name__)

# Voxels that differ by less show the same specimen well enough.
_LIKE = 0.1
# Along y and x, of the SSIM.
_WINDOW = 11


def simulate(
    model: Annotated[Path, Parameter(validator=FILE)],
    stack: Annotated[Path, Parameter(validator=STACK)],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    frames: Path | None = None,
    channel: Whole | None = None,
    time_point: Whole | None = None,
    seed: Annotated[Whole, Parameter(validator=validators.Number(gte=0))] = 0,
) -> None:
    """Acquire a stack with a model's patterns and reconstruct it.

    Prints how near the reconstruction comes to the stack, beside bicubic interpolation of as many
    frames in even light. Fields of the model lie side by side on a stack that is larger.

    Parameters
    ----------
    model
        A file that `napari-deltamic compress train` has written.
    stack
        A TIFF file or OME-Zarr folder that the model was not trained on; its voxels are taken to be
        as large as the model's.
    output
        The reconstruction to write, .tif; the stack and it go from 0 to 1.
    frames
        Also write the camera's frames, .tif: (pattern, z, y, x). `reconstruct` and `fit` take them
        if the stack is no larger than one field.
    channel
        Channel to acquire, from 0, where the file has several.
    time_point
        Time point to acquire, from 0, where the file has several.
    seed
        Of the camera's noise, if the model was trained with noise.
    """
    from napari_deltamic.cli.compress_files import given_model, write_frames
    from napari_deltamic.cli.compress_scores import print_scores
    from napari_deltamic.cli.terminal import errors_console, say
    from napari_deltamic.compressive import simulate as acquired
    from napari_deltamic.compressive import volume_scored
    from napari_deltamic.imaging import read_stack, write_stack
    from napari_deltamic.torch_threads import some_torch_threads

    check_output_file("--output", output, ".tif", ".tiff")
    if frames is not None:
        check_output_file("--frames", frames, ".tif", ".tiff")
        if frames.resolve() == output.resolve():
            raise UsageError(f"--frames: {frames} is --output too; frames need their own file")
    trained = given_model(model)
    _compare_voxels(trained, stack)
    image = read_stack(stack, trained.spacing, channel, time_point)
    if min(image.shape[1:]) < _WINDOW:
        raise UsageError(
            f"STACK: planes of at least {_WINDOW} x {_WINDOW} voxels are needed, {stack} has "
            f"{image.shape[1]} x {image.shape[2]}"
        )
    with some_torch_threads(), errors_console().status("Acquiring") as status:
        found = acquired(
            trained,
            image.data,
            seed,
            on_progress=lambda part: status.update(f"Acquiring: {100 * part:.0f} %"),
        )
        assert found is not None
    with some_torch_threads():
        scores = {
            "model": volume_scored(found.reconstruction, found.truth),
            "even light, bicubic": volume_scored(found.interpolated, found.truth),
        }
    write_stack(output, found.reconstruction, trained.spacing)
    if frames is not None:
        write_frames(frames, found.frames, trained)
    print_scores(f"Reconstructions of {stack.name}", scores)
    for path in (output, frames):
        if path is not None:
            say(f"Wrote {path}")


def _compare_voxels(model: CompressiveModel, stack: Path) -> None:
    """Warn if a file states voxels of another size than those of a model's field."""
    from napari_deltamic.imaging import stack_info

    stated = stack_info(stack).spacing
    if stated is None:
        return
    # Planes are decoded one by one, whatever lies between them.
    (_, y, x), (_, rows, columns) = stated, model.spacing
    if abs(y / rows - 1.0) > _LIKE or abs(x / columns - 1.0) > _LIKE:
        _log.warning(
            f"Voxels of {stack.name} are {y:.4g} x {x:.4g} um (y, x), the model's {rows:.4g} x "
            f"{columns:.4g}: it has learned details of another size."
        )
