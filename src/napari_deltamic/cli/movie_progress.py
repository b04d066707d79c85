"""The progress bar of a movie's fit."""

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
from napari_deltamic.cli.words import counted

if TYPE_CHECKING:
    from napari_deltamic.timelapse import FrameResult, TimelapseState


@contextmanager
def movie_progress() -> Iterator[Callable[[TimelapseState], None]]:
    """Show a progress bar, and yield the ``on_state`` that moves it.

    Warnings are written as they come. Without a terminal, in a log file say, one line a frame takes
    the place of the bar.
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
    with bar:
        task = bar.add_task("preparing", total=1.0, loss="")

        def on_state(state: TimelapseState) -> None:
            loss = "" if state.fit is None else f"loss {state.fit.loss:.3g}"
            bar.update(
                task, completed=state.progress, description=f"frame {state.frame}", loss=loss
            )
            if state.finished is not None:
                if not target.is_terminal:
                    target.print(described(state.finished))
                for text in state.finished.warnings:
                    target.print(f"Warning: frame {state.frame}: {text}", style="yellow")

        yield on_state


def described(frame: FrameResult) -> str:
    """Return a finished frame as a line to print."""
    return (
        f"frame {frame.frame}: {counted(len(frame.mesh.regions), 'region')}, "
        f"{counted(frame.iterations, 'iteration')} in {frame.seconds:.1f} s, loss {frame.loss:.3g}"
    )
