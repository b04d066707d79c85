"""Small stacks of one ball each, and what fits them within seconds."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from napari_deltamic.imaging import render, write_stack
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF

SPACING = (0.6, 0.25, 0.25)
RADII = (2.0, 2.1, 2.2, 2.3)
BLUR = ("--sigma", "0.6", "0.3", "0.3", "--label", "interior", "--auto")
QUICK = (*BLUR, "--stages", "1", "--max-iterations", "5")
# Small faces and no plateau that would end it.
LONG = (*BLUR, "--stages", "2", "--edge-length", "0.1", "--tolerance", "1e-9")


def write_balls(folder: Path, count: int) -> list[Path]:
    """Write a stack for each of the first radii."""
    folder.mkdir(exist_ok=True)
    files = []
    for number, radius in enumerate(RADII[:count]):
        ball = icosphere((4.0, 4.0, 4.0), radius, 3)
        image = render(
            ball, GaussianPSF((0.6, 0.3, 0.3)), (14, 32, 32), SPACING, membrane=0.0, interior=100.0
        )
        noisy = np.random.default_rng(number).poisson(image + 10.0).astype(np.float32)
        files.append(folder / f"ball{number}.tif")
        write_stack(files[-1], noisy, SPACING)
    return files


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition, seconds=120.0):
    """Wait for something to be true, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found
