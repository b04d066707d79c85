"""How good reconstructions and segmentations are, always with binary masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch

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
