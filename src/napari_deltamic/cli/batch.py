"""The command ``batch``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import CycloptsError, Parameter

from napari_deltamic.cli.errors import FAILURE, INTERRUPTED, SUCCESS, UsageError, parsing_sentence
from napari_deltamic.cli.paths import FOLDER
from napari_deltamic.cli.values import Flag, Whole
from napari_deltamic.cli.words import counted

if TYPE_CHECKING:
    from napari_deltamic.batch import Item, Outcome


def batch(
    *words: Annotated[str, Parameter(allow_leading_hyphen=True)],
    output: Annotated[Path, Parameter(alias="-o", validator=FOLDER)],
    movies: Flag = False,
    workers: Whole | None = None,
    threads: Whole = 1,
    scheduler: str | None = None,
    retries: Whole = 1,
    dry_run: Flag = False,
) -> int:
    """Fit many stacks with the same options, one after the other or side by side.

    Each fit gets a folder of its own, with what `fit` writes and a log. What is done is skipped
    when the same command is given again, what was stopped goes on. batch.csv says how all stand,
    and all_measures.csv has the measures of all. Ctrl-C stops it and makes the exit code 130.

    Parameters
    ----------
    words
        First what to fit: TIFF files or OME-Zarr images, folders of them, or one table (.csv) with
        a column stack or movie and more columns that are named like options. Then the options of
        `fit` that all share, such as --psf psf.json --auto.
    output
        The folder to write into; it is made where it does not exist.
    movies
        Whether the files are movies, for `timelapse`; in a table the column says so.
    workers
        How many fits at a time on this machine; by default one for each core.
    threads
        For each fit.
    scheduler
        Address of a Dask scheduler, such as tcp://host:8786, or the file it has written; its
        workers do the fits and must see the same files.
    retries
        How often a fit that failed is tried again.
    dry_run
        Print the command lines, and run none.
    """
    import shlex

    from napari_deltamic.batch import run_batch
    from napari_deltamic.batch.run import was_stopped
    from napari_deltamic.cli.batch_progress import batch_progress
    from napari_deltamic.cli.interrupt import stop_on_interrupt
    from napari_deltamic.cli.paths import output_folder
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.kernel_threads import thread_count

    items = chosen_items(words, movies)
    check_command_lines(items, output)
    if dry_run:
        for item in items:
            say(shlex.join(["napari-deltamic", *item.words(output / item.name)]))
        return SUCCESS
    inputs, shared = inputs_and_options(words)
    own = {"output": output.resolve(), "threads": threads, "retries": retries}
    whole = scheduler
    if scheduler is not None and Path(scheduler).is_file():
        whole = str(Path(scheduler).resolve())
    own |= {"workers": workers, "scheduler": whole, "movies": movies}
    with (
        output_folder("--output", output),
        executor_of(scheduler) as executor,
        batch_progress(len(items)) as on_outcome,
        stop_on_interrupt("meshes") as pressed,
    ):
        try:
            outcomes = run_batch(
                items,
                output,
                workers=max(1, thread_count() // threads) if workers is None else workers,
                executor=executor,
                threads=threads,
                retries=retries,
                on_outcome=on_outcome,
                should_stop=pressed,
                command=["batch", *inputs, *_typed(own), *shared],
            )
        except ValueError as error:
            raise UsageError(re.sub("^folder:", "--output:", str(error))) from error
        stopped = was_stopped(output)
    _print(items, outcomes)
    say(f"Wrote {output / 'batch.csv'}")
    if stopped:
        say("Run the same command again to go on.")
        return INTERRUPTED
    return SUCCESS if all(one.status == "done" for one in outcomes) else FAILURE


def chosen_items(words: Sequence[str], movies: bool) -> list[Item]:
    """Return the items of the first words, files and folders or a table, with the other ones."""
    from napari_deltamic.batch import items_of_files, items_of_table

    inputs, options = inputs_and_options(words)
    if not inputs:
        raise UsageError(
            "name the stacks first, a folder or a table; the options of fit come after"
        )
    tables = [name for name in inputs if name.lower().endswith(".csv")]
    if tables and len(inputs) > 1:
        raise UsageError(f"{tables[0]}: give one table, or files and folders, not both")
    if tables:
        return items_of_table(tables[0], options)
    return items_of_files(inputs, options, "timelapse" if movies else "fit")


def inputs_and_options(words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the first words, which say what to fit, and the options; files by whole paths."""
    from napari_deltamic.batch.items import with_whole_paths

    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    inputs = [str(Path(word).resolve()) for word in words[:first]]
    return inputs, with_whole_paths(words[first:])


def _typed(options: dict[str, Any]) -> list[str]:
    """Return options as they are typed, without those that were not given."""
    typed: list[str] = []
    for name, value in options.items():
        if value is True:
            typed.append(f"--{name}")
        elif value is not None and value is not False:
            typed += [f"--{name}", str(value)]
    return typed


def check_command_lines(items: Sequence[Item], folder: Path) -> None:
    """Raise a :class:`UsageError` for the first command line that cannot be run."""
    from napari_deltamic.cli.app import app

    for item in items:
        try:
            app.parse_args(item.words(folder), exit_on_error=False, print_error=False)
        except CycloptsError as error:
            raise UsageError(f"{item.source.name}: {parsing_sentence(error)}") from error


@contextmanager
def executor_of(scheduler: str | None) -> Iterator[Executor | None]:
    """Yield what runs the items on a Dask cluster; None for this machine."""
    if scheduler is None:
        yield None
        return
    try:
        import distributed
    except ImportError as error:
        raise UsageError(
            "--scheduler: needs Dask; pip install 'napari-deltamic[cluster]' here and where the "
            "workers run"
        ) from error
    address = scheduler_address(scheduler)
    # Dask has no types.
    connect: Any = distributed.Client
    try:
        client = connect(address=address, timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(f"--scheduler: {scheduler} does not answer ({error})") from error
    with client, client.get_executor(pure=False) as executor:
        yield executor


def scheduler_address(scheduler: str) -> str:
    """Return the address of a Dask scheduler that is given by it, or by the file it has written."""
    import json

    path = Path(scheduler)
    if not path.is_file():
        return scheduler
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["address"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--scheduler: {path} is not the file of a Dask scheduler") from error


def _print(items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
    from napari_deltamic.cli.tables import print_table
    from napari_deltamic.cli.terminal import say

    troubled = [one for one in outcomes if one.status != "done"]
    if troubled:
        print_table(
            "What needs a look",
            ("item", "", "message"),
            ((one.name, one.status, one.message) for one in troubled),
            words=3,
        )
    count = Counter("done before" if one.skipped else one.status for one in outcomes)
    count["not begun"] = len(items) - len(outcomes)
    parts = [f"{number} {status}" for status, number in count.items() if number]
    say(f"{counted(len(items), 'item')}: {', '.join(parts)}.")
