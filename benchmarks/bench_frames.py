"""Cells fitted from compressed frames: how far from the truth, against going via an image.

A generated embryo of four cells, lit by four patterns a plane and recorded with pixels of d x d
voxels, which is d^2 / 4 times fewer numbers than a stack has. The frames are made on voxels half as
large as those of the fit. The seed is made of labels of every third voxel, moved a little.

Images of random light are the ridge regression's; those of learned light are made by the decoder
that was trained with it, on twelve other embryos.

    python benchmarks/bench_frames.py [--photons 100] [--seeds 0 1 2] [--binnings 8 16 32]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from embryo_decoder import EXCITATION, READ_NOISE, EmbryoDecoder, corner_of, field_of
from machine import describe
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, cg

import napari_deltamic as dm
from napari_deltamic.imaging import (
    Camera,
    Embryo,
    FrameStack,
    PatternedIllumination,
    make_embryo,
    photon_gain,
    render_frames,
)
from napari_deltamic.mesh import mean_surface_distance

BINNINGS = (8, 16, 32)
PATTERNS = 4
COARSER = 3
SHIFT = (0.3, 0.2, -0.2)
# Of the largest singular value, squared: the best of 1e-5 to 1e-1 for the fit that follows.
RIDGE = 1e-3
# Frames have one stage in any case.
SETTINGS = dm.FitSettings(stages=1)


def random_light(shape: tuple[int, int], seed: int) -> torch.Tensor:
    """Return random binary patterns whose light adds up to that of one plain exposure."""
    masks = np.random.default_rng(seed).random((PATTERNS, *shape)) < 0.5
    return torch.tensor(masks / (PATTERNS * masks.mean()), dtype=torch.float32)


def acquisition(
    embryo: Embryo, light: torch.Tensor, binning: int, finer: int = 1
) -> PatternedIllumination:
    return PatternedIllumination(
        light.repeat_interleave(finer, 1).repeat_interleave(finer, 2),
        embryo.stack.spacing / [1, finer, finer],
        depth=len(embryo.stack.data),
        binning=finer * binning,
        excitation=EXCITATION,
        emission=embryo.psf,
    )


def recorded(
    embryo: Embryo, light: torch.Tensor, binning: int, photons: float, seed: int
) -> FrameStack:
    """Return noisy frames, made on voxels half as large."""
    corner = corner_of(embryo)
    fine = corner - embryo.stack.spacing * [0, 0.25, 0.25]
    made = acquisition(embryo, light, binning, 2)
    sharp = render_frames(
        embryo.truth, made, fine, membrane=embryo.membrane, interior=embryo.interior
    )
    whole = dm.render(
        embryo.truth,
        embryo.psf,
        field_of(embryo),
        embryo.stack.spacing,
        corner,
        embryo.membrane,
        embryo.interior,
    )
    camera = Camera(photon_gain(torch.from_numpy(whole), photons), READ_NOISE)
    # Four small voxels hold what one does.
    noisy = camera(torch.from_numpy(sharp / 4), torch.Generator().manual_seed(seed))
    return FrameStack(noisy.numpy(), acquisition(embryo, light, binning), corner)


def reconstructed(frames: FrameStack) -> NDArray[np.float32]:
    """Return the (Z, Y, X) image whose frames are nearest, by ridge regression, then blurred."""
    operator, shape = frames.acquisition, frames.shape

    def normal(values: NDArray[np.float64]) -> NDArray[np.float64]:
        volume = torch.from_numpy(values.reshape(shape)).float()
        with torch.no_grad():
            return operator.adjoint(operator(volume)).numpy().ravel().astype(np.float64)

    vector = np.random.default_rng(0).normal(size=int(np.prod(shape)))
    for _ in range(8):
        vector = normal(vector / np.linalg.norm(vector))
    ridge = RIDGE * float(np.linalg.norm(vector))
    matrix = LinearOperator(2 * vector.shape, lambda values: normal(values) + ridge * values)
    with torch.no_grad():
        target = operator.adjoint(torch.from_numpy(frames.data)).numpy().ravel()
    density, _ = cg(matrix, target.astype(np.float64), rtol=1e-4, maxiter=100)
    whole = operator.detection.psf
    plain = dm.imaging.FullSampling(shape, frames.spacing, whole)
    with torch.no_grad():
        seen = plain(torch.from_numpy(density.reshape(shape)).float())
    return np.asarray(seen[0].numpy())


def rough_seed(embryo: Embryo) -> dm.TriangleMesh:
    step = embryo.stack.spacing * [1, COARSER, COARSER]
    corner = embryo.stack.origin + SHIFT + embryo.stack.spacing * [0, 1, 1]
    return dm.seed_from_labels(embryo.labels[:, 1::COARSER, 1::COARSER], step, corner)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photons", type=float, default=100.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--binnings", type=int, nargs="+", default=list(BINNINGS))
    parser.add_argument("--cache", type=Path, default=Path("bench_frames_embryos.npz"))
    options = parser.parse_args()
    print(describe())
    embryo = make_embryo(4, seed=0)
    seed, pixel = rough_seed(embryo), embryo.stack.spacing[2]

    def off(mesh: dm.TriangleMesh) -> str:
        distance = mean_surface_distance(mesh, embryo.truth)
        volumes = np.abs(mesh.volumes() / embryo.volumes() - 1.0).mean()
        return f"{distance.mean / pixel:6.3f} / {distance.max / pixel:4.1f} {100 * volumes:6.2f} %"

    def both_ways(frames: FrameStack, image: NDArray[np.float32]) -> tuple[str, str, float]:
        start = time.perf_counter()
        direct = dm.fit(frames, seed, settings=SETTINGS)
        seconds = time.perf_counter() - start
        stack = dm.ImageStack(image, frames.spacing, frames.origin)
        return off(direct.mesh), off(dm.fit(stack, seed, embryo.psf, SETTINGS).mesh), seconds

    print(f"4 cells, {options.photons:g} photons a voxel in all, read noise {READ_NOISE:g} a pixel")
    print("distance from the truth in voxels, mean / largest, and mean error of volumes")
    print(f"seed {off(seed)}")
    print(f"{'compr. seed light':18} {'from frames':>24}     s  {'via an image':>24}")
    for binning in options.binnings:
        for number in options.seeds:
            light = random_light(field_of(embryo)[1:], number)
            frames = recorded(embryo, light, binning, options.photons, number)
            random = both_ways(frames, reconstructed(frames))
            decoder = EmbryoDecoder(
                embryo, binning, PATTERNS, options.photons, number, options.cache
            )
            frames = recorded(embryo, decoder.light(), binning, options.photons, number)
            learned = both_ways(frames, decoder.image(frames))
            for name, (direct, via, seconds) in (("random", random), ("learned", learned)):
                print(
                    f"{frames.acquisition.compression:6.0f} {number:4} {name:6} {direct:>24} "
                    f"{seconds:5.0f}  {via:>24}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
