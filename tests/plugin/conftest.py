"""A small ball seen through a microscope, its seed, and what the user is told."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from plugin_cases import CENTER, ORIGIN, RADIUS, SHAPE, SIGMA, SPACING

from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.mesh import TriangleMesh, icosphere
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin import engine


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
