"""A decoder for the frames of generated embryos: what the fit from frames is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import napari_deltamic as dm
from napari_deltamic.compressive import CompressiveModel, CompressiveSettings, Patches, train
from napari_deltamic.imaging import Embryo, FrameStack, FullSampling, make_embryo
from napari_deltamic.replacing import replacing

SIDE = 96
EXCITATION = dm.GaussianPSF((0.5, 0.2, 0.2))
# Of the images that are decoded, in um: as sharp as voxels can show.
SHARP = (0.3, 0.1, 0.1)
READ_NOISE = 1.0
TRAINING_SEEDS, VALIDATION_SEEDS = range(1, 10), range(10, 13)


class EmbryoDecoder:
    """Patterns and a decoder, trained on embryos other than the one that is fitted.

    Parameters
    ----------
    like
        Embryo whose voxels, PSF and brightness the others share.
    binning, frames, photons, seed
        See :class:`~napari_deltamic.compressive.CompressiveSettings`.
    cache
        File (.npz) for the generated embryos.
    """

    def __init__(
        self, like: Embryo, binning: int, frames: int, photons: float, seed: int, cache: Path
    ) -> None:
        self.field = field_of(like)
        training, validation, self.unit = embryo_images(self.field, cache)
        settings = CompressiveSettings(
            binning=binning,
            frames=frames,
            photons=photons,
            read_noise=READ_NOISE,
            seed=seed,
            batch_size=1,
        )
        # Variances add up: the decoded images are blurred a little already.
        rest = np.sqrt(np.square(like.psf.sigma.detach().numpy()) - np.square(SHARP))
        self.rest = dm.GaussianPSF(tuple(rest))
        self.model = CompressiveModel(
            settings, self.field, like.stack.spacing, excitation=EXCITATION, emission=self.rest
        )
        train(self.model, training, validation)

    def light(self) -> torch.Tensor:
        """Return (T, Y, X) light of the binary patterns."""
        light: torch.Tensor = self.model.patterns()
        return light.detach()

    def image(self, frames: FrameStack) -> NDArray[np.float32]:
        """Return (Z, Y, X) what full sampling would have seen, by the decoder."""
        plain = FullSampling(self.field, frames.spacing, self.rest)
        with torch.no_grad():
            measured = torch.from_numpy(frames.data)[None] / self.unit
            density = self.unit * self.model.decoded(measured)
            return np.asarray(plain(density)[0, 0].numpy())


def field_of(embryo: Embryo) -> tuple[int, int, int]:
    """Return the voxels (Z, Y, X) that are lit: the embryo's planes, and room for any binning."""
    return len(embryo.stack.data), SIDE, SIDE


def corner_of(embryo: Embryo, planes: int | None = None) -> NDArray[np.float64]:
    """Return the centre of the first voxel of a field with the embryo in its middle."""
    size = np.array([planes or len(embryo.stack.data), SIDE, SIDE])
    corner: NDArray[np.float64] = embryo.stack.origin - embryo.stack.spacing * (
        (size - embryo.stack.shape) // 2
    )
    return corner


def embryo_images(field: tuple[int, int, int], cache: Path) -> tuple[Patches, Patches, float]:
    """Return images for training and for validation, and the brightness that is 1 in them."""
    known: dict[str, Any] = {}
    if cache.exists():
        with np.load(cache) as file:
            known = dict(file)
    for seed in (*TRAINING_SEEDS, *VALIDATION_SEEDS):
        if str(seed) not in known:
            known[str(seed)] = sharp_image(make_embryo(4, seed=seed), field)
            with replacing(cache) as name:
                np.savez_compressed(name, **known)
    training = np.stack([known[str(seed)] for seed in TRAINING_SEEDS])
    validation = np.stack([known[str(seed)] for seed in VALIDATION_SEEDS])
    unit = float(np.percentile(training, 99.8))
    return (
        Patches(torch.from_numpy(training / np.float32(unit))),
        Patches(torch.from_numpy(validation / np.float32(unit))),
        unit,
    )


def sharp_image(embryo: Embryo, field: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return (Z, Y, X) the embryo in the middle of a field, blurred by hardly anything."""
    image = dm.render(
        embryo.truth,
        dm.GaussianPSF(SHARP),
        field,
        embryo.stack.spacing,
        corner_of(embryo, field[0]),
        embryo.membrane,
        embryo.interior,
    )
    return np.asarray(image, dtype=np.float32)
