"""A training as the command line runs it: with a progress bar, and stopped by Ctrl-C."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from napari_deltamic.cli.interrupt import stop_on_interrupt
from napari_deltamic.cli.terminal import errors_console, say
from napari_deltamic.compressive.state import Task

if TYPE_CHECKING:
    from napari_deltamic.compressive import CompressiveModel, Split, TrainingResult, TrainingState
    from napari_deltamic.compressive.state import Epoch


def run_training(
    model: CompressiveModel,
    split: Split,
    tasks: Sequence[Task],
    checkpoint: Path | None = None,
    resume: bool = False,
) -> TrainingResult:
    """Train a model for one task after another; the first Ctrl-C ends it with the best so far.

    Parameters
    ----------
    model
        What to train, in place.
    split
        What to train it on.
    tasks
        At least one.
    checkpoint
        File that the progress of the first task is kept in; those of the others lie beside it.
    resume
        Go on from these files, as far as there are any.
    """
    from napari_deltamic.compressive import train

    with stop_on_interrupt("model") as pressed:
        for task in tasks:
            file = None if checkpoint is None else checkpoint_of(checkpoint, task)
            with training_progress(task, model.settings.epochs) as on_state:
                try:
                    result = train(
                        model,
                        split.training,
                        split.validation,
                        task,
                        on_state,
                        should_stop=pressed,
                        checkpoint=file,
                        resume=resume,
                    )
                except ValueError as error:
                    # What torch has to say about a damaged file fills a screen.
                    said = re.sub(r" \(.*\)(?=;)", "", str(error), flags=re.DOTALL)
                    raise ValueError(
                        said.replace("start afresh", "start without --resume")
                    ) from error
            say(described(result, task))
            if result.stopped:
                break
    return result


def checkpoint_of(file: Path, task: Task) -> Path:
    """Return the checkpoint file of a task: that of a reconstruction is the one given."""
    return file if task == "reconstruct" else file.with_name(f"{file.stem}-{task}{file.suffix}")


def described(result: TrainingResult, task: Task) -> str:
    """Return what to say at the end of a task."""
    ended = f"{task}: {result.stop_reason}"
    if not result.best:
        return f"{ended}; none was finished, so the model is hardly trained."
    loss = result.epochs[result.best - 1].validation_loss
    return f"{ended}; the best was epoch {result.best}, validation loss {loss:.4g}."


@contextmanager
def training_progress(task: Task, epochs: int) -> Iterator[Callable[[TrainingState], None]]:
    """Show a progress bar, and yield the ``on_state`` that moves it.

    Without a terminal, in a log file say, one line an epoch takes the place of the bar.
    """
    target = errors_console()
    # Loads what printing needs: Ctrl-C in the middle of that could not be acknowledged.
    target.print("", end="")
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
        console=target,
        transient=True,
        disable=not target.is_terminal,
    )
    validation = ""
    with bar:
        shown = bar.add_task(f"{task}, preparing", total=1.0, loss="")

        def on_state(state: TrainingState) -> None:
            nonlocal validation
            if state.finished is not None:
                validation = f", validation {state.finished.validation_loss:.3g}"
                if not target.is_terminal:
                    target.print(_line(task, state.finished, epochs))
            bar.update(
                shown,
                completed=state.step / state.steps,
                description=f"{task}, epoch {state.epoch}/{epochs}",
                loss=f"loss {state.loss:.3g}{validation}",
            )

        yield on_state


def _line(task: Task, epoch: Epoch, epochs: int) -> str:
    return (
        f"{task}, epoch {epoch.number} of {epochs}: loss {epoch.training_loss:.4g}, "
        f"validation loss {epoch.validation_loss:.4g}"
    )
