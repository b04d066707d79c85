"""What every test shares: the folder of real data, hypothesis profiles, the rule for screens."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from napari_deltamic.imaging import local_data

NEEDS_SCREEN = {"qtbot", "qapp", "make_napari_viewer", "make_napari_viewer_proxy"}

# Compilation makes first calls slow, so a deadline would fail by chance; a fixed seed keeps
# failures repeatable. "thorough" (pytest --hypothesis-profile thorough) searches anew each time.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("default")

os.environ.setdefault("MPLBACKEND", "Agg")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gpu", action="store_true", help="fail where there is no CUDA device to test"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, visibly, what this machine cannot run."""
    _skip_without_device(config, items)
    _skip_without_screen(items)


def _skip_without_device(config: pytest.Config, items: list[pytest.Item]) -> None:
    on_device = [item for item in items if item.get_closest_marker("gpu")]
    if not on_device and not config.getoption("--gpu"):
        return
    from napari_deltamic.meshft.cuda.availability import cuda_obstacle

    obstacle = cuda_obstacle()
    if obstacle and config.getoption("--gpu"):
        raise pytest.UsageError(f"--gpu: CUDA cannot be used here: {obstacle}")
    for item in on_device if obstacle else ():
        item.add_marker(pytest.mark.skip(reason=f"{obstacle}: run it with make test-gpu"))


def _skip_without_screen(items: list[pytest.Item]) -> None:
    """Mark the tests that open a window; skip them where Qt would abort for want of a screen."""
    has_screen = not sys.platform.startswith("linux") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    )
    for item in items:
        if NEEDS_SCREEN.isdisjoint(getattr(item, "fixturenames", ())):
            continue
        item.add_marker(pytest.mark.gui)
        if not has_screen:
            item.add_marker(pytest.mark.skip(reason="no screen: run it with make tests"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real stacks; a test that asks for it is skipped where it is absent."""
    folder = local_data.data_folder()
    if folder is None:
        pytest.skip("no real data: set NAPARI_DELTAMIC_DATA to the folder that holds them")
    return folder
