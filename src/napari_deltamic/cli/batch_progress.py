"""The progress bar of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from napari_deltamic.cli.terminal import errors_console

if TYPE_CHECKING:
    from napari_deltamic.batch import Outcome


@contextmanager
def batch_progress(count: int) -> Iterator[Callable[[Outcome], None]]:
    """Show a progress bar over items with a line for each, and yield the ``on_outcome`` for it."""
    target = errors_console()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=target,
        transient=True,
        disable=not target.is_terminal,
    )
    with bar:
        task = bar.add_task("fitting", total=count)

        def on_outcome(outcome: Outcome) -> None:
            took = (
                "done before" if outcome.skipped else f"{outcome.status}, {outcome.seconds:.0f} s"
            )
            message = f": {outcome.message}" if outcome.message else ""
            target.print(f"{outcome.name}: {took}{message}", markup=False, highlight=False)
            bar.advance(task)

        yield on_outcome
