"""How an item of a batch ended, kept in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from napari_deltamic.batch.items import Item
from napari_deltamic.batch.options import files_of
from napari_deltamic.replacing import replacing

RECORD = "item.json"
LOG = "log.txt"

Status = Literal["running", "done", "stopped", "refused", "failed"]
_TYPES: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "message": str,
    "seconds": (int, float),
    "attempts": int,
    "host": str,
    "skipped": bool,
    "task": dict,
}


@dataclass(frozen=True)
class Outcome:
    """How one fit of a batch went.

    Attributes
    ----------
    name
        The item's.
    status
        "done"; "stopped" before its end, to be gone on with; "refused", wrong options or input;
        "failed" after all attempts.
    message
        The error's sentence, if there was one.
    seconds, attempts, host
        How long the last attempt took, how many there were, and where the last one was.
    skipped
        Whether it had been done by an earlier batch.
    task
        What tells it from others: command line, input, and the files that options name.
    """

    name: str
    status: Status
    message: str = ""
    seconds: float = 0.0
    attempts: int = 0
    host: str = ""
    skipped: bool = False
    task: dict[str, Any] = field(default_factory=dict)


def task_of(item: Item) -> dict[str, Any]:
    """Return what must be the same for a result to be the item's: its words, and their files.

    Raises
    ------
    OSError
        If a file is gone.
    """
    size, changed = _state(item.source)
    return {
        "command": item.command,
        "source": str(item.source),
        "options": list(item.options),
        "bytes": size,
        "changed": changed,
        "files": [[str(file), *_state(file)] for file in files_of(item.options)],
    }


def _state(path: Path) -> tuple[int, int]:
    """Return the bytes of a file or a folder, and when it was changed in ns."""
    # Of a folder, a chunk may have been written anew, and nothing else tells.
    inside = [one.stat() for one in sorted(path.rglob("*"))] if path.is_dir() else []
    states = [path.stat(), *inside]
    return sum(state.st_size for state in states), max(state.st_mtime_ns for state in states)


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Keep an outcome in an item's folder."""
    content = asdict(outcome)
    del content["skipped"]
    with replacing(folder / RECORD) as name:
        name.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_outcome(folder: Path) -> Outcome | None:
    """Return the outcome that is kept in a folder; None if there is none that can be read."""
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        outcome = Outcome(**content)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    fits = all(isinstance(getattr(outcome, name), kind) for name, kind in _TYPES.items())
    return outcome if fits and outcome.status in get_args(Status) else None
