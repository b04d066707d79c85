"""What the commands write on the terminal: consoles and logging."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from rich.console import Console


def console() -> Console:
    """Return the console that results go to."""
    return Console(highlight=False)


def errors_console() -> Console:
    """Return the console that messages and progress go to."""
    return Console(stderr=True, highlight=False)


def start_logging(level: int) -> None:
    """Show the package's log messages from this level up, and warnings, on the error console."""
    from rich.logging import RichHandler

    logger = logging.getLogger("napari_deltamic")
    logger.handlers = [
        RichHandler(console=errors_console(), show_path=level <= logging.DEBUG, show_time=False)
    ]
    logger.setLevel(level)
    logger.propagate = False

    def show_warning(message: Warning | str, *_: Any) -> None:
        logger.warning(str(message))

    warnings.showwarning = show_warning  # without the line of code, which no user asked for
