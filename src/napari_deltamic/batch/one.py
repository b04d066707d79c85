"""One item of a batch, from where it stands to its end."""

from __future__ import annotations

import socket
import time
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

STOP_FILE = ".stop"
"""In the batch's folder: tells workers, wherever they are, to come to an end."""
_CHECKPOINTS = {"fit": "checkpoint.npz", "timelapse": "movie.json"}
# Exit codes of the command line.
_DONE, _REFUSED, _STOPPED = 0, 2, 130


def run_item(item: Item, folder: Path, retries: int, threads: int) -> Outcome:
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
    """
    own = folder / item.name
    try:
        task, before = task_of(item), earlier_outcome(item, folder)
    except OSError as error:
        return Outcome(item.name, "failed", f"{item.source} cannot be read any more: {error}")
    if before is not None and before.status == "done":
        return Outcome(**{**vars(before), "skipped": True})
    own.mkdir(parents=True, exist_ok=True)
    host, attempts = socket.gethostname(), 0 if before is None else before.attempts
    is_stopped = (folder / STOP_FILE).exists
    can_resume = before is not None
    for _ in range(retries + 1):
        attempts += 1
        write_outcome(own, Outcome(item.name, "running", attempts=attempts, host=host, task=task))
        resumes = can_resume and (own / _CHECKPOINTS[item.command]).exists()
        words = [*item.words(own), *(["--resume"] if resumes else [])]
        (own / LOG).write_bytes(b"")
        start = time.monotonic()
        code = run_child(words, own / LOG, threads, is_stopped)
        seconds = time.monotonic() - start
        status = _status(code)
        message = "" if status == "done" else last_words(own / LOG, code)
        outcome = Outcome(item.name, status, message, seconds, attempts, host, task=task)
        write_outcome(own, outcome)
        if status != "failed" or is_stopped():
            break
        # What was gone on with may be what is broken.
        can_resume = not resumes
    return outcome


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


def last_words(log: Path, code: int) -> str:
    """Return the sentence that a command ended with, by its log and its exit code."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
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
