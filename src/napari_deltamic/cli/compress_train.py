"""The command ``compress train``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from napari_deltamic.cli.compress_options import (
    OPTICS,
    SETTINGS,
    TrainingOptions,
    chosen_blur,
    chosen_settings,
)
from napari_deltamic.cli.errors import INTERRUPTED, SUCCESS, UsageError
from napari_deltamic.cli.paths import FILE, STACK, check_output_file
from napari_deltamic.cli.values import Flag, Three, Whole
from napari_deltamic.cli.words import counted
from napari_deltamic.compressive.state import Task

if TYPE_CHECKING:
    from napari_deltamic.compressive import CompressiveModel, Split

SEGMENTATION = Group("What is to be found (optional)", sort_key=4)
# Joint training is best from where both of the others have ended.
_ROUNDS: dict[Task, tuple[Task, ...]] = {
    "reconstruct": ("reconstruct",),
    "segment": ("reconstruct", "segment"),
    "joint": ("reconstruct", "segment", "joint"),
}


def train(
    stacks: Annotated[tuple[Path, ...], Parameter(validator=STACK)],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    size: Whole | None = None,
    spacing: Three | None = None,
    channel: Whole | None = None,
    time_point: Whole | None = None,
    checkpoint: Path | None = None,
    resume: Flag = False,
    sigma: Annotated[Three | None, Parameter(group=OPTICS)] = None,
    psf: Annotated[Path | None, Parameter(group=OPTICS, validator=FILE)] = None,
    excitation_sigma: Annotated[Three | None, Parameter(group=OPTICS)] = None,
    excitation_psf: Annotated[Path | None, Parameter(group=OPTICS, validator=FILE)] = None,
    labels: Annotated[
        tuple[Path, ...],
        Parameter(group=SEGMENTATION, validator=FILE, consume_multiple=True, show_default=False),
    ] = (),
    task: Annotated[Task | None, Parameter(group=SEGMENTATION)] = None,
    options: Annotated[TrainingOptions | None, Parameter(name="*", group=SETTINGS)] = None,
) -> int:
    """Learn patterns of light, and a decoder of their frames, from stacks.

    Of each stack's planes three fifths train, one fifth says which epoch is best, and one fifth is
    kept to tell how good the model is. Ctrl-C ends the training early, keeps the best model so far
    and makes the exit code 130.

    Parameters
    ----------
    stacks
        TIFF files or OME-Zarr folders of the kind of specimen that is to be imaged.
    output
        The model to write, .pt; the other commands take it.
    size
        Voxels of the field along y and x, which is the projector's pattern: a multiple of 16 and of
        the binning; by default the largest that fits all stacks, up to 128.
    spacing
        Voxel size in um along z, y and x; by default as the files say.
    channel
        Channel to train on, from 0, where files have several.
    time_point
        Time point to train on, from 0, where files have several.
    checkpoint
        A file to keep the progress in, epoch by epoch.
    resume
        Go on from where the same command, with the same checkpoint, was stopped.
    sigma
        Standard deviation in um along z, y and x of the blur between specimen and camera.
    psf
        The same as a PSF file, .json, that `napari-deltamic psf` has made.
    excitation_sigma
        Standard deviation in um along z, y and x of the blur between projector and specimen.
    excitation_psf
        The same as a PSF file.
    labels
        A TIFF of labels for each stack, on its voxels and in the same order: what lies in any label
        is to be found.
    task
        With labels: find them in the images (segment, the default), or learn patterns for that too
        (joint). Each comes after what goes before it, with as many epochs again.
    """
    from napari_deltamic.cli.compress_progress import run_training
    from napari_deltamic.cli.compress_stacks import divided, training_stacks, training_targets
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.compressive import CompressiveModel, field_size, save_model
    from napari_deltamic.torch_threads import some_torch_threads

    chosen_task = _chosen_task(task, bool(labels))
    _check_files(output, checkpoint, resume)
    settings = chosen_settings(options)
    emission = chosen_blur("", sigma, psf)
    excitation = chosen_blur("excitation-", excitation_sigma, excitation_psf)
    images = training_stacks(stacks, spacing, channel, time_point)
    targets = training_targets(labels, images)
    volumes = [image.data for image in images]
    if size is None:
        size = field_size([image.shape for image in images], settings.binning)
    model = CompressiveModel(settings, (1, size, size), images[0].spacing, excitation, emission)
    split = divided(stacks, volumes, size, targets)
    fewer = settings.binning**2 / settings.frames
    say(
        f"Fields of {size} x {size} voxels, {fewer:.3g} times fewer numbers; "
        f"{counted(len(split.training), 'patch', 'patches')} to train on"
    )
    start = time.perf_counter()
    with some_torch_threads():
        result = run_training(model, split, _ROUNDS[chosen_task], checkpoint, resume)
        seconds = time.perf_counter() - start
        # Before anything else can be interrupted.
        save_model(model, output)
        _print_scores(model, split, chosen_task != "reconstruct")
    say(f"Trained for {_duration(seconds)}")
    say(f"Wrote {output}")
    if not result.stopped:
        return SUCCESS
    if checkpoint is not None:
        say("Run the same command with --resume to go on.")
    return INTERRUPTED


def _chosen_task(task: Task | None, labelled: bool) -> Task:
    if task is None:
        return "segment" if labelled else "reconstruct"
    if task != "reconstruct" and not labelled:
        raise UsageError(f"--task: {task} needs --labels, which say what is to be found")
    if task == "reconstruct" and labelled:
        raise UsageError("--labels: goes with --task segment or joint; reconstruct needs none")
    return task


def _check_files(output: Path, checkpoint: Path | None, resume: bool) -> None:
    check_output_file("--output", output, ".pt")
    if checkpoint is None:
        if resume:
            raise UsageError("--resume: goes with --checkpoint, the file to go on from")
        return
    check_output_file("--checkpoint", checkpoint)
    if checkpoint.resolve() == output.resolve():
        raise UsageError(f"--checkpoint: {checkpoint} is --output too; it needs its own file")
    if resume and not checkpoint.is_file():
        raise UsageError(f"--resume: {checkpoint} does not exist; start without --resume")


def _print_scores(model: CompressiveModel, split: Split, segments: bool) -> None:
    from napari_deltamic.cli.compress_scores import print_scores
    from napari_deltamic.compressive import Patches, camera_of, interpolation_scored, scored

    camera = camera_of(model, split.training)
    test = split.test if segments else Patches(split.test.images)
    count = counted(len(test), "patch", "patches")
    print_scores(
        f"Planes kept from the training, {count}",
        {
            "model": scored(model, test, camera),
            "even light, bicubic": interpolation_scored(model, test, camera),
        },
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
