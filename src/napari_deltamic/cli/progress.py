"""The progress bar of a fit."""

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
    from napari_deltamic.fitting import FitState


@contextmanager
def fit_progress() -> Iterator[Callable[[FitState], None]]:
    """Show a progress bar, and yield the ``on_state`` that moves it.

    Without a terminal, in a log file say, one line a stage takes the place of the bar.
    """
    target = errors_console()
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
    announced = -1
    with bar:
        task = bar.add_task("preparing", total=1.0, loss="")

        def on_state(state: FitState) -> None:
            nonlocal announced
            if not target.is_terminal and state.stage != announced:
                target.print(
                    f"stage {state.stage + 1} of {state.stages} from iteration {state.iteration}, "
                    f"loss {state.loss:.3g}"
                )
            announced = state.stage
            bar.update(
                task,
                completed=state.progress,
                description=f"stage {state.stage + 1}/{state.stages}",
                loss=f"loss {state.loss:.3g}",
            )

        yield on_state
