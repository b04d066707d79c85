"""A small world to train in: bright discs on fields of 32 x 32 voxels."""

from __future__ import annotations

import torch

from napari_deltamic.compressive import CompressiveModel, CompressiveSettings, Patches
from napari_deltamic.optics import GaussianPSF

SIZE = 32
QUICK = {"binning": 8, "frames": 4, "epochs": 3, "steps_per_epoch": 6, "batch_size": 4}


def discs(count: int, seed: int = 0, depth: int = 1) -> Patches:
    """Return fields with three discs each, which are the targets too."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.arange(SIZE, dtype=torch.float32)
    images = torch.zeros(count, depth, SIZE, SIZE)
    for image in images.flatten(0, 1):
        for y, x, radius, light in torch.rand(3, 4, generator=generator).tolist():
            distance = ((place[:, None] - SIZE * y) ** 2 + (place - SIZE * x) ** 2).sqrt()
            image += (0.4 + 0.4 * light) * torch.sigmoid(2.0 * (2.0 + 4.0 * radius - distance))
    return Patches(images.clamp(0, 1), (images > 0.2).float())


def quick_model(depth: int = 1, **changes) -> CompressiveModel:
    settings = CompressiveSettings(**{**QUICK, **changes})
    psf = GaussianPSF((1.0, 0.7, 0.7))
    return CompressiveModel(settings, (depth, SIZE, SIZE), (1.0, 1.0, 1.0), psf, psf)
