"""How good reconstructions and segmentations are, always with binary masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from napari_deltamic.compressive.applying import interpolated
from napari_deltamic.compressive.losses import structural_similarity
from napari_deltamic.compressive.model import CompressiveModel
from napari_deltamic.compressive.patches import Patches
from napari_deltamic.imaging import Camera

_BATCH = 8
# A perfect image has no noise to take the logarithm of.
_LEAST_ERROR = 1e-10


class Scores(NamedTuple):
    """Means over images, of values cut to 0 to 1."""

    ssim: float
    """Structural similarity."""
    psnr: float
    """Peak signal to noise ratio in dB, for a peak of 1."""
    l1: float
    """Mean absolute error."""
    dice: float | None = None
    """Of the segmentation, where there is a target."""


def scored(
    model: CompressiveModel, patches: Patches, camera: Camera | None = None, seed: int = 0
) -> Scores:
    """Return how well a model reconstructs patches, and segments them if they have targets.

    Parameters
    ----------
    model
        Its masks are shown as they are in use: binary.
    patches
        Kept from training.
    camera
        Its noise, if any.
    seed
        Of the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    overlaps: list[torch.Tensor] = []
    for batch, images, logits in reconstructions(model, patches, camera, generator):
        parts.append(image_scores(images, batch.images))
        if logits is not None and batch.targets is not None:
            overlaps.append(dice(logits > 0, batch.targets))
    ssim, psnr, l1 = (float(torch.cat([part[i] for part in parts]).mean()) for i in range(3))
    return Scores(ssim, psnr, l1, float(torch.cat(overlaps).mean()) if overlaps else None)


def interpolation_scored(
    model: CompressiveModel, patches: Patches, camera: Camera | None = None, seed: int = 0
) -> Scores:
    """Return how good bicubic interpolation of as many frames in even light would be.

    Parameters
    ----------
    model, patches, camera, seed
        As of :func:`scored`.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        parts = [
            image_scores(interpolated(model, batch.images, camera, generator), batch.images)
            for batch in patches.batches(_BATCH)
        ]
    return Scores(*(float(torch.cat([part[i] for part in parts]).mean()) for i in range(3)))


def volume_scored(image: ArrayLike, truth: ArrayLike) -> Scores:
    """Return how good a reconstructed stack is: means over its planes.

    Parameters
    ----------
    image, truth
        (Z, Y, X) with at least 11 voxels along y and x; the truth from 0 to 1.

    Raises
    ------
    ValueError
        If they are smaller, or not of one shape.
    """
    one, other = (np.asarray(each, dtype=np.float32) for each in (image, truth))
    if one.shape != other.shape or one.ndim != 3 or 0 in one.shape or min(one.shape[1:]) < 11:
        raise ValueError(
            "image: expected the truth's (Z, Y, X) with 11 voxels or more along y and x, got "
            f"{one.shape} for {other.shape}"
        )
    # Plane by plane: SSIM takes ten times the memory of what it compares.
    planes = [
        torch.stack([part.mean() for part in image_scores(*torch.from_numpy(pair)[:, None, None])])
        for pair in np.stack([one, other], axis=1)
    ]
    return Scores(*torch.stack(planes).mean(0).tolist())


def reconstructions(
    model: CompressiveModel,
    patches: Patches,
    camera: Camera | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Patches, torch.Tensor, torch.Tensor | None]]:
    """Yield patches, their (N, Z, Y, X) reconstructions, and logits if they have targets."""
    with torch.no_grad():
        for batch in patches.batches(_BATCH):
            images = model(batch.images, None, camera, generator)
            yield batch, images, None if batch.targets is None else model.segmented(images)


def image_scores(
    images: torch.Tensor, truth: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (N,) SSIM, PSNR in dB and mean absolute error of (N, Z, Y, X) images."""
    kept = images.clamp(0.0, 1.0)
    error = (kept - truth).flatten(1)
    psnr = -10.0 * error.square().mean(1).clamp(min=_LEAST_ERROR).log10()
    return structural_similarity(kept, truth), psnr, error.abs().mean(1)


def dice(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return (N,) twice the overlap over the sum of both, 1 where both are empty."""
    a, b = found.flatten(1).double(), target.flatten(1).double()
    total = a.sum(1) + b.sum(1)
    return torch.where(total > 0, 2.0 * (a * b).sum(1) / total.clamp(min=1.0), 1.0)
