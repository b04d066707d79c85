"""What the benchmarks share: the facts of the machine, and fair timing."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from napari_deltamic.kernel_threads import thread_count


def processor() -> str:
    """Return the processor's name."""
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe(*packages: str) -> str:
    """Return two lines: the machine and its load, and the versions of Python and packages."""
    versions = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} absent")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{processor()}, {thread_count()} cores{load}, {platform.system()}\n{', '.join(versions)}"
    )


def interleaved(
    contestants: dict[str, Callable[[], object]], repeats: int
) -> dict[str, tuple[float, float]]:
    """Return each contestant's shortest and median time in seconds, taking turns.

    Each is called once before, so that compilation and planning do not count; taking turns spreads
    a busy spell of the machine over all of them.
    """
    for call in contestants.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, call in contestants.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: (min(times), median(times)) for name, times in seconds.items()}


def milliseconds(times: tuple[float, float]) -> str:
    """Return "shortest / median" in ms, ready for a table."""
    return f"{1e3 * times[0]:8.1f} / {1e3 * times[1]:8.1f}"


def goal(ratio: float, relation: str, bound: float) -> str:
    """Return a ratio with its goal and whether it is met; relation is ">=" or "<="."""
    met = ratio >= bound if relation == ">=" else ratio <= bound
    return f"{ratio:8.2f}x   goal {relation} {bound:g}x   {'met' if met else 'MISSED'}"
