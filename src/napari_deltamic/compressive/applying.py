"""A trained model on whole stacks and on measured frames, field by field."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.compressive.model import CompressiveModel
from napari_deltamic.compressive.patches import normalised
from napari_deltamic.compressive.upsampling import bicubic
from napari_deltamic.imaging import Camera, photon_gain

T = TypeVar("T", np.float32, np.bool_)

# Of 128 x 128 voxels these take a tenth of a second.
_VOXELS_AT_ONCE = 2**17


class Simulation(NamedTuple):
    """What a compressed acquisition of a stack would have measured, and what comes of it."""

    truth: NDArray[np.float32]
    """(Z, Y, X) the stack, scaled from 0 to 1."""
    frames: NDArray[np.float32]
    """(T, Z, Y / d, X / d) the camera's frames; of whole fields, so they may reach farther."""
    reconstruction: NDArray[np.float32]
    """(Z, Y, X) what the model makes of the frames."""
    interpolated: NDArray[np.float32]
    """(Z, Y, X) what bicubic interpolation makes of as many frames in even light."""


def simulate(
    model: CompressiveModel,
    volume: ArrayLike,
    seed: int = 0,
    *,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Simulation | None:
    """Acquire a stack with a model's patterns, with its noise, and reconstruct it.

    Fields of the model lie side by side on the stack; at its rim they are filled by mirroring.

    Parameters
    ----------
    model
        Its masks are binary.
    volume
        (Z, Y, X), of any size.
    seed
        Of the noise.
    on_progress
        Called with the part that is done.
    should_stop
        Asked several times a second; once true, nothing is returned.

    Raises
    ------
    ValueError
        If the stack is not 3D or has no light in it.
    """
    truth = normalised(volume)
    if truth.ndim != 3 or 0 in truth.shape:
        raise ValueError(f"volume: expected (Z, Y, X), got shape {truth.shape}")
    settings = model.settings
    camera = None
    if settings.photons is not None:
        camera = Camera(photon_gain(torch.from_numpy(truth), settings.photons), settings.read_noise)
    generator = torch.Generator().manual_seed(seed)
    fields = _fields(truth, model.acquisition.shape)
    every = torch.from_numpy(fields.reshape(-1, *model.acquisition.shape))
    found: list[tuple[torch.Tensor, ...]] = []
    batch = max(1, _VOXELS_AT_ONCE // math.prod(model.acquisition.shape))
    with torch.no_grad():
        light = model.patterns()
        for start in range(0, len(every), batch):
            if should_stop is not None and should_stop():
                return None
            density = every[start : start + batch]
            frames = _recorded(model.frames(density, light), camera, generator)
            plain = interpolated(model, density, camera, generator)
            found.append((frames, model.decoded(frames, light), plain))
            if on_progress is not None:
                on_progress(min(1.0, (start + batch) / len(every)))
    whole = [torch.cat(parts).numpy() for parts in zip(*found, strict=True)]
    grid, (z, y, x) = fields.shape[:3], truth.shape
    side_by_side = np.stack([_joined(whole[0][:, t], grid) for t in range(settings.frames)])
    images = (_joined(one, grid)[:z, :y, :x] for one in whole[1:])
    return Simulation(truth, side_by_side[:, :z], *images)


def reconstruct(model: CompressiveModel, frames: ArrayLike) -> NDArray[np.float32]:
    """Return the (Z, Y, X) image of measured frames.

    Parameters
    ----------
    model
        Whose patterns were shown.
    frames
        (T, Z, Y / d, X / d), without the camera's offset; see :func:`read_frames`. Any number of
        planes will do, since each is decoded by itself. Together they are scaled to the mean
        brightness of the images that the model was trained on, in whose scale of about 0 to 1 the
        result is.

    Raises
    ------
    ValueError
        If the shape is not the model's, or there is no light in the frames.
    """
    measured = torch.as_tensor(np.asarray(frames, dtype=np.float32))
    count, depth, rows, columns = model.acquisition.frame_shape
    planes = measured.shape[1] if measured.ndim == 4 else depth
    if tuple(measured.shape) != (count, planes, rows, columns):
        raise ValueError(
            f"frames: expected {(count, planes, rows, columns)}, which the model's patterns give, "
            f"got shape {tuple(measured.shape)}"
        )
    mean = float(measured.mean())
    if not math.isfinite(mean) or mean <= 0:
        raise ValueError(
            f"frames: their mean is {mean:g}; subtract no more than the camera's offset"
        )
    level = float(model.get_buffer("frame_level"))
    scaled = measured if level == 0 else measured * (level / mean)
    with torch.no_grad():
        image: NDArray[np.float32] = model.decoded(scaled[None])[0].numpy()
    return image


def interpolated(
    model: CompressiveModel,
    density: torch.Tensor,
    camera: Camera | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return (N, Z, Y, X) bicubic interpolations of as many frames as a model's, in even light.

    Parameters
    ----------
    model
        Whose number of frames, binning and blur to take.
    density
        (N, Z, Y, X).
    camera
        Its noise, if any.
    generator
        Of the noise.
    """
    count, binning = model.settings.frames, model.settings.binning
    even = torch.ones_like(model.patterns()) / count
    frames = _recorded(model.frames(density, even), camera, generator)
    planes = frames.transpose(1, 2).flatten(0, 1) * (count / binning**2)
    images: torch.Tensor = bicubic(planes, binning).unflatten(0, (len(frames), -1))
    return images.squeeze(2)


def segment(model: CompressiveModel, image: ArrayLike) -> NDArray[np.bool_]:
    """Return (Z, Y, X) bool: where a model finds what it was trained to find.

    Parameters
    ----------
    model
        Trained for a segmentation; see ``model.segments``.
    image
        (Z, Y, X) a reconstruction, of any size; at its rim fields are filled by mirroring.

    Raises
    ------
    ValueError
        If the image is not 3D.
    """
    whole = np.asarray(image, dtype=np.float32)
    if whole.ndim != 3 or 0 in whole.shape:
        raise ValueError(f"image: expected (Z, Y, X), got shape {whole.shape}")
    fields = _fields(whole, model.acquisition.shape)
    every = torch.from_numpy(fields.reshape(-1, *model.acquisition.shape))
    batch = max(1, _VOXELS_AT_ONCE // math.prod(model.acquisition.shape))
    with torch.no_grad():
        found = torch.cat([model.segmented(part) > 0 for part in every.split(batch)]).numpy()
    z, y, x = whole.shape
    return _joined(found, fields.shape[:3])[:z, :y, :x]


def _recorded(
    frames: torch.Tensor, camera: Camera | None, generator: torch.Generator | None
) -> torch.Tensor:
    return frames if camera is None else camera(frames, generator)


def _fields(volume: NDArray[np.float32], field: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return (A, B, C, Z, Y, X): a grid of fields that covers a volume."""
    pad = [(0, -length % size) for length, size in zip(volume.shape, field, strict=True)]
    filled = np.pad(volume, pad, mode="symmetric")
    a, b, c = (length // size for length, size in zip(filled.shape, field, strict=True))
    blocks = filled.reshape(a, field[0], b, field[1], c, field[2])
    return np.ascontiguousarray(blocks.transpose(0, 2, 4, 1, 3, 5))


def _joined(fields: NDArray[T], grid: tuple[int, ...]) -> NDArray[T]:
    """Return the volume of (A * B * C, z, y, x) fields that lie side by side."""
    a, b, c = grid
    z, y, x = fields.shape[1:]
    blocks = fields.reshape(a, b, c, z, y, x).transpose(0, 3, 1, 4, 2, 5)
    return np.ascontiguousarray(blocks.reshape(a * z, b * y, c * x))
