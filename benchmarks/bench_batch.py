"""Batches: what a second worker gains, and what a killed one costs.

    python benchmarks/bench_batch.py [--stacks 64]

Generated balls of slightly different sizes on a local Dask cluster: of one worker, of two, and of
two of which one is killed in the middle. All three must end with the same meshes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
from distributed import LocalCluster
from machine import describe

from napari_deltamic.batch import Item, Outcome, items_of_files, run_batch
from napari_deltamic.cli.batch import executor_of
from napari_deltamic.imaging import render, write_stack
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF

SPACING, BLUR, SHAPE = (0.6, 0.25, 0.25), (0.6, 0.3, 0.3), (24, 56, 56)
OPTIONS = ["--sigma", "0.6", "0.3", "0.3", "--auto", "--label", "interior"]


def write_balls(folder: Path, count: int) -> list[Item]:
    middle = 0.5 * np.array(SPACING) * (np.array(SHAPE) - 1)
    for number in range(count):
        ball = icosphere(middle, 3.0 + 1.5 * number / count, 4)
        image = render(ball, GaussianPSF(BLUR), SHAPE, SPACING, membrane=0.0, interior=100.0)
        noisy = np.random.default_rng(number).poisson(image + 10.0).astype(np.float32)
        write_stack(folder / f"ball{number:03}.tif", noisy, SPACING)
    return items_of_files([folder], OPTIONS)


def run(items: list[Item], folder: Path, workers: int, kills: bool = False) -> float:
    """Run a batch on a cluster of its own and return its seconds."""
    seen: list[str] = []
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        victim = next(iter(cluster.workers.values())).pid

        def on_outcome(outcome: Outcome) -> None:
            seen.append(outcome.name)
            if kills and len(seen) == len(items) // 2:
                os.kill(victim, signal.SIGKILL)

        with executor_of(cluster.scheduler_address) as executor:
            start = time.perf_counter()
            outcomes = run_batch(items, folder, executor=executor, on_outcome=on_outcome)
            seconds = time.perf_counter() - start
    statuses = ", ".join({outcome.status for outcome in outcomes})
    again = sum(outcome.attempts > 1 for outcome in outcomes)
    name = f"{workers} workers{', one killed' if kills else ''}"
    print(
        f"{name:22} {seconds:7.1f} s, {len(outcomes)} items {statuses}, "
        f"{len(seen) - len(set(seen))} twice, {again} tried again",
        flush=True,
    )
    return seconds


def digest(folder: Path) -> str:
    """Return what tells the meshes of one batch from those of another."""
    meshes = sorted(folder.glob("*/mesh.rec"))
    return hashlib.sha256(b"".join(mesh.read_bytes() for mesh in meshes)).hexdigest()[:12]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stacks", type=int, default=64)
    options = parser.parse_args()
    print(describe("distributed"))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "stacks").mkdir()
        items = write_balls(root / "stacks", options.stacks)
        one = run(items, root / "one", 1)
        two = run(items, root / "two", 2)
        run(items, root / "killed", 2, kills=True)
        same = len({digest(root / folder) for folder in ("one", "two", "killed")}) == 1
    print(f"two workers: {one / two:.2f} times one; meshes {'the same' if same else 'DIFFER'}")


if __name__ == "__main__":
    main()
