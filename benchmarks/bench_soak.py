"""What stays behind of hours of fits, stops, resumes, movies and renderings in one process.

    python benchmarks/bench_soak.py [--minutes 60] [--warm-up 10] [--seed 0] [--leaks]

Operations follow each other in a random order. Memory is the process' resident set once what is
garbage is gone and what is free is given back. A reading a minute, between whatever operations
fall there, scatters by some percent, so medians of ten are compared: the last ten with the first
ten after the warm-up, by when all is loaded and every cache filled.
``bench_endurance.py`` does the like with viewers.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import tempfile
import threading
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from machine import describe

import napari_deltamic as dm
from napari_deltamic.fitting import FitSettings, FitState
from napari_deltamic.imaging import make_embryo, make_embryo_movie, make_sample, write_stack
from napari_deltamic.meshft.backends import release_memory
from napari_deltamic.timelapse import TimelapseState

GOAL = 3.0
BETWEEN_READINGS = 60.0
COMPARED = 10
OBJECTIVE = {"na": 1.1, "immersion_index": 1.33, "sample_index": 1.34}
SHORT = FitSettings(stages=2, max_iterations=40)


class Soak:
    """All that one can do, on small stacks.

    Parameters
    ----------
    chance
        Chooses what is done, and how much of it.
    folder
        For files.
    """

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self.chance, self.folder = chance, folder
        self.cells = make_embryo(3, (24, 56, 56), (0.6, 0.25, 0.25), seed=1)
        self.start = dm.seed_from_labels(self.cells.labels, self.cells.stack.spacing)
        self.ball = make_sample("bumpy", (24, 40, 40), seed=3)
        self.embryos = make_embryo_movie(2, 3, (24, 56, 56), (0.6, 0.25, 0.25), seed=2).frames
        self.last = self.start
        self.operations: tuple[Callable[[], None], ...] = (
            self.fit,
            self.fit_interior_with_errors,
            self.stop,
            self.leave_off,
            self.fit_again,
            self.stop_and_resume,
            self.follow,
            self.stop_and_resume_movie,
            self.render,
            self.seed,
            self.write_and_read,
        )

    def fit(self) -> None:
        """Fit touching cells to the end."""
        cells = self.cells
        self.last = dm.fit(cells.stack, self.start, cells.psf, SHORT).mesh

    def fit_interior_with_errors(self) -> None:
        """Fit a ball with learned optics and standard errors."""
        ball = self.ball
        settings = FitSettings(
            stages=2, max_iterations=30, label="both", standard_errors=True, learn=("sigma",)
        )
        dm.fit(ball.stack, ball.seed_mesh, ball.psf, settings)

    def stop(self, **options: object) -> None:
        """Stop a fit after a few iterations."""
        done = 0
        last = self.chance.randint(0, 40)

        def on_state(state: FitState) -> None:
            nonlocal done
            done = state.iteration
            if done % 7 == 0:
                state.render()

        cells = self.cells
        dm.fit(
            cells.stack,
            self.start,
            cells.psf,
            SHORT,
            on_state,
            should_stop=lambda: done >= last,
            **options,
        )

    def leave_off(self) -> None:
        """Take a few states of a fit and forget about it."""
        cells = self.cells
        states = dm.iter_fit(cells.stack, self.start, cells.psf, SHORT)
        for _ in range(self.chance.randint(1, 20)):
            next(states)

    def fit_again(self) -> None:
        """Fit the fine stage again from the last result."""
        cells = self.cells
        dm.fit(cells.stack, self.last, cells.psf, SHORT, first_stage=1)

    def stop_and_resume(self) -> None:
        """Stop a fit with a checkpoint, twice, and go on to its end."""
        file, cells = self.folder / "checkpoint.npz", self.cells
        file.unlink(missing_ok=True)
        self.stop(checkpoint=file, resume=True)
        self.stop(checkpoint=file, resume=True)
        dm.fit(cells.stack, self.start, cells.psf, SHORT, checkpoint=file, resume=True)

    def follow(self) -> None:
        """Follow a movie."""
        first = self.embryos[0]
        dm.fit_timelapse([one.stack for one in self.embryos], first.truth, first.psf, SHORT)

    def stop_and_resume_movie(self) -> None:
        """Stop a movie after its first frame, and go on."""
        first, frames = self.embryos[0], 0

        def on_state(state: TimelapseState) -> None:
            nonlocal frames
            frames += state.finished is not None

        stacks = [one.stack for one in self.embryos]
        request = stacks, first.truth, first.psf, SHORT, on_state
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            dm.fit_timelapse(*request, should_stop=lambda: frames >= 1, folder=folder)
            dm.fit_timelapse(*request, folder=folder, resume=True)

    def render(self) -> None:
        """Render through several models of a microscope, at any size."""
        shape = tuple(self.chance.randint(16, 64) for _ in range(3))
        microscopes = (
            self.cells.psf,
            dm.WidefieldPSF(wavelength=0.52, **OBJECTIVE),
            dm.ConfocalPSF(excitation_wavelength=0.488, emission_wavelength=0.52, **OBJECTIVE),
        )
        dm.render(self.last, self.chance.choice(microscopes), shape, self.cells.stack.spacing)

    def seed(self) -> None:
        """Find objects and measure meshes."""
        dm.seed_from_image(self.ball.stack)
        mesh = dm.seed_from_labels(self.cells.labels, self.cells.stack.spacing)
        mesh.volumes()

    def write_and_read(self) -> None:
        """Write what there is to files and read it back."""
        dm.write_mesh(self.last, self.folder / "mesh.rec")
        dm.read_mesh(self.folder / "mesh.rec")
        stack = self.cells.stack
        write_stack(self.folder / "stack.tif", stack.data, stack.spacing)
        dm.read_stack(self.folder / "stack.tif")
        dm.save_psf(self.cells.psf, self.folder / "psf.json")
        dm.load_psf(self.folder / "psf.json")


def resident() -> float:
    """Return the resident memory in MB once what is garbage is gone."""
    for _ in range(3):
        gc.collect()
    # As each fit does at its end: what is free, but kept for later, would hide what is held.
    release_memory()
    return psutil.Process().memory_info().rss / 1e6


def soak(minutes: float, warm_up: float, seed: int, looks_for_leaks: bool) -> None:
    """Do things at random for so long, and print what became of memory and threads."""
    chance, counts = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        work = Soak(chance, Path(folder))
        began = due = time.monotonic()
        before: tuple[int, int] | None = None
        curve: list[tuple[float, float]] = []
        # Each once, and then whatever comes.
        waiting = list(work.operations)
        print(f"{'minutes':>8} {'operations':>11} {'RSS (MB)':>9} {'threads':>8}", flush=True)
        while (passed := (time.monotonic() - began) / 60) < minutes + warm_up:
            operation = waiting.pop() if waiting else chance.choice(work.operations)
            operation()
            counts[operation.__name__] += 1
            is_warm = not waiting and passed >= warm_up
            if is_warm and before is None:
                before = os_threads(), threading.active_count()
                due, counts = time.monotonic(), Counter()
                if looks_for_leaks:
                    tracemalloc.start(12)
                    first = tracemalloc.take_snapshot()
            if time.monotonic() >= due:
                due += BETWEEN_READINGS
                memory = resident()
                if is_warm:
                    curve.append((passed, memory))
                print(
                    f"{passed:8.1f} {counts.total():11} {memory:9.1f} {os_threads():8}", flush=True
                )
        assert before is not None, "the warm-up was too short for each operation once"
        report(before, (os_threads(), threading.active_count()), counts, curve)
        if looks_for_leaks:
            for one in tracemalloc.take_snapshot().compare_to(first, "traceback")[:8]:
                print(f"\n{one.size_diff / 1e3:+.0f} kB in {one.count_diff:+} blocks")
                print("\n".join(one.traceback.format()))


def os_threads() -> int:
    """Return how many threads the process has, those of libraries too."""
    return psutil.Process().num_threads()


def report(
    before: tuple[int, int],
    after: tuple[int, int],
    counts: Counter[str],
    curve: list[tuple[float, float]],
) -> None:
    """Print the table at the end."""
    levels = [memory for _, memory in curve]
    first, last = statistics.median(levels[:COMPARED]), statistics.median(levels[-COMPARED:])
    growth = 100 * (last / first - 1)
    print(f"\n{'':24} {'after warm-up':>14} {'at the end':>11}")
    print(f"{f'RSS (MB), {COMPARED} readings':24} {first:14.1f} {last:11.1f}")
    print(f"{'threads':24} {before[0]:14} {after[0]:11}")
    print(f"{'threads of Python':24} {before[1]:14} {after[1]:11}")
    verdict = "met" if growth <= GOAL else "MISSED"
    print(f"\nGrowth {growth:+.1f} %   goal <= {GOAL:g} %   {verdict}")
    print(f"Between {min(levels):.1f} and {max(levels):.1f} MB in {len(levels)} readings")
    slope = np.polyfit(*np.transpose(curve), 1)[0]
    print(f"Slope {60 * slope:+.1f} MB an hour")
    print(f"{counts.total()} operations: ", end="")
    print(", ".join(f"{name} {count}" for name, count in counts.most_common()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=10.0, help="minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--leaks", action="store_true", help="trace what Python keeps; slow")
    options = parser.parse_args()
    # Renderings of any size may be smaller than the PSF.
    warnings.filterwarnings("ignore", message="psf: its half-width")
    print(describe("napari-deltamic", "numpy", "torch", "numba"))
    soak(options.minutes, options.warm_up, options.seed, options.leaks)


if __name__ == "__main__":
    main()
