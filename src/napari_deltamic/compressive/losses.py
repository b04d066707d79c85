"""What training minimises: the structural similarity of images, the overlap of masks."""

from __future__ import annotations

import torch

_SIGMA = 1.5
_RADIUS = 5
_K1, _K2 = 0.01, 0.03


def structural_similarity(
    image: torch.Tensor, truth: torch.Tensor, data_range: float = 1.0
) -> torch.Tensor:
    """Return (N,) the mean SSIM of images, differentiable.

    With Gaussian weights of sigma 1.5 in 11 x 11 pixels, over pixels whose window lies inside
    (Wang et al. 2004): what scikit-image computes with ``gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False``.

    Parameters
    ----------
    image, truth
        (N, ..., Y, X) with at least 11 pixels along y and x; the mean is over all but N.
    data_range
        From the darkest to the brightest value there can be.
    """
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=image.dtype, device=image.device)
    weights = torch.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights = weights / weights.sum()
    x, y = (one.reshape(-1, *one.shape[-2:]) for one in (image, truth))
    maps = torch.stack([x, y, x * x, y * y, x * y]).flatten(0, 1).unsqueeze(1)
    maps = torch.nn.functional.conv2d(maps, weights.view(1, 1, -1, 1))
    maps = torch.nn.functional.conv2d(maps, weights.view(1, 1, 1, -1))
    mean_x, mean_y, xx, yy, xy = maps.squeeze(1).unflatten(0, (5, -1))
    small1, small2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    likeness = (2 * mean_x * mean_y + small1) * (2 * (xy - mean_x * mean_y) + small2)
    scale = (mean_x**2 + mean_y**2 + small1) * (xx - mean_x**2 + yy - mean_y**2 + small2)
    means: torch.Tensor = (likeness / scale).reshape(len(image), -1).mean(1)
    return means


def segmentation_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the soft Dice loss plus the binary cross entropy, a mean over (N, ...) images."""
    chance = torch.sigmoid(logits).flatten(1)
    wanted = target.flatten(1)
    shared, total = (chance * wanted).sum(1), chance.sum(1) + wanted.sum(1)
    dice_loss = 1.0 - ((2.0 * shared + 1.0) / (total + 1.0)).mean()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    return dice_loss + entropy
