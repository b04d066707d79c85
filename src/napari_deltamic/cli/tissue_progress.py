"""The progress bar of a tissue's fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from napari_deltamic.cli.terminal import errors_console

if TYPE_CHECKING:
    from napari_deltamic.tissue import TissueState


@contextmanager
def tissue_progress() -> Iterator[Callable[[TissueState], None]]:
    """Show a progress bar, and yield the ``on_state`` that moves it.

    Without a terminal, in a log file say, one line a block takes the place of the bar.
    """
    target = errors_console()
    # Loads what printing needs: Ctrl-C in the middle of that could not be acknowledged.
    target.print("", end="")
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=target,
        transient=True,
        disable=not target.is_terminal,
    )
    announced = None
    with bar:
        task = bar.add_task("preparing", total=1.0, loss="")

        def on_state(state: TissueState) -> None:
            nonlocal announced
            where = state.stage, state.leg, state.block
            text = f"block {state.block + 1}/{state.blocks}, round {state.round}/{state.rounds}"
            if not target.is_terminal and where != announced:
                target.print(text)
            announced = where
            bar.update(
                task,
                completed=state.progress,
                description=text,
                loss=f"loss {state.loss:.3g}",
            )

        yield on_state
