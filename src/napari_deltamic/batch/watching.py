"""How a batch stands, seen from outside by the files of its folder."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from napari_deltamic.batch.one import STOP_FILE
from napari_deltamic.batch.outcome import LOG, RECORD, Status, read_outcome
from napari_deltamic.batch.pulse import began_at, is_beating
from napari_deltamic.batch.summary import SUMMARY

Standing = Literal[Status, "waiting", "cut off"]
ENDED = ("done", "stopped", "refused", "failed")
_STANDINGS = (*ENDED, "waiting", "running", "cut off")
_FACTS = "fit.json"
# An item that takes longer than those before it is not done yet.
_MOST_OF_ONE = 0.95


@dataclass(frozen=True)
class ItemState:
    """How an item stands.

    Attributes
    ----------
    name, source
        The item's, as in the table of the batch.
    standing
        "waiting"; "running"; how it ended; or "cut off", if its batch was killed.
    words
        What was said last of it: by its log, its result or its error.
    seconds, attempts, host
        How long it took, or has taken so far; how often it was tried; and where.
    """

    name: str
    source: Path
    standing: Standing
    words: str = ""
    seconds: float = 0.0
    attempts: int = 0
    host: str = ""


@dataclass(frozen=True)
class BatchState:
    """How a batch stands.

    Attributes
    ----------
    items
        In their order.
    is_running, is_stopping
        Whether something works on it, and whether it was told to stop.
    """

    items: tuple[ItemState, ...] = ()
    is_running: bool = False
    is_stopping: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many items stand how; those that do not occur are left out."""
        found: Counter[str] = Counter(item.standing for item in self.items)
        return {name: found[name] for name in _STANDINGS if found[name]}

    @property
    def ended(self) -> int:
        """How many items have come to an end, whichever."""
        return sum(item.standing in ENDED for item in self.items)

    @property
    def progress(self) -> float:
        """How much is done, from 0 to 1; of items that run as far as others tell."""
        if not self.items:
            return 0.0
        typical = self._typical
        begun = 0.0
        if typical:
            begun = sum(min(one.seconds / typical, _MOST_OF_ONE) for one in self._running)
        return (self.ended + begun) / len(self.items)

    @property
    def seconds_left(self) -> float | None:
        """How long it may still take if all items are like those that are done; None if none is."""
        typical, running = self._typical, self._running
        if not typical or not running:
            return None
        rest = sum(max(typical - one.seconds, 0.0) for one in running)
        waiting = sum(item.standing == "waiting" for item in self.items)
        return (rest + typical * waiting) / len(running)

    @property
    def _running(self) -> list[ItemState]:
        return [item for item in self.items if item.standing == "running"]

    @property
    def _typical(self) -> float:
        done = [item.seconds for item in self.items if item.standing == "done"]
        return sum(done) / len(done) if done else 0.0


class BatchFolder:
    """A folder into which a batch runs, or ran, wherever that is.

    Parameters
    ----------
    path
        The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._words: dict[tuple[str, ...], str] = {}

    @property
    def has_batch(self) -> bool:
        """Whether there is one to be seen, be it that it has only just begun."""
        return (self.path / SUMMARY).is_file() or is_beating(self.path)

    def read(self) -> BatchState:
        """Return how all stands now.

        Raises
        ------
        ValueError
            If no batch was ever begun here, or its table cannot be read.
        """
        if not self.has_batch:
            raise ValueError(f"{self.path} holds no batch: there is no {SUMMARY} in it")
        is_running, began = is_beating(self.path), began_at(self.path)
        items = tuple(self._item(row, is_running, began) for row in self._rows())
        return BatchState(items, is_running, is_running and (self.path / STOP_FILE).exists())

    def stop(self) -> None:
        """Tell the batch to end: what runs keeps its best, as after Ctrl-C.

        Raises
        ------
        OSError
            If nothing can be written into the folder.
        """
        (self.path / STOP_FILE).touch()

    def log(self, name: str) -> Path:
        """Return where an item's log is."""
        return self.path / name / LOG

    def _rows(self) -> list[dict[str, str]]:
        table = self.path / SUMMARY
        try:
            with table.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file, restval=""))
        except FileNotFoundError:
            return []
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{table} is not the table of a batch: {error}") from error
        if any(not row.get("name") or row.get("status") not in _STANDINGS for row in rows):
            raise ValueError(f"{table} is not the table of a batch: it has no names with a status")
        return rows

    def _item(self, row: dict[str, str], is_running: bool, began: int | None) -> ItemState:
        seconds, attempts = _number(row.get("seconds")), int(_number(row.get("attempts")))
        kept: Any = row["status"]
        name, message = row["name"], row.get("message", "")
        state = ItemState(
            name, Path(row.get("source", "")), kept, message, seconds, attempts, row.get("host", "")
        )
        if kept == "waiting" and began is not None:
            state = self._begun(state, is_running, began)
        if state.standing == "running":
            return replace(state, words=last_line(self.log(name)))
        if state.standing in ("done", "stopped"):
            # Results may be large to read, and stay as they are.
            key = tuple(str(cell) for cell in row.values())
            if key not in self._words:
                self._words[key] = _of_result(self.path / name)
            return replace(state, words=self._words[key] or message)
        return state

    def _begun(self, state: ItemState, is_running: bool, began: int) -> ItemState:
        """Return what an item, for the table still waiting, has come to since the batch began."""
        record = self.path / state.name / RECORD
        try:
            changed = record.stat().st_mtime_ns
        except OSError:
            return state
        outcome = read_outcome(record.parent)
        if outcome is None or changed < began:
            return state
        seen = replace(state, attempts=outcome.attempts, host=outcome.host)
        if outcome.status != "running":
            return replace(
                seen, standing=outcome.status, words=outcome.message, seconds=outcome.seconds
            )
        if not is_running:
            return replace(seen, standing="cut off", words="its batch was cut off")
        return replace(seen, standing="running", seconds=max(time.time() - changed / 1e9, 0.0))


def tail(path: Path, most: int = 20_000) -> str:
    """Return the end of a log, at most so many bytes; "" while there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - most, 0))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def last_line(path: Path) -> str:
    """Return the last line of a log that says anything."""
    lines = [line.strip() for line in tail(path, 4_000).splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _of_result(folder: Path) -> str:
    """Return what is to be known of a result: its warnings, or why the fit ended."""
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        warnings, reason = list(facts["warnings"]), str(facts["stop_reason"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""
    if not warnings:
        return reason
    return f"{len(warnings)} warning{'s' * (len(warnings) > 1)}: {warnings[0]}"


def _number(text: str | None) -> float:
    try:
        return float(text or 0.0)
    except ValueError:
        return 0.0
