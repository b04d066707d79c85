"""Whether a batch could be run as it is chosen; no Qt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deltamic.batch import Item
    from napari_deltamic.plugin.batches.options import SharedOptions

_STARTS = ("mesh", "points", "radius", "labels", "threshold", "auto", "membranes")
_NO_START = (
    "nothing says where its cells are: choose it under Find cells by, or give the table a column "
    "points, labels or mesh"
)
_TWO_STARTS = (
    "its cells are said to be found in more than one way: where a table or the other options say "
    "it, choose The table's columns under Find cells by"
)


class Plan(NamedTuple):
    """What a batch would do.

    Attributes
    ----------
    items
        The fits, without what all share.
    stacks_problem, settings_problem
        Why it cannot be run, "" if it can.
    """

    items: tuple[Item, ...] = ()
    stacks_problem: str = ""
    settings_problem: str = ""


def plan_of(inputs: Sequence[Path], movies: bool, options: SharedOptions | None) -> Plan:
    """Return what a batch would do, or why it cannot; reads no voxels.

    Parameters
    ----------
    inputs
        Files and folders, or one table.
    movies
        Whether the files are movies.
    options
        What all share; None where that is not known yet.
    """
    if not inputs:
        return Plan()
    # It looks into each folder, and brings the parser of the command line along.
    from napari_deltamic.cli.batch import chosen_items

    words = [str(path) for path in inputs]
    try:
        items = chosen_items(words, movies)
    except (ValueError, OSError) as error:
        return Plan((), plain(error))
    if options is None:
        return Plan(tuple(items))
    try:
        _check_settings(options)
        psf = options.psf if isinstance(options.psf, Path) else None
        whole = chosen_items([*words, *options.words(psf)], movies)
        _check(whole)
    except (ValueError, OSError) as error:
        return Plan(tuple(items), "", plain(error))
    return Plan(tuple(items))


def plain(error: Exception) -> str:
    """Return an error's sentence without the name of the argument that the user never saw."""
    return re.sub(r"^(paths?|--settings): ", "", str(error) or type(error).__name__)


def _check_settings(options: SharedOptions) -> None:
    from napari_deltamic.cli.fit import chosen_settings

    if isinstance(options.settings, Path):
        if not options.settings.is_file():
            raise ValueError(f"there is no file {options.settings}")
        chosen_settings(options.settings, None)
    if isinstance(options.psf, Path) and not options.psf.is_file():
        raise ValueError(f"there is no file {options.psf}")


def _check(items: Sequence[Item]) -> None:
    """Raise a ValueError for the first item that could not be begun."""
    from napari_deltamic.cli.batch import check_command_lines
    from napari_deltamic.cli.errors import UsageError
    from napari_deltamic.cli.fit import check_start

    seen = set()
    for item in items:
        kind = item.command, item.options
        if kind in seen:
            continue
        seen.add(kind)
        check_command_lines([item], Path(item.name))
        given = arguments_of(item)
        start: dict[str, Any] = {name: given.get(name) for name in _STARTS}
        ways = sum(start[name] not in (None, False) for name in ("mesh", "labels", "membranes"))
        ways += start["auto"] is True or start["threshold"] is not None
        ways += start["points"] is not None and not start["membranes"]
        if ways != 1:
            raise ValueError(f"{item.source.name}: {_NO_START if ways == 0 else _TWO_STARTS}")
        start |= {name: bool(start[name]) for name in ("auto", "membranes")}
        try:
            check_start(**start)
        except UsageError as error:
            raise ValueError(f"{item.source.name}: {error}") from error


def arguments_of(item: Item) -> dict[str, Any]:
    """Return what a command is given by an item's words, by the names of its parameters."""
    from napari_deltamic.cli.app import app

    words = item.words(Path(item.name))
    _, bound, *_ = app.parse_args(words, exit_on_error=False, print_error=False)
    return dict(bound.arguments)
