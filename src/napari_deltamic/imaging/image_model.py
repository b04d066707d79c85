"""From the modes of a density to voxels, and back: the box, the crop and the PSF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.kernel_threads import thread_count
from napari_deltamic.meshft.voxels import band_of_voxels, oversampling, voxels_of_band

Shape = tuple[int, int, int]


def padded_shape(
    shape: Shape,
    spacing: NDArray[np.float64],
    margin: NDArray[np.float64],
    vertices: NDArray[np.float64] | None = None,
) -> Shape:
    """Return the shape of a periodic box in which nothing wraps round into the stack.

    Parameters
    ----------
    shape, spacing
        Voxels of the stack and their size in um.
    margin
        (3,) how far the PSF carries light, in um.
    vertices
        (V, 3) of the mesh in um from the centre of voxel 0; None takes it to lie in the stack.

    Returns
    -------
    tuple
        FFT-friendly sizes; voxel 0 of the box is voxel 0 of the stack.
    """
    from scipy.fft import next_fast_len

    last = spacing * (np.array(shape) - 1)
    lower, upper = np.zeros(3), last
    if vertices is not None and len(vertices):
        lower, upper = vertices.min(axis=0), vertices.max(axis=0)
    # A copy of the mesh shifted by the box must stay a margin clear of the stack on both sides.
    needed = np.maximum(upper + margin, last - lower + margin)
    sizes = np.maximum(np.ceil(needed / spacing).astype(int) + 1, shape)
    z, y, x = (next_fast_len(int(size), real=True) for size in sizes)
    return int(z), int(y), int(x)


def image_of_modes(
    modes: torch.Tensor,
    box: Shape,
    spacing: Sequence[float] | NDArray[np.float64],
    shape: Shape,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the voxels of the stack from the modes of the blurred density.

    Parameters
    ----------
    modes
        (2 kz + 1, 2 ky + 1, kx + 1) complex, z and y in FFT order; blur included.
    box
        Voxels of the periodic box.
    spacing
        Voxel size in um.
    shape
        Voxels of the stack, at the box's start.
    weight
        What the voxels are multiplied by; broadcasts to the stack's shape, and takes no gradient.

    Returns
    -------
    torch.Tensor
        (Z, Y, X) real: the density at the voxels' centres. Modes beyond Nyquist alias, as they do
        in a camera that samples the same blur.
    """
    a_mode = 1.0 / float(np.prod(np.asarray(spacing) * box))
    if weight is None:
        weight = torch.ones((), dtype=modes.dtype.to_real(), device=modes.device)
    if modes.device.type == "cpu":
        return _Voxels.apply(modes, box, a_mode, shape, weight)  # type: ignore[no-any-return, no-untyped-call]
    return image_by_torch(modes * a_mode, box, shape) * weight


def image_by_torch(modes: torch.Tensor, box: Shape, shape: Shape) -> torch.Tensor:
    """Return the modes' sum at the voxels by torch's own operations, on any device."""
    # One axis at a time, and what the stack does not need is dropped after each.
    kz, ky, kx = (modes.shape[0] - 1) // 2, (modes.shape[1] - 1) // 2, modes.shape[2] - 1
    along_z = _sum_of_modes(modes, 0, kz, box[0], shape[0])
    along_y = _sum_of_modes(along_z, 1, ky, box[1], shape[1])
    finer = oversampling(kx, box[2])
    rows = torch.fft.irfft(along_y, n=finer * box[2], dim=2, norm="forward")
    wanted: torch.Tensor = rows[:, :, : finer * shape[2] : finer]
    return wanted


class _Voxels(torch.autograd.Function):
    """The same in blocks, on the CPU."""

    @staticmethod
    def forward(
        ctx: Any, modes: torch.Tensor, box: Shape, a_mode: float, shape: Shape, weight: torch.Tensor
    ) -> torch.Tensor:
        ctx.box, ctx.a_mode, ctx.weight = box, a_mode, weight.to(modes.dtype.to_real()).numpy()
        ctx.band = modes.shape[0] // 2, modes.shape[1] // 2, modes.shape[2] - 1
        # Torch's own memory: sums over numpy's may round by where it lies.
        image = torch.empty(shape, dtype=modes.dtype.to_real())
        voxels_of_band(modes.resolve_conj().numpy(), box, a_mode, ctx.weight, image.numpy())
        return image

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        modes = band_of_voxels(slope.numpy(), ctx.box, ctx.a_mode, ctx.weight, ctx.band)
        return torch.from_numpy(modes), None, None, None, None


def dimming(rate: float, planes: int, step: float) -> torch.Tensor:
    """Return (Z, 1, 1) how much of the light of each plane is left.

    Parameters
    ----------
    rate
        Per um; of the light from a depth z below the first plane, exp(-rate * z) arrives.
    planes
        Z.
    step
        From plane to plane, in um.

    Notes
    -----
    Light is lost on its way from where it is emitted, before it is blurred; here a blurred plane is
    dimmed. That is the same for a PSF h(z) exp(-rate * z), whose centre is shifted by
    rate * sigma^2: some nanometres.
    """
    return torch.exp(-rate * step * torch.arange(planes, dtype=torch.float64))[:, None, None]


def modes_of_image(
    image: NDArray[Any], box: Shape, spacing: NDArray[np.float64], band: Shape
) -> torch.Tensor:
    """Return the modes of an image that is zero outside the stack.

    Parameters
    ----------
    image
        (Z, Y, X) real, at the box's start.
    box, spacing
        The periodic box.
    band
        Largest mode index along z, y and x; below Nyquist.

    Returns
    -------
    torch.Tensor
        (2 kz + 1, 2 ky + 1, kx + 1) complex: sum over voxels of image * exp(-2 pi i k.x), times the
        voxel's volume.
    """
    from scipy import fft

    kz, ky, kx = band
    workers = thread_count()
    rows = fft.rfft(image, n=box[2], axis=2, workers=workers)[:, :, : kx + 1]
    columns = fft.fft(rows, n=box[1], axis=1, workers=workers)
    columns = np.concatenate([columns[:, : ky + 1], columns[:, box[1] - ky :]], axis=1)
    stacks = fft.fft(columns, n=box[0], axis=0, workers=workers)
    modes = np.concatenate([stacks[: kz + 1], stacks[box[0] - kz :]], axis=0)
    return torch.from_numpy(modes * modes.real.dtype.type(np.prod(spacing)))


def below_nyquist(band: Shape, box: Shape) -> bool:
    """Whether no mode of the band aliases on the box's voxels."""
    return all(2 * largest < size for largest, size in zip(band, box, strict=True))


def _sum_of_modes(
    modes: torch.Tensor, axis: int, largest: int, size: int, kept: int
) -> torch.Tensor:
    finer = oversampling(largest, size)
    shape = list(modes.shape)
    shape[axis] = finer * size - modes.shape[axis]
    positive, negative = modes.split([largest + 1, largest], dim=axis)
    full = torch.cat([positive, modes.new_zeros(shape), negative], dim=axis)
    summed: torch.Tensor = torch.fft.ifft(full, dim=axis, norm="forward")
    if kept == size and finer == 1:
        return summed
    return summed.index_select(axis, torch.arange(0, finer * kept, finer, device=modes.device))
