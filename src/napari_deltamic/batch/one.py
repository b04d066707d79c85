"""One item of a batch, from where it stands to its end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

from napari_deltamic.batch.child import run_child
from napari_deltamic.batch.items import Item
from napari_deltamic.batch.outcome import (
    LOG,
    Outcome,
    Status,
    read_outcome,
    task_of,
    write_outcome,
)
from napari_deltamic.batch.pulse import Listener
from napari_deltamic.batch.summary import TABLES

STOP_FILE = ".stop"
"""In the batch's folder: tells workers, wherever they are, to come to an end."""
_CHECKPOINTS = {"fit": "checkpoint.npz", "timelapse": "movie.json"}
# Exit codes of the command line.
_DONE, _REFUSED, _STOPPED = 0, 2, 130


class AbortedError(Exception):
    """The batch was aborted, and its fits with it."""


def run_item(
    item: Item,
    folder: Path,
    retries: int,
    threads: int,
    is_aborted: Callable[[], bool] | None = None,
) -> Outcome | None:
    """Do what an item asks for, unless that has been done, and go on where it was interrupted.

    Runs on whatever machine a batch sends it to, which has to see the same files.

    Parameters
    ----------
    item
        The fit.
    folder
        Of the batch; the item gets one in it.
    retries
        How often a failure is tried again. What is wrong with options or input stays wrong.
    threads
        How many it may use.
    is_aborted
        Asked several times a second; once true, the fit ends at once, and keeps nothing new.

    Returns
    -------
    Outcome or None
        None if the batch was stopped before it began.

    Raises
    ------
    AbortedError
        If it was aborted.
    """
    if (folder / STOP_FILE).exists():
        return None
    own, listener = folder / item.name, Listener(folder)
    try:
        task, before = task_of(item), earlier_outcome(item, folder)
    except OSError as error:
        return Outcome(item.name, "failed", f"what it needs cannot be read any more: {error}")
    if before is not None and before.status == "done":
        return Outcome(**{**vars(before), "skipped": True})

    def should_stop() -> bool:
        if is_aborted is not None and is_aborted():
            raise AbortedError
        # Of a batch that was killed nobody would end what runs on other machines.
        return (folder / STOP_FILE).exists() or listener.is_gone()

    own.mkdir(parents=True, exist_ok=True)
    log, checkpoint = own / LOG, own / _CHECKPOINTS[item.command]
    host, attempts = socket.gethostname(), 0 if before is None else before.attempts
    if before is None:
        # That of another fit, which this one could not go on from.
        checkpoint.unlink(missing_ok=True)
    resumes = checkpoint.exists()
    log.write_bytes(b"")
    while True:
        attempts += 1
        write_outcome(own, Outcome(item.name, "running", attempts=attempts, host=host, task=task))
        if not resumes:
            _remove_tables(own)
        with log.open("ab") as file:
            file.write(f"attempt {attempts}\n".encode())
        said_before, start = log.stat().st_size, time.monotonic()
        words = [*item.words(own), *(["--resume"] if resumes else [])]
        code = run_child(words, log, threads, should_stop)
        seconds = time.monotonic() - start
        status = _status(code)
        message = "" if status == "done" else last_words(log, code, said_before)
        outcome = Outcome(item.name, status, message, seconds, attempts, host, task=task)
        write_outcome(own, outcome)
        if should_stop():
            return outcome
        if status == "refused" and resumes:
            # It may be the checkpoint that is refused: damaged, or of another version.
            resumes = False
        elif status == "failed" and retries > 0:
            retries -= 1
            # What was gone on with may be what is broken.
            resumes = not resumes and checkpoint.exists()
        else:
            return outcome


def _remove_tables(own: Path) -> None:
    """Remove the tables of an earlier fit, of which this one may not write all."""
    for table in TABLES:
        (own / table).unlink(missing_ok=True)


def earlier_outcome(item: Item, folder: Path) -> Outcome | None:
    """Return how an item came out of an earlier batch into a folder, if it was the same then.

    Raises
    ------
    OSError
        If its input is gone.
    """
    before = read_outcome(folder / item.name)
    return before if before is not None and before.task == task_of(item) else None


def _status(code: int) -> Status:
    known: dict[int, Status] = {_DONE: "done", _REFUSED: "refused", _STOPPED: "stopped"}
    return known.get(code, "failed")


def last_words(log: Path, code: int, begin: int = 0) -> str:
    """Return the sentence that a command ended with.

    Parameters
    ----------
    log
        What it printed.
    code
        Its exit code.
    begin
        How many bytes were in the log before.
    """
    try:
        lines = log.read_bytes()[begin:].decode("utf-8", errors="replace").splitlines()
    except OSError:
        # Somebody has taken the folder away.
        lines = []
    errors = [line for line in lines if line.startswith("Error:")]
    if errors:
        return errors[-1].removeprefix("Error:").strip()
    said = [line.strip() for line in lines if line.strip()]
    if code < 0:
        return f"ended by signal {-code}" + (f", after: {said[-1]}" if said else "")
    return said[-1] if said else f"ended with exit code {code}"
