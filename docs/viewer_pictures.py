"""What the scripts that picture the plugin share: a viewer, docks, waiting, screenshots."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import napari
from napari.qt import get_qapp
from PIL import Image
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QWidget

from napari_deltamic.plugin import engine

IMAGES = Path(__file__).parent / "images"
SIZE = 1280, 800


@contextmanager
def viewer_of(sample: str) -> Iterator[napari.Viewer]:
    """Open a viewer with one of the plugin's samples, once nothing compiles any more."""
    get_qapp()
    engine.prepare_in_background()
    spin_until(engine.is_ready)
    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-deltamic", sample)
    try:
        yield viewer
    finally:
        viewer.close()


def spin(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


def spin_until(condition: Callable[[], object], seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen in time")
        spin(0.02)


def open_dock(viewer: napari.Viewer, name: str) -> QWidget:
    dock = viewer.window.add_plugin_dock_widget("napari-deltamic", name, tabify=True)[1]
    spin(0.5)
    return dock


def open_guide(viewer: napari.Viewer) -> QWidget:
    """Open the guided dock and wait until it has looked at the image."""
    guide = open_dock(viewer, "deltaMic")
    spin_until(lambda: guide.image.noise is not None)
    return guide


def seed_with(guide: QWidget) -> None:
    """Press the buttons of the guide's first two steps, and wait for the seed."""
    guide.image.button.click()
    guide.seed.button.click()
    spin_until(lambda: guide.steps["Optics"].is_open)


def fill_canvas(viewer: napari.Viewer, layer: str) -> None:
    viewer.fit_to_view(layers=[viewer.layers[layer]], margin=0.02)
    spin(0.5)


def picture_of(viewer: napari.Viewer, canvas_only: bool = False) -> Image.Image:
    """Return the window as it is, or the canvas alone."""
    pixels = viewer.screenshot(canvas_only=canvas_only, flash=False)
    return Image.fromarray(pixels[..., :3])


def take(viewer: napari.Viewer, name: str, around: str) -> None:
    """Save the window, with one layer filling the canvas."""
    fill_canvas(viewer, around)
    picture_of(viewer).save(IMAGES / name, optimize=True)
