"""One training of a compressive model in one thread of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.compressive_session import KnownModel
from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.mailbox import Mailbox
from napari_deltamic.torch_threads import some_torch_threads

if TYPE_CHECKING:
    from napari_deltamic.compressive import (
        CompressiveModel,
        CompressiveSettings,
        Patches,
        Split,
        TrainingResult,
    )
    from napari_deltamic.compressive.state import Epoch, Task
    from napari_deltamic.imaging import Camera
    from napari_deltamic.optics import PSF
    from napari_deltamic.plugin.spatial import StackSource

_logger = logging.getLogger(__name__)

THREAD_NAME = "napari-deltamic training"


class TrainingPreview(NamedTuple):
    """What a model is like, small enough to be drawn."""

    masks: NDArray[np.bool_]
    """(T, Y, X) where each pattern is lit."""
    truth: NDArray[np.float32] | None = None
    """(Y, X) a plane kept from training, from 0 to 1."""
    reconstruction: NDArray[np.float32] | None = None
    """(Y, X) what the model makes of its frames."""
    interpolated: NDArray[np.float32] | None = None
    """(Y, X) what bicubic interpolation makes of as many."""


class TrainingStack(NamedTuple):
    """An image to train on, and labels of what is to be found in it."""

    image: StackSource
    labels: StackSource | None = None


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What a training is given.

    Attributes
    ----------
    name
        Of the model.
    stacks
        To train on; labels for all of them or for none.
    settings
        As entered.
    spacing
        (3,) voxel size in um.
    make_psf
        Makes the blur of excitation and emission; called on the worker's thread.
    finds_borders
        Whether the borders of labels are to be found, rather than what is labelled.
    learns_for_task
        Whether patterns are trained for the labels too.
    """

    name: str
    stacks: tuple[TrainingStack, ...]
    settings: CompressiveSettings
    spacing: NDArray[np.float64]
    make_psf: Callable[[], PSF]
    finds_borders: bool = False
    learns_for_task: bool = False

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is trained, one after the other."""
        if any(stack.labels is None for stack in self.stacks):
            return ("reconstruct",)
        if self.learns_for_task:
            return ("reconstruct", "segment", "joint")
        return ("reconstruct", "segment")


class CompressiveWorker:
    """Trains, and leaves what it publishes where the GUI thread can fetch it.

    Attributes
    ----------
    job
        As given.
    previews
        The latest patterns and images, one at the end of each epoch.
    epochs
        Losses of the task at hand; only ever appended to, and another list for another task.
    task
        Which that is.
    progress
        Fraction that is done at least, 0 to 1.
    epoch
        The current one, from 1; 0 before the first.
    outcome
        The model, once the thread has ended; None if no epoch was finished.
    error
        What went wrong.
    """

    def __init__(self, job: TrainingJob) -> None:
        self.job = job
        self.previews: Mailbox[TrainingPreview] = Mailbox()
        self.epochs: list[Epoch] = []
        self.task: Task = "reconstruct"
        self.progress, self.epoch = 0.0, 0
        self.outcome: KnownModel | None = None
        self.error: Exception | None = None
        self._stop, self._is_abandoned = Event(), Event()
        self._thread = Thread(target=self._run, name=THREAD_NAME, daemon=True)

    @property
    def phase(self) -> Phase:
        """What the training is doing now."""
        # A thread has an identity from its start on.
        if self._thread.ident is None:
            return Phase.PREPARING
        if not self._thread.is_alive():
            return Phase.FAILED if self.error is not None else Phase.FINISHED
        if self._stop.is_set():
            return Phase.STOPPING
        return Phase.RUNNING if self.epoch else Phase.PREPARING

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end with its best epoch; it does within a fraction of a second."""
        self._stop.set()

    def abandon(self) -> None:
        """Ask it to end at once, with nothing."""
        self._is_abandoned.set()
        self._stop.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread; return whether it has ended, or was never started."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            engine.load_compressive()
            with some_torch_threads():
                self._train()
        except Exception as error:
            # A ValueError is for the user, and its sentence says it all.
            is_told = isinstance(error, ValueError)
            _logger.error("the training failed: %s", error, exc_info=not is_told)
            self.error = error

    def _train(self) -> None:
        from napari_deltamic.compressive import CompressiveModel, camera_of

        job = self.job
        split = split_of(job)
        if self._stop.is_set():
            return
        psf = job.make_psf()
        model = CompressiveModel(job.settings, split.training.field, job.spacing, psf, psf)
        shown = _richest(split.validation)
        self.previews.put(preview_of(model, shown))
        results: list[TrainingResult] = []
        for number, task in enumerate(job.tasks):
            result = self._train_for(model, split, task, shown, number)
            if result.best:
                results.append(result)
            if self._stop.is_set():
                break
        if results and not self._is_abandoned.is_set():
            self._conclude(model, split, shown, results, camera_of(model, split.training))

    def _train_for(
        self, model: CompressiveModel, split: Split, task: Task, shown: Patches, number: int
    ) -> TrainingResult:
        from napari_deltamic.compressive.trainer import Trainer

        count = len(self.job.tasks)
        trainer = Trainer(model, split.training, split.validation, task)
        self.epochs, self.task = [], task
        for state in trainer.states():
            self.epoch = state.epoch
            self.progress = (number + state.step / state.steps) / count
            if state.finished is not None:
                self.epochs.append(state.finished)
                self.previews.put(preview_of(model, shown))
            if self._stop.is_set():
                return trainer.result(f"stopped in epoch {state.epoch}")
        self.progress = (number + 1) / count
        return trainer.result()

    def _conclude(
        self,
        model: CompressiveModel,
        split: Split,
        shown: Patches,
        results: list[TrainingResult],
        camera: Camera | None,
    ) -> None:
        from napari_deltamic.compressive import interpolation_scored, scored

        test = split.test if model.segments else type(split.test)(split.test.images)
        last = results[-1]
        self.outcome = KnownModel(
            self.job.name,
            model,
            scored(model, test, camera),
            interpolation_scored(model, test, camera),
            preview_of(model, shown),
            tuple(self.epochs or last.epochs),
            last.stop_reason + f", the best was epoch {last.best}",
        )


def split_of(job: TrainingJob) -> Split:
    """Return a job's patches; reads its images.

    Raises
    ------
    ValueError
        If they cannot be trained on; the message names the layer.
    """
    from napari_deltamic.compressive import field_size, split_stacks
    from napari_deltamic.compressive.label_walls import walls

    volumes = [stack.image.load().data for stack in job.stacks]
    targets: list[NDArray[np.bool_]] | None = None
    if len(job.tasks) > 1:
        labels = [stack.labels.read() for stack in job.stacks if stack.labels is not None]
        targets = [walls(one) if job.finds_borders else one > 0 for one in labels]
    size = field_size([volume.shape for volume in volumes], job.settings.binning)
    try:
        return split_stacks(volumes, size, targets)
    except ValueError:
        for stack, volume in zip(job.stacks, volumes, strict=True):
            try:
                split_stacks([volume], size)
            except ValueError as error:
                raise ValueError(f"{stack.image.name!r}: {in_words(str(error))}") from error
        raise


def preview_of(model: CompressiveModel, shown: Patches | None = None) -> TrainingPreview:
    """Return a model's patterns, and its image of one patch."""
    import torch

    from napari_deltamic.compressive.applying import interpolated

    masks = model.patterns.binary().numpy()
    if shown is None:
        return TrainingPreview(masks)
    with torch.no_grad():
        found = (shown.images, model(shown.images), interpolated(model, shown.images))
    return TrainingPreview(masks, *(image[0, 0].numpy().copy() for image in found))


def in_words(message: str) -> str:
    """Return a message of the library without the name of its argument."""
    name, colon, rest = message.partition(": ")
    if not colon or not name.isidentifier():
        return message
    if rest[:1].isdigit() and name == "binning":
        return f"Binning {rest}"
    return rest[:1].upper() + rest[1:]


def _richest(patches: Patches) -> Patches:
    """Return the patch with the most contrast."""
    number = int(patches.images.std(dim=(1, 2, 3)).argmax())
    return patches.part(slice(number, number + 1))
