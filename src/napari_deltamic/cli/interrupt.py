"""Ctrl-C that ends a fit or a training but keeps what it found."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from napari_deltamic.cli.terminal import say_at_once


@contextmanager
def stop_on_interrupt(kept: str = "mesh") -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed; a second Ctrl-C aborts as usual.

    The press is acknowledged at once, since the work may take a moment to come to its next step.
    Outside of the main thread, where signals cannot be caught, it always says no.

    Parameters
    ----------
    kept
        What the best so far is kept of.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    # Not an Event, on whose lock a second press could wait for the first for ever.
    pressed = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        say_at_once(f"Stopping, and keeping the best {kept} so far; Ctrl-C again aborts")

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
