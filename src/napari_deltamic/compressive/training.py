"""Training: patterns and decoder together, a segmentation on top, or all of it for the task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_deltamic.compressive.model import CompressiveModel
from napari_deltamic.compressive.patches import Patches
from napari_deltamic.compressive.state import Task, TrainingResult, TrainingState
from napari_deltamic.compressive.trainer import Trainer
from napari_deltamic.torch_threads import some_torch_threads


def train(
    model: CompressiveModel,
    training: Patches,
    validation: Patches,
    task: Task = "reconstruct",
    on_state: Callable[[TrainingState], None] | None = None,
    *,
    should_stop: Callable[[], bool] | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> TrainingResult:
    """Train a model in place, as its settings say.

    Parameters
    ----------
    model
        What to train.
    training, validation
        Patches of the model's field; with targets unless the task is to reconstruct.
    task
        "reconstruct" trains patterns and decoder for the image. "segment" trains the segmentation
        alone, on reconstructions by patterns and decoder that stay. "joint" trains all of it for
        the segmentation and the image together, best from where both of the others have ended.
    on_state
        Called several times a second, on the thread that trains.
    should_stop
        Asked several times a second; once true, the result holds the best epoch so far.
    checkpoint
        File that the progress is kept in, epoch by epoch.
    resume
        Go on from that file if there is one, exactly as if never interrupted. The model and all
        other arguments must be those that the training began with.

    Returns
    -------
    TrainingResult
        The model, its losses and why the training ended.

    Raises
    ------
    ValueError
        If an argument makes no sense; the message names it and says what to do.
    """
    if resume and checkpoint is None:
        raise ValueError("resume: there is no checkpoint to go on from; name its file")
    file = None if checkpoint is None else Path(checkpoint)
    with some_torch_threads():
        trainer = Trainer(model, training, validation, task, file, resume)
        for state in trainer.states():
            if on_state is not None:
                on_state(state)
            if should_stop is not None and should_stop():
                return trainer.result(f"stopped by the user in epoch {state.epoch}")
    return trainer.result()
