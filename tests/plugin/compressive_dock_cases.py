"""Discs to train on, and how tests work with the dock *Compressive imaging*."""

from __future__ import annotations

import threading

import numpy as np
from plugin_cases import ORIGIN, UM, click, open_dock

from napari_deltamic.plugin.compressive_worker import THREAD_NAME
from napari_deltamic.plugin.live_view import live_view_of

SIZE, PLANES = 32, 12
SPACING = (1.5, 0.5, 0.5)
LONG = 2000


def discs(planes=PLANES, size=SIZE, seed=0):
    """Return planes with three discs each, and where these are."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    image = np.zeros((planes, size, size), dtype=np.float32)
    for plane in image:
        for y, x, radius in random.random((3, 3)):
            away = np.hypot(rows - size * y, columns - size * x)
            plane += 400.0 / (1.0 + np.exp(away - 3.0 - 4.0 * radius))
    return image + 90.0, (image > 200).astype(np.uint8)


def add_discs(viewer, name="discs", **changes):
    image, _ = discs(**changes)
    return viewer.add_image(image, name=name, scale=SPACING, translate=ORIGIN, units=UM)


def session_of(viewer):
    return live_view_of(viewer).compressive


def threads():
    return [one for one in threading.enumerate() if one.name == THREAD_NAME]


def settle(qtbot, dock):
    """Wait until the dock has judged what is chosen."""
    qtbot.wait(100)
    qtbot.waitUntil(
        lambda: not dock._check_timer.isActive() and not dock._checks.is_busy, timeout=60_000
    )


def opened(qtbot, viewer, **settings):
    """Open the dock, set to a training of a moment."""
    dock = open_dock(viewer, "Compressive imaging")
    quick = {"epochs": 3, "steps_per_epoch": 4, "batch_size": 4}
    for name, value in {**quick, **settings}.items():
        dock.form.fields[name].value = value
    settle(qtbot, dock)
    return dock


def wait_for_end(qtbot, dock):
    qtbot.waitUntil(lambda: dock._models.worker is None, timeout=120_000)
    qtbot.waitUntil(lambda: not threads(), timeout=5_000)


def trained(qtbot, viewer, **settings):
    dock = opened(qtbot, viewer, **settings)
    click(qtbot, dock.train_button)
    wait_for_end(qtbot, dock)
    return dock


def use(qtbot, dock, button):
    """Press a button of the model and wait until it is done."""
    dock.panel.fold.expand(animate=False)
    click(qtbot, button)
    qtbot.waitUntil(lambda: not dock.panel.is_busy, timeout=60_000)
