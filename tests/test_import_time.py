"""Importing the package is quick, because the heavy libraries wait for their first use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "numba",
    "cupy",
    "scipy",
    "trimesh",
    "skimage",
    "matplotlib",
    "napari",
    "qtpy",
    "zarr",
)
LIMIT_SECONDS = 0.5


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    ).stdout


def test_import_takes_less_than_half_a_second() -> None:
    code = (
        "import time; start = time.perf_counter(); import napari_deltamic; "
        "print(time.perf_counter() - start)"
    )
    # The best of several: the other tests' processes may hold the machine for a while.
    seconds = min(float(run_python(code)) for _ in range(3))
    assert seconds < LIMIT_SECONDS


def test_import_leaves_the_heavy_libraries_alone() -> None:
    code = (
        "import sys, napari_deltamic; "
        f"print(' '.join(name for name in {HEAVY} if name in sys.modules))"
    )
    assert run_python(code).split() == []


def test_a_mesh_needs_no_torch() -> None:
    code = (
        "import sys, napari_deltamic; napari_deltamic.TriangleMesh; print('torch' in sys.modules)"
    )
    assert run_python(code).strip() == "False"


def test_every_public_name_is_there() -> None:
    code = (
        "import napari_deltamic as dm; "
        "print(*(name for name in dm.__all__ if getattr(dm, name, None) is None))"
    )
    assert run_python(code).split() == []


# napari itself brings scipy and more along, so that only what it has no use for counts.
OPENED = (
    "import napari, napari.viewer, sys, time; from napari.qt import get_qapp; get_qapp(); "
    "import magicgui.widgets; before = set(sys.modules); start = time.perf_counter(); "
    "import napari_deltamic.plugin.guide_dock; seconds = time.perf_counter() - start; "
)
UNUSED_BY_A_DOCK = ("torch", "cupy", "trimesh", "tifffile", "matplotlib", "pyqtgraph", "fcl")


def test_the_first_dock_is_there_in_a_moment() -> None:
    pytest.importorskip("napari")
    seconds = min(float(run_python(OPENED + "print(seconds)")) for _ in range(3))
    assert seconds < LIMIT_SECONDS


def test_the_docks_leave_the_heavy_libraries_alone() -> None:
    pytest.importorskip("napari")
    found = f"print(*(name for name in {UNUSED_BY_A_DOCK} if name in set(sys.modules) - before))"
    assert run_python(OPENED + found).split() == []
