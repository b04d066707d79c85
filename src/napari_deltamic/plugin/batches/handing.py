"""Handing a batch over to a process that outlives napari; no Qt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from napari_deltamic.batch.one import last_words
from napari_deltamic.batch.pulse import is_beating

LOG = "batch.log"
"""In the batch's folder: what the process prints."""
_PROGRAM = "from napari_deltamic.cli import main; main()"

_handed: dict[Path, subprocess.Popen[bytes]] = {}


def hand_over(words: Sequence[str], folder: Path) -> None:
    """Begin a batch in a process of its own, that goes on when this one ends.

    Parameters
    ----------
    words
        Of its command line, without the program's name.
    folder
        That it writes into; it exists.

    Raises
    ------
    ValueError
        If a batch runs in that folder.
    OSError
        If the process cannot be begun, or the folder not be written into.
    """
    if is_beating(folder) or exit_code(folder) == "running":
        raise ValueError(
            f"a batch is running in {folder} already: stop it first, or choose another folder"
        )
    # On Windows a group and a console that nobody sees take the place of a session: without a
    # console, each fit would open a window of its own.
    flags = ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP") if os.name == "nt" else ()
    with (folder / LOG).open("wb") as log:
        _handed[folder.resolve()] = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            creationflags=sum(getattr(subprocess, flag) for flag in flags),
        )


def exit_code(folder: Path) -> int | str | None:
    """Return how a process that was handed a batch over ended.

    Returns
    -------
    int, str or None
        "running" as long as it has not; None if this napari handed none over.
    """
    process = _handed.get(folder.resolve())
    if process is None:
        return None
    code = process.poll()
    return "running" if code is None else code


def failure(folder: Path, code: int) -> str:
    """Return the sentence that a process ended with."""
    return last_words(folder / LOG, code)
