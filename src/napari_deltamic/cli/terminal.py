"""What the commands write on the terminal: consoles and logging."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rich.console import Console

_STDERR = 2


def console() -> Console:
    """Return the console that results go to."""
    return Console(highlight=False)


def errors_console() -> Console:
    """Return the console that messages and progress go to."""
    return Console(stderr=True, highlight=False)


def say(message: str, style: str | None = None) -> None:
    """Print a message for the user, not a result; the terminal folds it, so paths stay whole."""
    errors_console().print(message, style=style, markup=False, soft_wrap=True)


def say_at_once(message: str) -> None:
    """Print a message from a signal's handler, which may interrupt the printing of another.

    Python's stream would raise there, so this goes past it; what cannot be shown is left out.
    """
    with suppress(OSError):
        os.write(_STDERR, f"{message}\n".encode())


def start_logging(level: int, phrase: Callable[[str], str] = str) -> None:
    """Show the package's log messages from this level up, and warnings, on the error console.

    Parameters
    ----------
    level
        The least level to show.
    phrase
        What turns the text of a warning into what the user reads.
    """
    from rich.logging import RichHandler

    logger = logging.getLogger("napari_deltamic")
    logger.handlers = [
        RichHandler(console=errors_console(), show_path=level <= logging.DEBUG, show_time=False)
    ]
    logger.setLevel(level)

    def show_warning(message: Warning | str, *_: Any) -> None:
        logger.warning(phrase(str(message)))

    warnings.showwarning = show_warning  # type: ignore[assignment]  # without the line of code, which no user asked for
