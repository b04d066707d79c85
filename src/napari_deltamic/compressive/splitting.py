"""Stacks split into patches to train on, to end the training by and to test with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.compressive.network import NETWORK_MULTIPLE
from napari_deltamic.compressive.patches import Patches, cut_patches, joined, normalised

# Patches without much in them would only dilute every score.
_LEAST_CONTRAST = 0.05
GAP = 2
"""Planes left out between two parts: those that are blurred into one another."""


class Split(NamedTuple):
    """Patches for training, for validation and to test with."""

    training: Patches
    validation: Patches
    test: Patches


def field_size(shapes: Sequence[tuple[int, ...]], binning: int, most: int = 128) -> int:
    """Return the voxels along y and x of the largest square field that stacks can be cut into.

    Parameters
    ----------
    shapes
        (Z, Y, X) of each stack.
    binning
        Voxels along each side of a camera pixel; they divide the field.
    most
        Voxels at most.

    Raises
    ------
    ValueError
        If a stack is smaller than the smallest field.
    """
    step = math.lcm(binning, NETWORK_MULTIPLE)
    room = min(min(shape[-2:]) for shape in shapes)
    size = min(room, max(most, step)) // step * step
    if size == 0:
        raise ValueError(
            f"binning: {binning} needs images of at least {step} x {step} voxels, the smallest has "
            f"{room} along one side; bin less or choose larger images"
        )
    return size


def split_stacks(
    volumes: Sequence[ArrayLike],
    size: int,
    targets: Sequence[ArrayLike] | None = None,
    gap: int = GAP,
) -> Split:
    """Return patches of several stacks, each split by planes.

    Each is scaled from 0 to 1, and planes at its ends with less than half of the contrast of its
    best one are left out.

    Parameters
    ----------
    volumes
        (Z, Y, X) each.
    size
        Voxels along y and x of a patch; see :func:`field_size`.
    targets
        What a segmentation should find in each, 1 or 0; (Z, Y, X) each.
    gap
        Planes left out between two parts, so that the blur does not reach across.

    Raises
    ------
    ValueError
        If a stack has too few planes, or nothing in it.
    """
    parts: list[Split] = []
    for number, volume in enumerate(volumes):
        target = None if targets is None else targets[number]
        parts.append(_split_stack(volume, size, target, gap))
    if not parts:
        raise ValueError("volumes: there are none; choose at least one stack to train on")
    return joined_splits(parts)


def joined_splits(parts: Sequence[Split]) -> Split:
    """Return all patches with contrast of all parts."""
    every = (joined([part[i] for part in parts]) for i in range(3))
    return Split(*(_with_contrast(patches) for patches in every))


def contentful(image: NDArray[np.float32]) -> slice:
    """Return the planes from the first to the last that has half the contrast of the best one."""
    contrast = image.std(axis=(1, 2))
    rich = np.flatnonzero(contrast >= 0.5 * contrast.max())
    return slice(int(rich[0]), int(rich[-1]) + 1)


def split_planes(count: int, gap: int) -> tuple[slice, slice, slice]:
    """Return planes for training, validation and testing: the last 3/5, and 1/5 twice before.

    Parameters
    ----------
    count
        How many planes there are.
    gap
        How many to leave out between two parts, so that the blur does not reach across.

    Raises
    ------
    ValueError
        If no planes are left.
    """
    rest = count - 2 * gap
    if rest < 5 or gap < 0:
        raise ValueError(
            f"gap: {count} planes leave nothing to train on with gaps of {gap}; at least "
            f"{5 + 2 * max(gap, 0)} with something in them are needed"
        )
    fifth = rest // 5
    training = rest - 2 * fifth
    return (
        slice(count - training, count),
        slice(fifth + gap, 2 * fifth + gap),
        slice(0, fifth),
    )


def _split_stack(volume: ArrayLike, size: int, targets: ArrayLike | None, gap: int) -> Split:
    image = normalised(volume)
    if image.ndim != 3:
        raise ValueError(f"volumes: expected stacks (Z, Y, X), got shape {image.shape}")
    if targets is not None and np.shape(targets) != image.shape:
        raise ValueError(
            f"targets: shape {np.shape(targets)} does not match the stack's {image.shape}"
        )
    rich = contentful(image)
    target = None if targets is None else np.asarray(targets)[rich]
    return Split(
        *(
            cut_patches(
                image[rich][planes], size, targets=None if target is None else target[planes]
            )
            for planes in split_planes(len(image[rich]), gap)
        )
    )


def _with_contrast(patches: Patches) -> Patches:
    rich = patches.images.std(dim=(1, 2, 3)) > _LEAST_CONTRAST
    if not rich.any():
        raise ValueError(
            "volumes: there is hardly anything to see in some part of their planes; choose stacks "
            "with more contrast"
        )
    return patches.part(torch.nonzero(rich).squeeze(1))
