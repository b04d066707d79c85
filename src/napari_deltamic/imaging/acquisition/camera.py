"""A camera's noise: photons and read-out, with a gradient."""

from __future__ import annotations

import math

import torch

# A spread below one photon would let single photons of dark pixels rule the gradient.
_LEAST_VARIANCE = 1.0


class Camera(torch.nn.Module):
    """Photon counts and read noise.

    Parameters
    ----------
    gain
        Photons for each unit that a frame is given in; see :func:`photon_gain`.
    read_noise
        Standard deviation of the read-out, in photons.

    Raises
    ------
    ValueError
        If the gain is not positive or the read noise is negative.

    Notes
    -----
    The values are true counts plus normal read noise. The gradient is that of expected + spread *
    deviate, the reparametrised normal noise of the same variance, with the deviate that gives these
    values: more light on a pixel changes its noise too.
    """

    def __init__(self, gain: float, read_noise: float = 0.0) -> None:
        super().__init__()
        if not math.isfinite(gain) or gain <= 0:
            raise ValueError(f"gain: expected a positive number of photons per unit, got {gain}")
        if not math.isfinite(read_noise) or read_noise < 0:
            raise ValueError(f"read_noise: expected 0 photons or more, got {read_noise}")
        self.gain = float(gain)
        self.read_noise = float(read_noise)

    def forward(
        self, frames: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return frames as recorded, in the units given; values below zero count as dark."""
        expected = self.gain * frames.clamp(min=0.0)
        with torch.no_grad():
            counts = torch.poisson(expected, generator=generator)
            if self.read_noise:
                deviates = torch.empty_like(counts).normal_(generator=generator)
                counts = counts + self.read_noise * deviates
        spread = (expected + self.read_noise**2).clamp(min=_LEAST_VARIANCE).sqrt()
        noise = ((counts - expected) / spread).detach() * spread
        return (expected + noise) / self.gain

    def extra_repr(self) -> str:
        """Show both numbers."""
        return f"gain={self.gain:.4g} photons, read_noise={self.read_noise:.4g} photons"


def photon_gain(image: torch.Tensor, photons: float) -> float:
    """Return the gain at which an image has so many expected photons a pixel on average.

    Of the image by full sampling: frames of patterns that add up to its light (their means over the
    field add up to 1) have the same dose at the same gain.

    Raises
    ------
    ValueError
        If the photons are not positive or the image has no light.
    """
    if not math.isfinite(photons) or photons <= 0:
        raise ValueError(f"photons: expected a positive number a pixel, got {photons}")
    mean = float(image.detach().mean())
    if not math.isfinite(mean) or mean <= 0:
        raise ValueError(f"image: expected one with light in it, got a mean of {mean:g}")
    return photons / mean
