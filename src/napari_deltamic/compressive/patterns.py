"""Patterns as a part of a model: fixed masks, or masks that are learned."""

from __future__ import annotations

import torch

from napari_deltamic.compressive.masks import light_matched


class Patterns(torch.nn.Module):
    """Masks that do not change.

    Parameters
    ----------
    masks
        (T, Y, X) of zeros and ones.
    """

    def __init__(self, masks: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("masks", masks)

    def forward(self, slope: float | None = None) -> torch.Tensor:
        """Return (T, Y, X) light in the specimen; see :func:`light_matched`.

        Parameters
        ----------
        slope
            How steep the step from dark to lit is; None for masks as a micromirror device shows
            them, dark or lit.
        """
        return light_matched(self.soft(slope))

    def soft(self, slope: float | None) -> torch.Tensor:
        """Return (T, Y, X) masks between 0 and 1; see :meth:`forward`."""
        masks: torch.Tensor = self.get_buffer("masks")
        return masks

    def binary(self) -> torch.Tensor:
        """Return (T, Y, X) bool: where each mask is lit."""
        with torch.no_grad():
            return self.soft(None) > 0.5


class LearnedPatterns(Patterns):
    """Masks H = sigmoid(m L) with logits L that are learned, and a slope m.

    Parameters
    ----------
    logits
        (T, Y, X) to start from.
    fourier
        Whether the parameters are the logits' spectrum W, L = Re fftshift(ifft2(W)), rather than
        the logits themselves. Then every parameter moves the whole mask.

    Notes
    -----
    Without a slope the masks are binary, and the gradient is that of the sigmoid with slope 1, as
    if it had been passed straight through the step. The form in Fourier space is that of
    arXiv 2203.14945.
    """

    def __init__(self, logits: torch.Tensor, fourier: bool = False) -> None:
        torch.nn.Module.__init__(self)
        self.fourier = fourier
        start = logits
        if fourier:
            spectrum = torch.fft.fft2(torch.fft.ifftshift(logits, dim=(-2, -1)), norm="ortho")
            start = torch.view_as_real(spectrum)
        self.raw = torch.nn.Parameter(start.clone())

    def logits(self) -> torch.Tensor:
        """Return (T, Y, X) logits: lit where positive."""
        if not self.fourier:
            return self.raw
        image = torch.fft.ifft2(torch.view_as_complex(self.raw), norm="ortho").real
        logits: torch.Tensor = torch.fft.fftshift(image, dim=(-2, -1))
        return logits

    def soft(self, slope: float | None) -> torch.Tensor:
        """See :meth:`Patterns.soft`."""
        logits = self.logits()
        if slope is not None:
            return torch.sigmoid(slope * logits)
        smooth = torch.sigmoid(logits)
        return (logits > 0).to(logits) + (smooth - smooth.detach())


def smooth_noise(
    count: int, rows: int, columns: int, grain: float, generator: torch.Generator
) -> torch.Tensor:
    """Return (T, Y, X) normal noise of unit spread, blurred by a Gaussian of ``grain`` voxels."""
    white = torch.randn(count, rows, columns, generator=generator)
    along_y, along_x = torch.fft.fftfreq(rows)[:, None], torch.fft.rfftfreq(columns)
    passed = torch.exp(-2.0 * (torch.pi * grain) ** 2 * (along_y**2 + along_x**2))
    noise: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * passed, s=(rows, columns))
    return noise / noise.std()
