"""A small stack to fit, and logging put back as it was after each command."""

from __future__ import annotations

import logging

import pytest

from napari_deltamic.imaging import make_sample, write_stack
from napari_deltamic.mesh import write_mesh


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    logger = logging.getLogger("napari_deltamic")
    before = logger.handlers, logger.level
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    yield
    logger.handlers, level = before
    logger.setLevel(level)


@pytest.fixture(scope="session")
def sample():
    return make_sample("bumpy", shape=(24, 40, 40), seed=3)


@pytest.fixture(scope="session")
def sample_files(sample, tmp_path_factory):
    """Folder with the sample's stack.tif, start.rec and points.csv, and its blur as words."""
    folder = tmp_path_factory.mktemp("sample")
    write_stack(folder / "stack.tif", sample.stack.data, sample.stack.spacing)
    write_mesh(sample.seed_mesh, folder / "start.rec")
    return folder


@pytest.fixture(scope="session")
def sigma(sample):
    return [f"{width:.6f}" for width in sample.psf.sigma.tolist()]
