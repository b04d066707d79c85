"""Compressed acquisition: what learned patterns and locality gain, over what noise and for a task.

Held-out patches of real stacks and of generated embryos; masks are binary and light is matched.
Each run is a line of a file (--results), so that an interrupted benchmark goes on where it was.

    python benchmarks/bench_compressive.py [--only a b c d] [--compression 16 ...] [--seed 0 ...]

A training uses one thread: start two of these with different seeds, on the same file, to use two
cores. Part d, which times, has all threads to itself.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from machine import describe

from napari_deltamic.compressive import (
    CompressiveModel,
    CompressiveSettings,
    Patches,
    Split,
    camera_of,
    example_patches,
    scored,
    train,
)
from napari_deltamic.compressive.scores import image_scores
from napari_deltamic.compressive.upsampling import bicubic
from napari_deltamic.optics import GaussianPSF

Run = dict[str, Any]
FRAMES = 4
COMPRESSIONS = (16, 64, 256, 1024)
SEEDS = (0, 1, 2)
PATTERNS = ("random", "hadamard", "learned")
UPSAMPLINGS = ("transposed", "locality")
PHOTONS = (10.0, 100.0, 1000.0, 10000.0)
READ_NOISE = 1.0
# In voxels, of the light that is shone in and of the light that comes out.
PSF = GaussianPSF((1.0, 1.0, 1.0))
EPOCHS = 40


def model_of(compression: int, seed: int, size: int, **changes: Any) -> CompressiveModel:
    binning = round((compression * FRAMES) ** 0.5)
    settings = {"frames": FRAMES, "binning": binning, "seed": seed, "epochs": EPOCHS} | changes
    return CompressiveModel(
        CompressiveSettings(**settings), (1, size, size), (1.0, 1.0, 1.0), PSF, PSF
    )


def trained_scores(data: Split, compression: int, seed: int, **changes: Any) -> Run:
    """Train for the image and return the scores of held-out patches."""
    model = model_of(compression, seed, data.training.field[1], **changes)
    start = time.perf_counter()
    train(model, data.training, data.validation)
    seconds = time.perf_counter() - start
    scores = scored(model, data.test, camera_of(model, data.training), seed)
    return {"ssim": scores.ssim, "psnr": scores.psnr, "l1": scores.l1, "seconds": seconds}


def bicubic_scores(patches: Patches, compression: int) -> Run:
    """Return the scores of even light and no training."""
    model = model_of(compression, 0, patches.field[1], patterns="uniform")
    d = model.settings.binning
    with torch.no_grad():
        frames = model.frames(patches.images, model.patterns()).squeeze(2) * FRAMES / d**2
        ssim, psnr, l1 = image_scores(bicubic(frames, d), patches.images)
    return {"ssim": float(ssim.mean()), "psnr": float(psnr.mean()), "l1": float(l1.mean())}


def reconstructions(compression: int, seed: int) -> Iterator[tuple[Run, Callable[[Split], Run]]]:
    """Part a: all patterns and upsamplings."""
    for patterns in PATTERNS:
        for upsampling in UPSAMPLINGS:
            key = {"patterns": patterns, "upsampling": upsampling}
            yield (
                key,
                lambda data, key=key: trained_scores(data, compression, seed, **key),
            )


def noises(compression: int, seed: int) -> Iterator[tuple[Run, Callable[[Split], Run]]]:
    """Part b: doses."""
    for photons in PHOTONS:
        key = {"photons": photons, "read_noise": READ_NOISE}
        yield key, lambda data, key=key: trained_scores(data, compression, seed, **key)


def tasks(compression: int, seed: int) -> Iterator[tuple[Run, Callable[[Split], Run]]]:
    """Part c: a segmentation of the reconstruction, and patterns learned for the segmentation."""

    def both(data: Split) -> Run:
        apart = model_of(compression, seed, data.training.field[1])
        train(apart, data.training, data.validation)
        train(apart, data.training, data.validation, "segment")
        joint = copy.deepcopy(apart)
        # The same number of steps for both from here.
        train(apart, data.training, data.validation, "segment")
        train(joint, data.training, data.validation, "joint")
        return {
            "apart": scored(apart, data.test).dice,
            "joint": scored(joint, data.test).dice,
        }

    yield {}, both


def durations(compression: int, seed: int) -> Iterator[tuple[Run, Callable[[Split], Run]]]:
    """Part d: how long a training takes on large patches."""

    def large(data: Split) -> Run:
        fields = [
            Patches(patches.images.repeat(1, 1, 2, 2))
            for patches in (data.training, data.validation)
        ]
        model = model_of(compression, seed, fields[0].field[1])
        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        start = time.perf_counter()
        train(model, *fields)
        seconds = time.perf_counter() - start
        torch.set_num_threads(threads)
        return {"seconds": seconds}

    yield {"size": 256}, large


PARTS = {"a": reconstructions, "b": noises, "c": tasks, "d": durations}


def asked_for(options: argparse.Namespace) -> Iterator[tuple[Run, Callable[[Split], Run]]]:
    """Yield what tells each run from the others, and what does it."""
    for part in options.only:
        for compression in options.compression:
            if (part in "bd" and compression != 16) or (part == "c" and compression == 16):
                continue
            for seed in options.seed[:1] if part == "d" else options.seed:
                common = {"part": part, "compression": compression, "seed": seed}
                for key, run in PARTS[part](compression, seed):
                    yield common | key, run


def known(file: Path) -> list[Run]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def values(runs: list[Run], name: str, **key: Any) -> list[float]:
    return [run[name] for run in runs if all(run.get(one) == value for one, value in key.items())]


def spread(found: list[float], digits: int) -> str:
    if not found:
        return "-"
    middle = statistics.mean(found)
    if len(found) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} +- {statistics.stdev(found):.{digits}f}"


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def table_a(runs: list[Run], test: Patches) -> None:
    for compression in COMPRESSIONS:
        part = {"part": "a", "compression": compression}
        if not values(runs, "ssim", **part):
            continue
        print(f"\nx{compression:<5} {'patterns':9} {'upsampling':11} "
              f"{'SSIM':>18} {'PSNR (dB)':>16} {'L1':>18} {'s':>5}")  # fmt: skip
        base = bicubic_scores(test, compression)
        print(f"{'':6} {'uniform':9} {'bicubic':11} "
              f"{base['ssim']:18.4f} {base['psnr']:16.2f} {base['l1']:18.4f}")  # fmt: skip
        every: dict[tuple[str, str], list[float]] = {}
        for patterns in PATTERNS:
            for upsampling in UPSAMPLINGS:
                key = part | {"patterns": patterns, "upsampling": upsampling}
                ssim = every[patterns, upsampling] = values(runs, "ssim", **key)
                print(f"{'':6} {patterns:9} {upsampling:11} {spread(ssim, 4):>18} "
                      f"{spread(values(runs, 'psnr', **key), 2):>16} "
                      f"{spread(values(runs, 'l1', **key), 4):>18} "
                      f"{statistics.mean(values(runs, 'seconds', **key) or [0]):5.0f}")  # fmt: skip
        best = every.pop(("learned", "locality"))
        others = [found for found in every.values() if found]
        if best and others:
            rival = max(others, key=statistics.mean)
            gain = statistics.mean(best) - statistics.mean(rival)
            noise = max(statistics.stdev(one) if len(one) > 1 else 0.0 for one in (best, rival))
            print(f"{'':6} learned + locality ahead by {gain:+.4f}, spread {noise:.4f}: "
                  f"{verdict(gain > noise)}")  # fmt: skip


def table_b(runs: list[Run]) -> None:
    if not values(runs, "ssim", part="b"):
        return
    print(f"\n{'x16, photons a voxel':22} {'SSIM':>18} {'PSNR (dB)':>16}")
    means = []
    for photons in PHOTONS:
        key = {"part": "b", "photons": photons}
        found = values(runs, "ssim", **key)
        means += [statistics.mean(found)] if found else []
        print(f"{photons:<22.0f} {spread(found, 4):>18} "
              f"{spread(values(runs, 'psnr', **key), 2):>16}")  # fmt: skip
    print(f"more light is better throughout: {verdict(means == sorted(means))}")


def table_c(runs: list[Run]) -> None:
    if not values(runs, "joint", part="c"):
        return
    print(f"\n{'Dice':8} {'reconstruct, then segment':>26} {'patterns for the task':>24}")
    for compression in COMPRESSIONS[1:]:
        key = {"part": "c", "compression": compression}
        apart, joint = values(runs, "apart", **key), values(runs, "joint", **key)
        met = bool(joint) and statistics.mean(joint) > statistics.mean(apart)
        print(f"x{compression:<7} {spread(apart, 4):>26} {spread(joint, 4):>24}  {verdict(met)}")


def table_d(runs: list[Run]) -> None:
    for seconds in values(runs, "seconds", part="d"):
        print(f"\ntraining at x16 on 256 x 256 voxels, 2 threads: {seconds / 60:.1f} minutes")


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--compression", nargs="+", type=int, default=list(COMPRESSIONS))
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--results", type=Path, default=Path("bench_compressive.jsonl"))
    parser.add_argument("--cache", type=Path, default=Path("bench_compressive_embryos.npz"))
    return parser.parse_args()


def main() -> None:
    options = options_of()
    print(describe("torch"))
    torch.set_num_threads(1)
    images = example_patches(cache=options.cache)
    labelled = example_patches(labelled=True, cache=options.cache)
    print(f"patches to train, validate and test with: {[len(part) for part in images]}, "
          f"with labels {[len(part) for part in labelled]}")  # fmt: skip
    for key, run in asked_for(options):
        # Read anew each time: another process may have done it meanwhile.
        if any(key.items() <= done.items() for done in known(options.results)):
            continue
        found = run(labelled if key["part"] == "c" else images)
        with options.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(key | found) + "\n")
        shown = {name: round(value, 4) for name, value in found.items()}
        print(*(f"{name} {value}" for name, value in (key | shown).items()), sep=", ", flush=True)
    runs = known(options.results)
    table_a(runs, images.test)
    table_b(runs)
    table_c(runs)
    table_d(runs)


if __name__ == "__main__":
    main()
