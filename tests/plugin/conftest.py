"""A small ball seen through a microscope, its seed, and what the user is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.settings import get_plugin_settings
from napari.utils.notifications import notification_manager
from plugin_cases import CENTER, ORIGIN, RADIUS, SHAPE, SIGMA, SPACING, add_ball, long_fit

from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.mesh import TriangleMesh, icosphere
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin import engine
from napari_deltamic.plugin.batches import handing
from napari_deltamic.plugin.sessions.autosaves import ENVIRONMENT


@pytest.fixture(scope="session", autouse=True)
def _own_preferences(tmp_path_factory) -> None:
    """Keep the tests' preferences away from the user's."""
    get_plugin_settings(path_dir=tmp_path_factory.mktemp("preferences"))


@pytest.fixture(autouse=True)
def autosaves(tmp_path, monkeypatch) -> Path:
    """Keep the tests' autosaves away from the user's, and return where they are."""
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "autosaves"))
    return tmp_path / "autosaves"


@pytest.fixture(scope="session")
def _engine() -> None:
    assert engine.wait_until_ready(lambda: False)


@pytest.fixture(scope="session")
def ball() -> ImageStack:
    """Return the image of a filled ball of radius 3 um, with a background of 10."""
    mesh = icosphere(CENTER, RADIUS, subdivisions=3)
    image = render(
        mesh, GaussianPSF(sigma=SIGMA), SHAPE, SPACING, ORIGIN, membrane=0.0, interior=100.0
    )
    return ImageStack(image + 10.0, SPACING, ORIGIN)


@pytest.fixture
def seed() -> TriangleMesh:
    """Return a sphere that is too small and off the ball's centre."""
    return icosphere(CENTER + np.array((0.3, 0.4, -0.4)), 2.2, subdivisions=2)


@pytest.fixture
def viewer(make_napari_viewer_proxy, ball, seed):
    """Return a viewer on the screen, with an image and a seed."""
    viewer = make_napari_viewer_proxy(show=True)
    add_ball(viewer, ball, seed)
    return viewer


@pytest.fixture
def unseen_viewer(make_napari_viewer_proxy, ball, seed):
    """Return the same off the screen.

    With napari 0.9.2 and Mesa, drawing after some layers were removed crashes the process, without
    any plugin; what is not shown is not drawn.
    """
    viewer = make_napari_viewer_proxy()
    add_ball(viewer, ball, seed)
    return viewer


@pytest.fixture
def bare(make_napari_viewer_proxy):
    """Return an empty viewer on the screen."""
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def _batches_apart() -> Iterator[None]:
    """Have no folder of another test proposed, and leave no batch running."""
    page = get_plugin_settings("napari-deltamic").batch
    page.folder = ""
    yield
    page.folder = ""
    for folder, process in handing._handed.items():
        if process.poll() is None:
            (folder / ".stop").touch()
            process.wait(timeout=60)
    handing._handed.clear()


@pytest.fixture
def dock(viewer):
    """Return a Fit dock set to a fit that would go on for a very long time."""
    return long_fit(viewer)


@pytest.fixture
def notes() -> Iterator[list[str]]:
    """Return the messages of errors and warnings that reach the user during a test."""
    before = len(notification_manager.records)

    class Messages(list):
        def __iter__(self):
            return (
                str(record.message)
                for record in notification_manager.records[before:]
                if record.severity.value in ("error", "warning")
            )

    yield Messages()
    del notification_manager.records[before:]
