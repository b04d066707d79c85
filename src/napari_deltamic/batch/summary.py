"""The tables of a batch: how its items stand, and what they measured."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_deltamic.batch.items import Item
from napari_deltamic.batch.outcome import Outcome
from napari_deltamic.replacing import replacing

_log = logging.getLogger(__name__)

SUMMARY = "batch.csv"
TABLES = ("measures.csv", "contacts.csv", "junctions.csv", "tracks.csv")
"""What fits and movies write, as far as they do."""


def write_summary(folder: Path, items: Sequence[Item], outcomes: Mapping[str, Outcome]) -> None:
    """Write a row for each item: how it stands, what went wrong, how long it took, where."""
    rows = []
    for item in items:
        outcome = outcomes.get(item.name)
        row = {"name": item.name, "source": str(item.source), "status": "waiting"}
        if outcome is not None:
            row |= {
                "status": outcome.status,
                "message": outcome.message,
                "seconds": f"{outcome.seconds:.1f}",
                "attempts": str(outcome.attempts),
                "host": outcome.host,
            }
        rows.append(row)
    _write(folder / SUMMARY, rows)


def write_tables(folder: Path, items: Sequence[Item], outcomes: Mapping[str, Outcome]) -> None:
    """Put the tables of all items that are done together, with the item's name in front.

    One that cannot be read or written keeps no other from it, and is warned of.
    """
    done = [
        item for item in items if item.name in outcomes and outcomes[item.name].status == "done"
    ]
    for table in TABLES:
        try:
            _put_together(folder, table, done)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            _log.warning("all_%s cannot be put together: %s", table, error)


def _put_together(folder: Path, table: str, items: Sequence[Item]) -> None:
    rows: list[dict[str, str]] = []
    for item in items:
        file = folder / item.name / table
        if file.is_file():
            with file.open(newline="", encoding="utf-8") as content:
                rows += [{"item": item.name, **row} for row in csv.DictReader(content)]
    together = folder / f"all_{table}"
    if rows:
        _write(together, rows)
    else:
        together.unlink(missing_ok=True)


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    # Fits with error bars have more columns than those without.
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as name, name.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
