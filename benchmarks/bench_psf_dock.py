"""How soon the PSF designer shows what its sliders say, for 64^3 voxels.

Run it on a screen (Xvfb will do):

    python benchmarks/bench_psf_dock.py [--repeats 15]

From the move of a slider until the three planes are set in the dock: the first look, which is on
32^3 voxels where the PSF is not round, and the full one. The OTF comes after those. The processor's
time, of all threads together, tells what a computer that does nothing else would need at most.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import napari
from qtpy.QtCore import QEventLoop, QTimer

from napari_deltamic.plugin.psf_drawing import Sections

CASES = {
    "Gaussian": ("Gaussian", "sigma_z", {}),
    "Widefield": ("Widefield", "na", {}),
    "Widefield, 20 um deep in water": ("Widefield", "na", {"sample_index": 1.333, "depth": 20}),
    "Confocal": ("Confocal", "na", {}),
    "Spinning disc": ("Spinning disc", "na", {}),
    "Light sheet": ("Light sheet", "na", {}),
    "Two-photon": ("Two-photon", "na", {}),
    "Widefield, coma": ("Widefield", "na", {"7": 0.1}),
    "Confocal, coma": ("Confocal", "na", {"7": 0.1}),
    "Spinning disc, coma": ("Spinning disc", "na", {"7": 0.1}),
}


def spin_until(condition, seconds: float = 60.0) -> None:
    loop, end = QEventLoop(), time.perf_counter() + seconds
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if condition() else None)
    timer.start(1)
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    if not condition():
        loop.exec()
    if time.perf_counter() > end:
        raise TimeoutError("it did not happen in time")


def times(dock, row, repeats: int) -> tuple[list[float], list[float], list[float]]:
    """Return ms of each move of a slider: to the first look, the processor's in it, to the full."""
    shown: list[tuple[float, float]] = []

    def on_drawn(_choice, found) -> None:
        # Connected after the dock's own slot, so the pictures are set by now.
        if isinstance(found, Sections):
            shown.append((time.perf_counter(), time.process_time()))

    dock._renderer.drawn.connect(on_drawn)
    first, busy, full = [], [], []
    # Down from the largest aperture: some sizes of the computation move in steps.
    for move in range(repeats):
        shown.clear()
        began, spent = time.perf_counter(), time.process_time()
        row.slider.setValue(row.slider.value() - 7 * (1 if move % 2 else -1) - 2)
        spin_until(lambda: not dock._renderer.is_busy)
        first.append(1e3 * (shown[0][0] - began))
        busy.append(1e3 * (shown[0][1] - spent))
        full.append(1e3 * (shown[-1][0] - began))
    dock._renderer.drawn.disconnect(on_drawn)
    # The first one may load or compile something.
    return first[1:], busy[1:], full[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    viewer = napari.Viewer()
    viewer.window.resize(1280, 800)
    _, dock = viewer.window.add_plugin_dock_widget("napari-deltamic", "PSF designer")
    spin_until(lambda: dock.form.aberrations is not None)
    print(f"64^3 voxels, ms, of {options.repeats - 1} moves; load {os.getloadavg()[0]:.1f}")
    print(f"{'':32} {'first look':>17} {'processor':>17} {'full':>17}   (min / median)")
    for name, (modality, key, numbers) in CASES.items():
        dock.form.modality.setCurrentText(modality)
        waves = dock.form.aberrations.numbers.rows
        for row in waves.values():
            row.set_value(0.0)
        for other, value in {"sample_index": 1.515, "depth": 0.0, **numbers}.items():
            (waves if other in waves else dock.form.rows)[other].set_value(value)
        dock.form.rows["na"].set_value(1.3)
        if modality == "Gaussian":
            dock.form.enable_widths(True)
        found = times(dock, dock.form.rows[key], options.repeats)
        print(
            f"{name:32}",
            *(f"{min(column):8.0f} /{statistics.median(column):7.0f}" for column in found),
            flush=True,
        )
    viewer.close()


if __name__ == "__main__":
    main()
