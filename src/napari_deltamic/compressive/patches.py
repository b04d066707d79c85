"""Patches of stacks to train on, and to keep from training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

# Mirrored rims are no data; a few voxels of them do no harm.
_LARGEST_RIM = 8
_DARK, _BRIGHT = 1.0, 99.8


@dataclass(frozen=True, eq=False)
class Patches:
    """Images of one size, with what is to be found in them where that is known.

    Attributes
    ----------
    images
        (N, Z, Y, X) float32 densities, about 0 to 1.
    targets
        (N, Z, Y, X) float32, 1 on what a segmentation should find and 0 elsewhere; or None.
    """

    images: torch.Tensor
    targets: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or 0 in self.images.shape:
            raise ValueError(f"images: expected (N, Z, Y, X), got {tuple(self.images.shape)}")
        if self.targets is not None and self.targets.shape != self.images.shape:
            raise ValueError(
                f"targets: shape {tuple(self.targets.shape)} does not match the images' "
                f"{tuple(self.images.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def field(self) -> tuple[int, int, int]:
        """Voxels (Z, Y, X) of one image."""
        _, depth, rows, columns = self.images.shape
        return depth, rows, columns

    def part(self, index: torch.Tensor | slice) -> Patches:
        """Return some of the patches."""
        return Patches(self.images[index], None if self.targets is None else self.targets[index])

    def batches(self, size: int) -> list[Patches]:
        """Return all patches in their order, ``size`` at a time."""
        return [self.part(slice(start, start + size)) for start in range(0, len(self), size)]

    def drawn(self, size: int, generator: torch.Generator) -> Patches:
        """Return random patches, all of them turned and mirrored in one random way."""
        chosen = self.part(torch.randint(len(self), (size,), generator=generator))
        turns = int(torch.randint(4, (1,), generator=generator))
        mirrored = bool(torch.randint(2, (1,), generator=generator))
        # A quarter turn of an oblong field would not fit it.
        turns = turns if self.field[1] == self.field[2] else 2 * (turns // 2)

        def moved(images: torch.Tensor) -> torch.Tensor:
            images = images.flip(-1) if mirrored else images
            return torch.rot90(images, turns, (-2, -1))

        targets = None if chosen.targets is None else moved(chosen.targets)
        return Patches(moved(chosen.images), targets)


def joined(parts: Sequence[Patches]) -> Patches:
    """Return the patches of all parts; with targets if every part has them."""
    targets = [part.targets for part in parts if part.targets is not None]
    images = torch.cat([part.images for part in parts])
    return Patches(images, torch.cat(targets) if len(targets) == len(parts) else None)


def cut_patches(
    volume: ArrayLike, size: int, depth: int = 1, targets: ArrayLike | None = None
) -> Patches:
    """Return patches that cover a volume.

    Parameters
    ----------
    volume
        (Z, Y, X).
    size
        Voxels along y and x. Planes up to 8 voxels smaller are mirrored at their rim; in larger
        ones the patches overlap as little as they can.
    depth
        Planes of a patch; those left over are not used.
    targets
        (Z, Y, X) what a segmentation should find, 1 or 0.

    Raises
    ------
    ValueError
        If the volume is not 3D, or is too small.
    """
    image = np.asarray(volume, dtype=np.float32)
    if image.ndim != 3:
        raise ValueError(f"volume: expected (Z, Y, X), got shape {image.shape}")
    if depth < 1 or depth > len(image):
        raise ValueError(f"depth: expected 1 to {len(image)}, the planes there are, got {depth}")
    if size < 1 or size - min(image.shape[1:]) > _LARGEST_RIM:
        raise ValueError(
            f"size: patches of {size} voxels do not fit planes of {image.shape[1:]}; choose at "
            f"most {min(image.shape[1:])}, a multiple of 16 and of the binning"
        )
    images = _cut(image, size, depth)
    if targets is None:
        return Patches(images)
    return Patches(images, _cut(np.asarray(targets, dtype=np.float32), size, depth))


def normalised(volume: ArrayLike) -> NDArray[np.float32]:
    """Return a stack from 0 to 1: from its darkest hundredth to its brightest five-hundredth."""
    image = np.asarray(volume, dtype=np.float32)
    low, high = np.percentile(image, [_DARK, _BRIGHT])
    scaled = np.clip((image - low) / max(float(high - low), 1e-12), 0.0, 1.0)
    return np.asarray(scaled, dtype=np.float32)


def _cut(image: NDArray[np.float32], size: int, depth: int) -> torch.Tensor:
    short = [max(size - n, 0) for n in image.shape[1:]]
    rims = [(0, 0), *((n // 2, n - n // 2) for n in short)]
    image = np.pad(image, rims, mode="symmetric")
    starts = [_starts(n, size) for n in image.shape[1:]]
    cut = [
        image[z : z + depth, y : y + size, x : x + size]
        for z in range(0, len(image) - depth + 1, depth)
        for y in starts[0]
        for x in starts[1]
    ]
    return torch.from_numpy(np.stack(cut))


def _starts(length: int, size: int) -> list[int]:
    count = -(-length // size)
    if count == 1:
        return [0]
    return [round(i * (length - size) / (count - 1)) for i in range(count)]
