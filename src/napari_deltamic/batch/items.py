"""What a batch is to do: one command line for each stack or movie."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_deltamic.batch.options import FILE_OPTIONS, later_wins, without
from napari_deltamic.imaging.zarr_reading import is_zarr

Command = Literal["fit", "timelapse"]

INPUTS: dict[str, Command] = {"stack": "fit", "movie": "timelapse"}
"""Columns of a table that name the input, and the command that they ask for."""
SUFFIXES = (".tif", ".tiff", ".zarr")
# Of a folder's name: what all systems take, with room for a number.
_MOST_BYTES = 240
# Files of the batch itself, and what Windows opens a device by, whatever its ending.
_TAKEN = re.compile(
    r"batch\..*|all_.*\.csv|(con|prn|aux|nul|com[1-9]|lpt[1-9])(\..*)?", re.IGNORECASE
)
_YES, _NO = ("true", "yes"), ("false", "no")
_SWITCHES = ("remesh", "fit-background", "fit-attenuation", "standard-errors")
SWITCHES: dict[Command, tuple[str, ...]] = {
    "fit": _SWITCHES,
    "timelapse": (*_SWITCHES, "reseed"),
}
"""Options that a word such as ``--no-remesh`` turns off; others are left out for that."""


@dataclass(frozen=True)
class Item:
    """One fit of a batch.

    Attributes
    ----------
    name
        Of its folder; each has its own.
    command
        What is run: "fit" for a stack, "timelapse" for a movie.
    source
        The stack or the movie.
    options
        Words of its command line, but for the input and the output.
    """

    name: str
    command: Command
    source: Path
    options: tuple[str, ...] = ()

    def words(self, folder: Path) -> list[str]:
        """Return its command line into a folder, without the program's name."""
        return [self.command, str(self.source), *self.options, "--output", str(folder)]


def items_of_files(
    paths: Iterable[str | Path], options: Sequence[str] = (), command: Command = "fit"
) -> list[Item]:
    """Return an item for each stack.

    Parameters
    ----------
    paths
        Files or OME-Zarr folders; or folders of such, of which all are taken.
    options
        Words of the command line that all share, such as ``("--auto", "--psf", "psf.json")``.
    command
        "timelapse" if the files are movies.

    Raises
    ------
    ValueError
        If a file does not exist or has a name that no folder can have, or a folder holds no stack.
    """
    files: list[Path] = []
    for given in paths:
        path = Path(given).resolve()
        if not path.is_dir() or _is_stack(path):
            files.append(_checked(path, "paths"))
            continue
        inside = sorted(one for one in path.iterdir() if _is_meant(one))
        if not inside:
            raise ValueError(f"paths: {path} holds nothing that ends in {', '.join(SUFFIXES)}")
        files += inside
    for path in files:
        if _is_taken(path.stem):
            raise ValueError(
                f"paths: {path.stem!r} cannot be the name of a folder: rename {path}, or give it "
                "another name in a table"
            )
    return _named([Item(path.stem, command, path, tuple(options)) for path in files])


def items_of_table(path: str | Path, options: Sequence[str] = ()) -> list[Item]:
    """Return an item for each row of a CSV file.

    A column *stack* or *movie* names the input, *name* the folder (by default it is the file's
    name). All other columns are options of the commands ``fit`` and ``timelapse`` without their
    hyphens: an empty cell says nothing of one, "yes" is enough for those without a value, "no"
    turns one off. Files are relative to the table.

    Parameters
    ----------
    path
        The table.
    options
        Words of the command line that all share; a row's own win.

    Raises
    ------
    ValueError
        If the table cannot be read or a row makes no sense; the message says which.
    """
    table = _checked(Path(path), "path")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"path: {table} is not a CSV file: {error}") from error
    if not set(columns) & set(INPUTS) or not rows:
        raise ValueError(
            f"path: {table} needs a column named stack or movie, and a row for each; its columns "
            f"are {', '.join(columns) or 'none'}"
        )
    doubled = [name for name, count in Counter(columns).items() if count > 1 or not name]
    if doubled:
        raise ValueError(f"path: {table} has {doubled[0]!r} as the name of two columns, or of none")
    items = []
    for number, row in enumerate(rows, start=2):
        try:
            items.append(_item_of(row, table.parent, tuple(options)))
        except ValueError as error:
            raise ValueError(f"path: {table}, line {number}: {error}") from error
    return _named(items)


def with_whole_paths(options: Sequence[str]) -> tuple[str, ...]:
    """Return options with the files they name by their whole paths, as workers elsewhere see them.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    words = list(options)
    for number, word in enumerate(words):
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in FILE_OPTIONS:
            continue
        if equals:
            words[number] = f"--{name}={_checked(Path(value), f'--{name}')}"
        elif number + 1 < len(words):
            words[number + 1] = str(_checked(Path(words[number + 1]), word))
    return tuple(words)


def _item_of(row: dict[str, str | None], folder: Path, options: tuple[str, ...]) -> Item:
    if None in row:
        raise ValueError("there are more cells than columns")
    cells = {name: (cell or "").strip() for name, cell in row.items()}
    given = [name for name in INPUTS if cells.get(name)]
    if len(given) != 1:
        raise ValueError("give either a stack or a movie")
    source = _checked(folder / cells.pop(given[0]), given[0])
    name = cells.pop("name", "") or source.stem
    is_long = len(name.encode()) > _MOST_BYTES
    if is_long or _is_taken(name) or any(sign in name for sign in '/\\:*?"<>|\0'):
        raise ValueError(f"name: {name[:_MOST_BYTES]!r} cannot be the name of a folder")
    command = INPUTS[given[0]]
    own: list[str] = []
    for column, cell in cells.items():
        option = column.replace("_", "-")
        if not cell or column in INPUTS:
            continue
        if cell.lower() in _NO:
            options = without(options, [option])
            own += [f"--no-{option}"] if option in SWITCHES[command] else []
        elif cell.lower() in _YES:
            own.append(f"--{option}")
        elif column in FILE_OPTIONS:
            own += [f"--{option}", str(_checked(folder / cell, column))]
        else:
            own += [f"--{option}", *cell.split()]
    return Item(name, command, source, later_wins(options, own))


def _is_meant(path: Path) -> bool:
    """Whether what lies in a folder is a stack, by its name; macOS puts ``._a.tif`` beside one."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _is_taken(name: str) -> bool:
    """Whether an item's folder would be in the way of others, or be none on some system."""
    return name.startswith(".") or name.endswith(".") or _TAKEN.fullmatch(name) is not None


def _checked(path: Path, name: str) -> Path:
    try:
        is_there = _is_stack(path)
    # A name that no system takes, such as half a table behind a quotation mark.
    except OSError as error:
        raise ValueError(f"{name}: {str(path)[:200]!r}... is no file ({error.strerror})") from error
    if not is_there:
        raise ValueError(f"{name}: there is no file {path}")
    return path.resolve()


def _is_stack(path: Path) -> bool:
    """Whether a path is a file, or a folder that counts as one."""
    return path.is_file() or (path.is_dir() and (path.suffix == ".zarr" or is_zarr(path)))


def _named(items: list[Item]) -> list[Item]:
    """Return the items with a number behind each name that another has already taken."""
    taken: set[str] = set()
    unique = []
    for item in items:
        name, number = item.name, 1
        # Not every file system tells upper from lower case.
        while name.lower() in taken:
            number += 1
            name = f"{item.name}-{number}"
        taken.add(name.lower())
        unique.append(Item(name, item.command, item.source, item.options))
    return unique
