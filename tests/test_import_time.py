"""Importing the package is quick, because the heavy libraries wait for their first use."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "numba", "cupy", "scipy", "trimesh", "skimage", "matplotlib", "napari", "qtpy")
LIMIT_SECONDS = 0.5


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
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
