"""A PSF and pixels as one linear map: blur, then sum over pixels, and the exact transpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.optics import PSF
from napari_deltamic.spacing import checked_spacing

Shape = tuple[int, int, int]
Map = Callable[[torch.Tensor], torch.Tensor]


class BlurredSums(torch.nn.Module):
    """Blur a volume and sum it over squares of pixels in each plane.

    Parameters
    ----------
    psf
        The blur; None for none. Its transform is taken once, here: later changes of its parameters
        do not count, and no gradient reaches them.
    shape
        Voxels along z, y and x. A single plane stands for a specimen that is the same all through
        z, so that the blur is that of the OTF at kz = 0 and no light is lost.
    spacing
        (3,) voxel size in um, (z, y, x).
    binning
        Pixels d along each side of a square; divides the numbers of voxels along y and x.

    Raises
    ------
    ValueError
        If the binning does not divide the shape, or the spacing is not three lengths.

    Notes
    -----
    The volume is zero outside, and padded by what the PSF reaches, so that nothing wraps round.
    Summing is a filter, and multiplies the OTF; keeping one of d pixels folds the spectrum along y,
    so that all transforms after that are d times smaller. Precision and device are the input's.
    """

    psf: PSF | None

    def __init__(self, psf: PSF | None, shape: Shape, spacing: ArrayLike, binning: int = 1) -> None:
        super().__init__()
        self.shape = shape
        self.binning = checked_binning(binning, shape)
        self.spacing = checked_spacing(spacing)
        # Past torch's notice: its parameters are none of this module's.
        object.__setattr__(self, "psf", psf)
        self._transfers: dict[tuple[torch.dtype, torch.device], torch.Tensor] = {}
        self.transfer: torch.Tensor | None = None
        if psf is not None:
            self._box = _box(psf, shape, self.spacing, self.binning)
            self.transfer = _transfer(psf, self._box, self.spacing, self.binning)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Return (..., Z, Y / d, X / d) sums of the blurred (..., Z, Y, X) volume."""
        return _applied(volume, self._sums, self._spread)

    def adjoint(self, sums: torch.Tensor) -> torch.Tensor:
        """Return (..., Z, Y, X): the transpose of :meth:`forward`."""
        return _applied(sums, self._spread, self._sums)

    def _sums(self, volume: torch.Tensor) -> torch.Tensor:
        d = self.binning
        if self.transfer is None:
            squares = volume.unflatten(-1, (-1, d)).sum(-1)
            sums: torch.Tensor = squares.unflatten(-2, (-1, d)).sum(-2)
            return sums
        depth, rows, columns = self._box
        modes = torch.fft.rfft(volume, n=columns, dim=-1)
        modes = torch.fft.fft(modes, n=rows, dim=-2)
        # A single plane is its own transform along z.
        if depth > 1:
            modes = torch.fft.fft(modes, n=depth, dim=-3)
        modes *= self._transfer_like(volume)
        planes: torch.Tensor = modes.unflatten(-2, (d, rows // d)).mean(-3)
        if depth > 1:
            planes = torch.fft.ifft(planes, dim=-3)[..., : self.shape[0], :, :]
        lines = torch.fft.ifft(planes, dim=-2)[..., : self.shape[1] // d, :]
        pixels: torch.Tensor = torch.fft.irfft(lines, n=columns, dim=-1)
        return pixels[..., : self.shape[2] : d]

    def _spread(self, sums: torch.Tensor) -> torch.Tensor:
        d = self.binning
        if self.transfer is None:
            return sums.repeat_interleave(d, -1).repeat_interleave(d, -2)
        depth, rows, columns = self._box
        lines = sums.new_zeros(*sums.shape[:-1], columns)
        lines[..., : self.shape[2] : d] = sums
        modes = torch.fft.rfft(lines, dim=-1)
        modes = torch.fft.fft(modes, n=rows // d, dim=-2)
        if depth > 1:
            modes = torch.fft.fft(modes, n=depth, dim=-3)
        # Zeros between the pixels kept repeat the spectrum.
        modes = modes.unsqueeze(-3) * self._transfer_like(sums).conj().unflatten(-2, (d, -1))
        planes = modes.flatten(-3, -2)
        if depth > 1:
            planes = torch.fft.ifft(planes, dim=-3)[..., : self.shape[0], :, :]
        image = torch.fft.ifft(planes, dim=-2)[..., : self.shape[1], :]
        voxels: torch.Tensor = torch.fft.irfft(image, n=columns, dim=-1)
        return voxels[..., : self.shape[2]]

    def _transfer_like(self, values: torch.Tensor) -> torch.Tensor:
        assert self.transfer is not None
        key = values.dtype, values.device
        if key not in self._transfers:
            kind = values.dtype.to_complex()
            self._transfers[key] = self.transfer.to(device=values.device, dtype=kind)
        return self._transfers[key]


def checked_binning(binning: int, shape: Shape) -> int:
    """Return the binning, or raise ValueError if it does not divide the planes."""
    if binning < 1 or shape[1] % binning or shape[2] % binning:
        raise ValueError(
            f"binning: expected a positive number that divides {shape[1]} and {shape[2]}, the "
            f"voxels along y and x, got {binning}"
        )
    return int(binning)


def _box(psf: PSF, shape: Shape, spacing: NDArray[np.float64], binning: int) -> Shape:
    """Return the shape of a periodic box in which no light wraps round into the volume."""
    from scipy.fft import next_fast_len

    reach = np.ceil(psf.extent() / spacing).astype(int)
    if shape[0] == 1:
        reach[0] = 0
    depth = next_fast_len(shape[0] + int(reach[0]))
    rows, columns = (
        binning * next_fast_len(-(-(shape[axis] + int(reach[axis])) // binning), real=axis == 2)
        for axis in (1, 2)
    )
    return int(depth), int(rows), int(columns)


def _transfer(psf: PSF, box: Shape, spacing: NDArray[np.float64], binning: int) -> torch.Tensor:
    """Return the OTF times the filter that sums squares, on the half spectrum of the box."""
    axes = [torch.fft.fftfreq(n, dtype=torch.float64) for n in box[:2]]
    axes.append(torch.fft.rfftfreq(box[2], dtype=torch.float64))
    steps = spacing.tolist()
    waves = [k / step for k, step in zip(axes, steps, strict=True)]
    frequencies = torch.stack(torch.meshgrid(*waves, indexing="ij"), dim=-1)
    with torch.no_grad():
        otf = psf.otf(frequencies).cpu()
    offsets = torch.arange(binning, dtype=torch.float64)
    along_y, along_x = (torch.exp(2j * torch.pi * k[:, None] * offsets).sum(-1) for k in axes[1:])
    transfer: torch.Tensor = otf * along_y[:, None] * along_x
    return transfer


class _Linear(torch.autograd.Function):
    """A linear map whose gradient is its transpose, which spares torch the half spectrum's."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, apply: Map, transpose: Map) -> torch.Tensor:
        ctx.maps = apply, transpose
        return apply(values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        apply, transpose = ctx.maps
        return _applied(gradient, transpose, apply), None, None


def _applied(values: torch.Tensor, apply: Map, transpose: Map) -> torch.Tensor:
    return _Linear.apply(values, apply, transpose)  # type: ignore[no-any-return, no-untyped-call]
