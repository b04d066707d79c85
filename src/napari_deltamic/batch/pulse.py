"""The sign that a batch gives of being alive, for those who watch its folder from elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PULSE = ".running"
"""In the batch's folder while it runs; says when it began, and is touched again and again."""
_BETWEEN_BEATS, _LONGEST_PAUSE = 1.0, 20.0


@contextmanager
def pulse(folder: Path) -> Iterator[Callable[[], None]]:
    """Yield what is to be called at least every few seconds while a batch runs."""
    file = folder / PULSE
    file.write_text("", encoding="utf-8")
    # By the clock of the disk, as what is written beside it.
    file.write_text(str(file.stat().st_mtime_ns), encoding="utf-8")
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last > _BETWEEN_BEATS:
            last = time.monotonic()
            # Whoever takes it away stops nothing but the view of it.
            with suppress(OSError):
                os.utime(file)

    try:
        yield beat
    finally:
        with suppress(OSError):
            file.unlink()


def is_beating(folder: Path) -> bool:
    """Whether a batch gave a sign of life in a folder lately."""
    try:
        return abs(time.time() - (folder / PULSE).stat().st_mtime) < _LONGEST_PAUSE
    except OSError:
        return False


def began_at(folder: Path) -> int | None:
    """Return when the batch began, in ns of the disk's clock; None once it ended by itself."""
    try:
        return int((folder / PULSE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
