"""The stacks that a model is trained on, as ``compress train`` is given them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.starting_mesh import read_labels
from napari_deltamic.cli.values import Three
from napari_deltamic.cli.words import counted

if TYPE_CHECKING:
    from napari_deltamic.compressive import Split
    from napari_deltamic.imaging import ImageStack

# Voxel sizes are stated to three digits or so.
_SAME = 0.01


def training_stacks(
    paths: Sequence[Path], spacing: Three | None, channel: int | None, time_point: int | None
) -> list[ImageStack]:
    """Return the stacks of some files.

    Raises
    ------
    UsageError
        If their voxels differ in size.
    """
    from napari_deltamic.imaging import read_stack

    stacks = [read_stack(path, spacing, channel, time_point) for path in paths]
    for path, stack in zip(paths, stacks, strict=True):
        if not np.allclose(stack.spacing, stacks[0].spacing, rtol=_SAME):
            raise UsageError(
                f"--spacing: voxels of {path} are {_size(stack)} um, those of {paths[0]} "
                f"{_size(stacks[0])}; resample one, or give the size to take for all"
            )
    return stacks


def training_targets(
    paths: Sequence[Path], stacks: Sequence[ImageStack]
) -> list[NDArray[np.bool_]] | None:
    """Return (Z, Y, X) bool for each stack, true on labels; None if no labels are given.

    Raises
    ------
    UsageError
        If there is not one file of labels for each stack, on its voxels.
    """
    if not paths:
        return None
    if len(paths) != len(stacks):
        raise UsageError(
            f"--labels: {counted(len(paths), 'file')} for {counted(len(stacks), 'stack')}; give "
            "one for each, in the same order"
        )
    pairs = zip(paths, stacks, strict=True)
    return [read_labels(path, stack.shape) > 0 for path, stack in pairs]


def divided(
    paths: Sequence[Path],
    volumes: Sequence[NDArray[np.float32]],
    size: int,
    targets: Sequence[NDArray[np.bool_]] | None,
) -> Split:
    """Return the patches of stacks, for training, validation and testing.

    Raises
    ------
    UsageError
        If a stack is of no use; the message names its file.
    """
    from napari_deltamic.compressive import split_stacks

    try:
        return split_stacks(volumes, size, targets)
    except ValueError as error:
        for number, path in enumerate(paths):
            target = None if targets is None else [targets[number]]
            try:
                split_stacks([volumes[number]], size, target)
            except ValueError as its:
                said = str(its)
                if re.match(r"(volumes|gap):", said):
                    raise UsageError(f"{path}: {said.partition(': ')[2]}") from error
        raise


def _size(stack: ImageStack) -> str:
    return " x ".join(f"{size:.4g}" for size in stack.spacing)
