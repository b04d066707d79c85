"""Tables of measures: flat rows, and CSV files of them."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from napari_deltamic.replacing import replacing

Row: TypeAlias = dict[str, int | float]
"""One row of a table: a number for each column, NaN where there is none."""


def write_table_csv(
    path: str | os.PathLike[str],
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str] = (),
) -> None:
    """Write rows with the same columns to a .csv file.

    Parameters
    ----------
    path
        The file; one that exists is replaced at once or not at all.
    rows
        Such as those of ``measures_table``, ``contacts_table`` or ``junctions_table``, with columns
        added as one likes.
    columns
        The header where there are no rows; otherwise the first row names the columns.

    Raises
    ------
    ValueError
        If rows differ in their columns.
    OSError
        If the file cannot be written.
    """
    names = list(rows[0]) if rows else list(columns)
    for row in rows:
        if set(row) != set(names):
            raise ValueError(f"rows: expected the columns {names}, got {list(row)}")
    with (
        replacing(Path(path).expanduser()) as whole,
        whole.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def with_column(rows: list[Row], column: str, values: ArrayLike | None, argument: str) -> list[Row]:
    """Return rows with one more column, or as they are if there are no values.

    Parameters
    ----------
    rows
        The table.
    column
        Its name.
    values
        (len(rows),) numbers.
    argument
        What errors call these.

    Raises
    ------
    ValueError
        If there is not one value for each row.
    """
    if values is None:
        return rows
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (len(rows),):
        raise ValueError(
            f"{argument}: expected one for each of {len(rows)} rows, got shape {numbers.shape}"
        )
    return [{**row, column: value} for row, value in zip(rows, numbers.tolist(), strict=True)]
