"""The sign that a batch gives of being alive, for those who watch its folder from elsewhere."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PULSE = ".running"
"""In the batch's folder while it runs; says when it began, and is touched again and again."""
_BETWEEN_BEATS, _LONGEST_PAUSE = 1.0, 20.0
# Of looks, not seconds: a process that slept must not take its own pause for the batch's.
_LOOKS_UNTIL_GONE = 60


@contextmanager
def pulse(folder: Path) -> Iterator[None]:
    """Give a sign of life every second while a batch runs.

    Raises
    ------
    ValueError
        If another batch gives one.
    """
    if is_beating(folder):
        raise ValueError(
            f"folder: a batch is running in {folder}; if it was killed, wait {_LONGEST_PAUSE:.0f} s"
        )
    file = folder / PULSE
    file.write_text("", encoding="utf-8")
    # By the clock of the disk, as what is written beside it.
    began = file.stat().st_mtime_ns
    file.write_text(str(began), encoding="utf-8")
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BETWEEN_BEATS):
            # Whoever takes it away stops nothing but the view of it.
            with suppress(OSError):
                os.utime(file)

    # A thread of its own, since to look at many items or to put tables together takes long.
    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()
        # A batch that was suspended for long finds another one's.
        if began_at(folder) == began:
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


class Listener:
    """Hears whether the batch that began an item is alive, whatever the clocks of machines say.

    Parameters
    ----------
    folder
        Of the batch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._began, self._heard = began_at(folder), 0
        self._silent, self._looked = 0, time.monotonic()

    def is_gone(self) -> bool:
        """Whether it has been silent for a minute, or another one has taken its place."""
        if time.monotonic() - self._looked >= _BETWEEN_BEATS:
            self._looked = time.monotonic()
            self._look()
        return self._silent >= _LOOKS_UNTIL_GONE

    def _look(self) -> None:
        try:
            heard = (self._folder / PULSE).stat().st_mtime_ns
        except OSError:
            # Its file is taken away with the folder, and says nothing.
            return
        began = began_at(self._folder)
        if None not in (began, self._began) and began != self._began:
            self._silent = _LOOKS_UNTIL_GONE
        else:
            self._silent = self._silent + 1 if heard == self._heard else 0
        self._heard = heard
