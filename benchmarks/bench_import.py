"""How long the package and its docks take to import, beyond what napari has loaded by then.

    python benchmarks/bench_import.py [--repeats 5]

Each row is a fresh interpreter, so nothing but the files' cache of the system is warm.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from statistics import median

from machine import describe

NAPARI = (
    "import napari, napari.viewer, magicgui.widgets; from napari.qt import get_qapp; get_qapp()"
)
ROWS = {
    "napari_deltamic": ("", "import napari_deltamic"),
    "the guide (first dock)": (NAPARI, "import napari_deltamic.plugin.guide_dock"),
    "seed dock": (NAPARI, "import napari_deltamic.plugin.seed_dock"),
    "PSF designer": (NAPARI, "import napari_deltamic.plugin.psf_designer"),
    "fit dock": (NAPARI, "import napari_deltamic.plugin.fit_dock"),
    "measures dock": (NAPARI, "import napari_deltamic.plugin.measures_dock"),
    "mesh reader": (NAPARI, "import napari_deltamic.plugin.reading"),
    "menu commands": (NAPARI, "import napari_deltamic.plugin.menu_commands"),
}
HEAVY = [
    "torch",
    "numba",
    "scipy",
    "skimage",
    "trimesh",
    "tifffile",
    "matplotlib",
    "pyqtgraph",
    "fcl",
    "cupy",
]


def measure(before: str, statement: str) -> tuple[float, list[str]]:
    """Return the seconds that a statement takes after another, and the heavy modules it loads."""
    code = (
        f"import sys, time\n{before}\nloaded = set(sys.modules)\nstart = time.perf_counter()\n"
        f"{statement}\nseconds = time.perf_counter() - start\n"
        f"print(seconds, *(name for name in {HEAVY} if name in set(sys.modules) - loaded))"
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    seconds, *heavy = done.stdout.split()
    return float(seconds), heavy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print(describe("napari", "napari-deltamic"))
    print(f"\n{'imported':<24}{'shortest':>10}{'median':>10}  heavy modules")
    for name, (before, statement) in ROWS.items():
        runs = [measure(before, statement) for _ in range(repeats)]
        seconds = [run[0] for run in runs]
        heavy = " ".join(runs[0][1]) or "none"
        print(f"{name:<24}{min(seconds):>8.3f} s{median(seconds):>8.3f} s  {heavy}")


if __name__ == "__main__":
    main()
