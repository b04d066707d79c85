"""Cells fitted from compressed frames: how far from the truth, against going via a reconstruction.

A generated embryo of four cells, lit by four random patterns a plane and recorded with pixels of
d x d voxels, which is d^2 / 4 times fewer numbers than a stack has. The frames are made on voxels
half as large as those of the fit. The seed is made of labels of every third voxel, moved a little.

    python benchmarks/bench_frames.py [--photons 100] [--seeds 0 1 2]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
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
READ_NOISE = 1.0
COARSER = 3
SHIFT = (0.3, 0.2, -0.2)
# Of the largest singular value, squared: the best of 1e-5 to 1e-1 for the fit that follows.
RIDGE = 1e-3
# Frames have one stage in any case.
SETTINGS = dm.FitSettings(stages=1)


def lit(shape: tuple[int, int], seed: int) -> torch.Tensor:
    """Return random binary patterns whose light adds up to that of one plain exposure."""
    masks = np.random.default_rng(seed).random((PATTERNS, *shape)) < 0.5
    return torch.tensor(masks / (PATTERNS * masks.mean()), dtype=torch.float32)


def acquisition(embryo: Embryo, binning: int, seed: int, finer: int = 1) -> PatternedIllumination:
    planes, *sides = embryo.stack.shape
    rows, columns = (-(-side // binning) * binning for side in sides)
    patterns = lit((rows, columns), seed)
    patterns = patterns.repeat_interleave(finer, 1).repeat_interleave(finer, 2)
    spacing = embryo.stack.spacing / [1, finer, finer]
    blur = dm.GaussianPSF((0.5, 0.2, 0.2))
    return PatternedIllumination(
        patterns,
        spacing,
        depth=planes,
        binning=finer * binning,
        excitation=blur,
        emission=embryo.psf,
    )


def recorded(embryo: Embryo, binning: int, photons: float, seed: int) -> FrameStack:
    """Return noisy frames, made on voxels half as large."""
    origin = embryo.stack.origin
    fine = origin - embryo.stack.spacing * [0, 0.25, 0.25]
    light = {"membrane": embryo.membrane, "interior": embryo.interior}
    sharp = render_frames(embryo.truth, acquisition(embryo, binning, seed, 2), fine, **light) / 4
    whole = dm.render(
        embryo.truth, embryo.psf, embryo.stack.shape, embryo.stack.spacing, origin, **light
    )
    camera = Camera(photon_gain(torch.from_numpy(whole), photons), READ_NOISE)
    noisy = camera(torch.from_numpy(sharp), torch.Generator().manual_seed(seed))
    return FrameStack(noisy.numpy(), acquisition(embryo, binning, seed), origin)


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
    options = parser.parse_args()
    print(describe())
    embryo = make_embryo(4, seed=0)
    seed, pixel = rough_seed(embryo), embryo.stack.spacing[2]

    def off(mesh: dm.TriangleMesh) -> str:
        distance = mean_surface_distance(mesh, embryo.truth)
        volumes = np.abs(mesh.volumes() / embryo.volumes() - 1.0).mean()
        return f"{distance.mean / pixel:6.3f} / {distance.max / pixel:4.1f} {100 * volumes:6.2f} %"

    print(f"4 cells, {options.photons:g} photons a voxel in all, read noise {READ_NOISE:g} a pixel")
    print("distance from the truth in voxels, mean / largest, and mean error of volumes")
    print(
        f"seed {off(seed)}\n compr. seed  {'from frames':>24}     s  {'via a reconstruction':>24}"
    )
    for binning in BINNINGS:
        for number in options.seeds:
            frames = recorded(embryo, binning, options.photons, number)
            start = time.perf_counter()
            direct = dm.fit(frames, seed, settings=SETTINGS)
            seconds = time.perf_counter() - start
            image = dm.ImageStack(reconstructed(frames), frames.spacing, frames.origin)
            via = dm.fit(image, seed, embryo.psf, SETTINGS)
            compression = frames.acquisition.compression
            print(
                f"{compression:6.0f} {number:5}  {off(direct.mesh):>24} {seconds:5.0f}  "
                f"{off(via.mesh):>24}",
                flush=True,
            )


if __name__ == "__main__":
    main()
