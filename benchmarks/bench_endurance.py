"""What is left behind by fits that are started and stopped, and by viewers that are closed.

Run it on a screen (Xvfb will do):

    python benchmarks/bench_endurance.py [--starts 100] [--viewers 20]

A small fit is started and stopped in one viewer; then viewers are opened and closed, each in the
middle of a fit. Memory is the process' resident set, compared with that after a few rounds, by when
all is loaded and every cache is filled.
"""

from __future__ import annotations

import argparse
import gc
import logging
import threading
import time
import warnings
from collections.abc import Callable

import napari
import numpy as np
import psutil
from bench_live_view import spin, spin_until
from machine import describe
from napari.qt import get_qapp
from napari.utils.notifications import notification_manager
from qtpy.QtCore import qInstallMessageHandler

from napari_deltamic.imaging import make_sample
from napari_deltamic.plugin import engine
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.spatial import placement_of

SHAPE = (24, 96, 96)
WARM_UP = 5
COMPLAINTS: list[str] = []


class Complaints(logging.Handler):
    """Keeps what is logged as a warning or worse."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        COMPLAINTS.append(f"{record.name}: {record.getMessage()}")


def listen() -> None:
    """Keep every warning, of Python, of logging and of Qt."""
    warnings.simplefilter("always")
    logging.captureWarnings(True)
    logging.getLogger().addHandler(Complaints(logging.WARNING))
    qInstallMessageHandler(lambda kind, context, text: COMPLAINTS.append(f"Qt: {text}"))


def resident() -> float:
    """Return the resident memory in MB once what is garbage is gone."""
    for _ in range(3):
        gc.collect()
        spin(0.05)
    return psutil.Process().memory_info().rss / 1e6


def opened(sample) -> tuple[napari.Viewer, object]:
    """Return a viewer with the sample and its guide, ready for a press on Fit."""
    viewer = napari.Viewer()
    stack = sample.stack
    image = viewer.add_image(
        stack.data, name="cells", scale=stack.spacing, translate=stack.origin, units=("um",) * 3
    )
    options = surface_options(sample.seed_mesh) | placement_of(image).layer_options()
    seed = viewer.add_surface(surface_data(sample.seed_mesh), name="seed", **options)
    _, dock = viewer.window.add_plugin_dock_widget("napari-deltamic", "Fit")
    dock.mesh.choose(seed)
    for name, value in {"stages": 12, "max_iterations": 5000, "tolerance": 1e-4}.items():
        dock.form.fields[name].value = value
    return viewer, dock


def start(viewer: napari.Viewer, dock) -> None:
    session = live_view_of(viewer).session
    iterations: list[int] = []
    note = session.advanced.connect(lambda state: iterations.append(state.iteration))
    dock.fit_button.click()
    spin_until(lambda: iterations and iterations[-1] >= 3)
    session.advanced.disconnect(note)


def start_and_stop(viewer: napari.Viewer, dock) -> None:
    start(viewer, dock)
    dock.stop_button.click()
    spin_until(lambda: not live_view_of(viewer).session.is_fitting)


def open_and_close(sample) -> None:
    viewer, dock = opened(sample)
    start(viewer, dock)
    viewer.close()
    spin(0.2)


def repeat(name: str, rounds: int, action: Callable[[], None]) -> None:
    """Do something often and print what it leaves behind."""
    threads = memory = 0
    began = time.perf_counter()
    for number in range(rounds + WARM_UP):
        if number == WARM_UP:
            memory, threads = resident(), threading.active_count()
            COMPLAINTS.clear()
            notes = len(notification_manager.records)
        action()
    after = resident()
    left = sorted(t.name for t in threading.enumerate() if t is not threading.main_thread())
    said = len(COMPLAINTS) + len(notification_manager.records) - notes
    print(
        f"{name:<32} {rounds:>6} {memory:>10.0f} {after:>10.0f} {100 * (after / memory - 1):>8.1f} "
        f"{threading.active_count() - threads:>8d} {said:>9d} "
        f"{(time.perf_counter() - began) / (rounds + WARM_UP):>8.2f}"
    )
    print(f"    threads now: {', '.join(left) or 'the main one alone'}")
    for text in np.unique(COMPLAINTS):
        print(f"    said: {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--viewers", type=int, default=20)
    options = parser.parse_args()
    get_qapp()
    engine.prepare_in_background()
    spin_until(engine.is_ready, 600)
    sample = make_sample("cells", SHAPE)
    listen()
    print(describe())
    print(
        f"{'':<32} {'rounds':>6} {'RSS before':>10} {'after (MB)':>10} {'+ %':>8} "
        f"{'threads':>8} {'warnings':>9} {'s each':>8}"
    )
    viewer, dock = opened(sample)
    repeat("Fit and Stop", options.starts, lambda: start_and_stop(viewer, dock))
    viewer.close()
    spin(0.5)
    repeat("a viewer closed during a fit", options.viewers, lambda: open_and_close(sample))


if __name__ == "__main__":
    main()
