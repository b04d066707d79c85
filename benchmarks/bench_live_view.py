"""How a live fit feels in napari: stalls of the GUI, updates a second, time from Stop to stopped.

Run it on a screen (Xvfb will do) with the folder of real stacks at hand:

    python benchmarks/bench_live_view.py [--sample nuclei|worm] [--seconds 20] [--view 2d|3d]
        [--screenshot FILE]

The worm, 40 cells, is fitted from the guide, with the plugin's other docks open too.

The GUI's stalls are the gaps between beats of a fast timer. Drawing costs time without any fit, so
the same updates of the same layers are drawn with the fit stopped, and so are layers added as when
a fit begins; those are the baselines.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field

import napari
import numpy as np
import tifffile
from numpy.typing import NDArray
from qtpy.QtCore import QEventLoop, QTimer

from napari_deltamic.imaging import fetch, membrane_labels
from napari_deltamic.imaging.stack import ImageStack
from napari_deltamic.mesh import TriangleMesh, seed_from_labels
from napari_deltamic.plugin import engine
from napari_deltamic.plugin.cell_finder import mesh_of_labels
from napari_deltamic.plugin.fit_layers import MESH_LAYER, RENDERING_LAYER
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.spatial import placement_of

SPACING = {"nuclei": (1.75, 0.8, 0.8), "worm": (1.0, 0.25, 0.25)}
SETTINGS = {
    "nuclei": {"label": "interior", "tolerance": 1e-4},
    "worm": {"label": "membrane", "edge_length": 0.8, "tolerance": 1e-4},
}
DOCKS = {"nuclei": ["Fit"], "worm": ["Seed mesh", "PSF designer", "Measures", "deltaMic"]}
BEAT_MS = 2
OUTLINE_LAYER = Outline.LAYER


@dataclass
class Heartbeat:
    """Gaps between beats of the GUI thread, in ms."""

    gaps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1e3 * (now - self._last))
        self._last = now

    def stop(self) -> dict[str, float]:
        """End the count and return the longest gap and the 99th percentile."""
        self._timer.stop()
        gaps = np.array(self.gaps)
        return {
            "longest_ms": round(float(gaps.max()), 1),
            "p99_ms": round(float(np.percentile(gaps, 99)), 1),
        }


def spin(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


def spin_until(condition, seconds: float = 120.0) -> None:
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError("it did not happen in time")
        spin(0.01)


def drawing_alone(viewer: napari.Viewer, seconds: float) -> dict[str, float]:
    """Redraw the fit's layers at the pace of its updates, with no fit running."""
    surface, rendering = viewer.layers[MESH_LAYER], viewer.layers[RENDERING_LAYER]
    vertices, image = surface.vertices, rendering.data
    timer, count = QTimer(), [0]

    def update() -> None:
        count[0] += 1
        surface.vertices = vertices + 0.05 * (count[0] % 2)
        rendering.data = image * (1.0 + 0.01 * (count[0] % 2))

    timer.timeout.connect(update)
    timer.start(1000 // 12)
    beat = Heartbeat()
    spin(seconds)
    timer.stop()
    return beat.stop()


def adding_alone(viewer: napari.Viewer) -> dict[str, float]:
    """Add copies of the fit's layers, as a fit does when it begins, with no fit running."""
    copies = [
        napari.layers.Layer.create(*viewer.layers[name].as_layer_data_tuple())
        for name in (MESH_LAYER, RENDERING_LAYER, OUTLINE_LAYER)
    ]
    beat = Heartbeat()
    for layer in copies:
        viewer.add_layer(layer)
        spin(0.3)
    return beat.stop()


def nuclei() -> tuple[NDArray[np.integer], TriangleMesh]:
    """Return the nuclei and a mesh of their annotation."""
    data = tifffile.imread(fetch("mouse_embryo_nuclei_8cell.tif"))
    labels = tifffile.imread(fetch("mouse_embryo_nuclei_8cell_labels.tif"))
    return data, seed_from_labels(labels, SPACING["nuclei"])


def worm() -> tuple[NDArray[np.integer], TriangleMesh]:
    """Return the embryo's membranes and a mesh of the cells between them."""
    data = tifffile.imread(fetch("celegans_dub_t33_membrane.tif"))
    spacing = np.array(SPACING["worm"])
    labels = membrane_labels(ImageStack(data, spacing))
    return data, mesh_of_labels(labels, spacing, np.zeros(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", choices=list(SPACING), default="nuclei")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--view", choices=["2d", "3d"], default="2d")
    parser.add_argument("--screenshot")
    options = parser.parse_args()

    spacing = SPACING[options.sample]
    data, seed = nuclei() if options.sample == "nuclei" else worm()
    viewer = napari.Viewer()
    viewer.window.resize(1400, 900)
    image = viewer.add_image(data, name="stack", scale=spacing, units=("um",) * 3)
    layer_options = placement_of(image).layer_options() | surface_options(seed)
    layer = viewer.add_surface(surface_data(seed), name="mesh", **layer_options)
    live_view_of(viewer).session.choose_mesh(layer.name)
    viewer.dims.ndisplay = int(options.view[0])
    for name in DOCKS[options.sample]:
        _, dock = viewer.window.add_plugin_dock_widget("napari-deltamic", name, tabify=True)
    dock = getattr(dock, "fit", dock)
    spin_until(engine.is_ready, 600)

    session = live_view_of(viewer).session
    updates: list[float] = []
    session.advanced.connect(lambda _: updates.append(time.perf_counter()))
    spin(3.0)
    for name, value in SETTINGS[options.sample].items():
        dock.form.fields[name].value = value

    start, began = Heartbeat(), time.perf_counter()
    dock.fit_button.click()
    spin_until(lambda: updates or not session.is_fitting)
    first = time.perf_counter() - began
    spin(1.0)
    starting, beat = start.stop(), Heartbeat()
    spin_until(lambda: time.perf_counter() - began > options.seconds or not session.is_fitting)
    live = beat.stop()
    lasted = updates[-1] - updates[0]
    iterations = len(session.worker.losses)
    if options.screenshot:
        viewer.screenshot(options.screenshot, canvas_only=False, flash=False)

    pressed = time.perf_counter()
    dock.stop_button.click()
    in_thread = None
    while session.is_fitting:
        spin(0.002)
        if in_thread is None and session.worker.join(0.0):
            in_thread = time.perf_counter() - pressed
    stopped = time.perf_counter() - pressed
    spin(1.0)
    alone = drawing_alone(viewer, min(options.seconds, 10.0))
    report = {
        "sample": options.sample,
        "view": options.view,
        "voxels": list(data.shape),
        "faces": len(viewer.layers[MESH_LAYER].faces),
        "seconds_to_first_update": round(first, 2),
        "iterations_per_second": round(iterations / lasted, 1),
        "view_updates_per_second": round((len(updates) - 1) / lasted, 1),
        "gui_as_the_fit_begins": starting,
        "gui_adding_its_layers_alone": adding_alone(viewer),
        "gui_with_fit": live,
        "gui_drawing_alone": alone,
        "stop_to_stopped_s": round(stopped, 3),
        "stop_to_thread_ended_s": None if in_thread is None else round(in_thread, 3),
    }
    print(json.dumps(report, indent=2))
    viewer.close()


if __name__ == "__main__":
    main()
