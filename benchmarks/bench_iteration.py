"""An iteration of a large embryo's fit beside two bare FFTs of the same stack.

32 cells, about 40,000 faces, 33 x 256 x 384 voxels: steps of the last stage, with all renewals of
brightness and noise. The planes are so far apart that even Gaussian noise needs the voxels.

    python benchmarks/bench_iteration.py
"""

from __future__ import annotations

import time

import numpy as np
import torch
from machine import describe

import napari_deltamic as dm
from napari_deltamic.imaging import make_embryo
from napari_deltamic.mesh import remesh

SHAPE = (33, 256, 384)
FACES = 40_000
STEPS = 30


def main() -> None:
    print(describe())
    embryo = make_embryo(32, SHAPE)
    area = embryo.truth.face_normals_and_areas()[1].sum()
    edge_length = float(np.sqrt(area / FACES / (np.sqrt(3) / 4)))
    mesh = remesh(embryo.truth, edge_length)
    cells, interfaces = len(mesh.regions), len(mesh.interfaces)
    print(f"{cells} cells, {interfaces} interfaces, {len(mesh.faces)} faces, stack {SHAPE}")
    image = torch.from_numpy(embryo.stack.data)
    bare = shortest(lambda: torch.fft.irfftn(torch.fft.rfftn(image), s=SHAPE), 5)
    print(f"two bare FFTs: {1e3 * bare:.0f} ms")
    for noise in ("gaussian", "poisson"):
        settings = dm.FitSettings(stages=1, remesh=False, noise=noise, max_iterations=STEPS)
        moments = []
        for _ in dm.iter_fit(embryo.stack, mesh, embryo.psf, settings):
            moments.append(time.perf_counter())
        steps = np.diff(moments)
        print(
            f"{noise:9} {len(moments)} iterations: mean {1e3 * steps.mean():.0f} ms "
            f"({steps.mean() / bare:.1f}x), median {1e3 * np.median(steps):.0f} ms "
            f"({np.median(steps) / bare:.1f}x); goal 5x"
        )


def shortest(call: object, repeats: int) -> float:
    """Return the shortest time of a call in seconds."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return min(times[1:])


if __name__ == "__main__":
    main()
