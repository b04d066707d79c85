"""Tissues fitted in blocks: time a cell, memory, and how well blocks agree at their seams.

    python benchmarks/bench_tissue.py [--sizes 10 100 1000] [--block 168] [--memory 8] [--whole 64]

Generated tissues of rounded cells, 268,000 voxels each, in zarr folders; the start is made of the
labels of every fourth voxel, moved a little. Each fit runs in a process of its own that may not
take more memory than it is given. Errors are distances from the truth in voxels: of all faces, and
of those where two blocks meet. One tissue is fitted whole as well, and compared at the seams.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import zarr
from machine import describe

import napari_deltamic as dm
import tissue as made
from napari_deltamic.mesh.distance import surface_distance
from napari_deltamic.tissue import TISSUE_DEFAULTS, last_edge_length, memory_needed
from napari_deltamic.tissue.partition import partition

SETTINGS = dm.FitSettings(**TISSUE_DEFAULTS, edge_length=made.EDGE_LENGTH)


def prepared(folder: Path, cells: int) -> None:
    """Make a tissue's files where they do not exist."""
    if (folder / "seed.rec").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    truth = made.make_tissue(cells)
    shape = made.shape_for(cells)
    made.write_image(folder / "image.zarr", truth, shape)
    dm.write_mesh(truth, folder / "truth.rec")
    dm.write_mesh(made.rough_seed(truth, shape), folder / "seed.rec")


def stack_of(folder: Path) -> dm.LazyStack:
    return dm.LazyStack(zarr.open_array(folder / "image.zarr", mode="r"), made.SPACING)


def run(folder: Path, block: int, memory: float, resume: bool) -> None:
    """Fit, and print what came of it as JSON; block 0 is the whole at once."""
    limit = int(memory * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    stack, seed = stack_of(folder), dm.read_mesh(folder / "seed.rec")
    needed = 0.0
    start = time.perf_counter()
    if block:
        edge = last_edge_length(stack, seed, made.PSF, SETTINGS)
        needed = memory_needed(stack, seed, made.PSF, edge, block)
        checkpoint = folder / f"checkpoint{block}.npz"
        result = dm.fit_tissue(
            stack, seed, made.PSF, SETTINGS, cells=block, checkpoint=checkpoint, resume=resume
        )
    else:
        result = dm.fit(stack, seed, made.PSF, SETTINGS)
    seconds = time.perf_counter() - start
    dm.write_mesh(result.mesh, folder / f"fit{block}.rec")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    facts = {"seconds": seconds, "peak": peak, "needed": needed}
    print(json.dumps(facts))


def seams_of(mesh: dm.TriangleMesh, seed: dm.TriangleMesh, block: int) -> np.ndarray:
    """Return (N, 3) the middles of the faces where blocks meet."""
    number = np.zeros(int(seed.labels.max()) + 1, int)
    for one, regions in enumerate(partition(seed, block), start=1):
        number[regions] = one
    of_blocks = number[mesh.interfaces]
    is_seam = (of_blocks > 0).all(axis=1) & (of_blocks[:, 0] != of_blocks[:, 1])
    return mesh.vertices[mesh.faces[is_seam[mesh.face_interfaces]]].mean(axis=1)


def child(folder: Path, block: int, memory: float, resume: bool) -> dict[str, object]:
    words = ["--child", str(folder), "--block", str(block), "--memory", str(memory)]
    words += ["--resume"] if resume else []
    program = [sys.executable, __file__, *words]
    done = subprocess.run(program, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--block", type=int, default=168)
    parser.add_argument("--memory", type=float, default=8.0, help="GB")
    parser.add_argument("--whole", type=int, default=64, help="cells also fitted at once; 0: none")
    parser.add_argument("--folder", type=Path, default=Path("bench_tissue"))
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        run(options.child, options.block, options.memory, options.resume)
        return
    print(describe())
    print("errors in voxels: mean (largest); memory in GB: announced, taken")
    print(f"{'cells':>5} {'faces':>8} {'s':>6} {'s a cell':>8} {'memory':>10}", end="")
    print(f" {'start':>12} {'all faces':>12} {'seams':>12} {'volumes':>8}")
    pixel = made.SPACING[2]

    def error(points: np.ndarray, mesh: dm.TriangleMesh) -> str:
        if not len(points):
            return "-"
        distance = surface_distance(points, mesh) / pixel
        return f"{distance.mean():.3f} ({distance.max():.1f})"

    for cells in sorted({*options.sizes, options.whole} - {0}):
        folder = options.folder / str(cells)
        prepared(folder, cells)
        truth = dm.read_mesh(folder / "truth.rec")
        seed = dm.read_mesh(folder / "seed.rec")
        ways = [min(options.block, cells)] if cells in options.sizes else [16]
        for block in [*ways, *([0] if cells == options.whole else [])]:
            facts = child(folder, block, options.memory, options.resume)
            mesh = dm.read_mesh(folder / f"fit{block}.rec")
            seams = seams_of(mesh, seed, block or cells)
            volumes = np.abs(mesh.volumes() / truth.volumes() - 1).mean()
            print(
                f"{cells:5} {len(mesh.faces):8} {facts['seconds']:6.0f} "
                f"{facts['seconds'] / cells:8.2f} "
                f"{facts['needed'] / 1e9:5.1f} {facts['peak'] / 1e9:4.1f} "
                f"{error(seed.vertices, truth):>12} {error(mesh.vertices, truth):>12} "
                f"{error(seams, truth):>12} {100 * volumes:6.3f} %",
                flush=True,
            )
            if block == 0:
                pieces = dm.read_mesh(folder / f"fit{ways[0]}.rec")
                seams = seams_of(pieces, seed, ways[0])
                print(f"      seams of blocks of {ways[0]} from the whole: {error(seams, mesh)}")


if __name__ == "__main__":
    main()
