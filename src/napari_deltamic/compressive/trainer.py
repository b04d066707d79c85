"""The loop of a training, step by step."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import torch

from napari_deltamic.compressive.checkpoint import identity_of, load_checkpoint, save_checkpoint
from napari_deltamic.compressive.losses import segmentation_loss, structural_similarity
from napari_deltamic.compressive.model import CompressiveModel
from napari_deltamic.compressive.patches import Patches
from napari_deltamic.compressive.progress import Progress
from napari_deltamic.compressive.schedule import SOFT_PART, rate_at, slope_at
from napari_deltamic.compressive.state import Epoch, Task, TrainingResult, TrainingState
from napari_deltamic.imaging import Camera, photon_gain

_log = logging.getLogger(__name__)

# Logits are of the order of one, weights of a tenth.
_PATTERN_RATE = 20.0
# From where the other tasks have ended; at their rate what they learned would be lost first.
_JOINT_RATE = 0.2
# Enough to tell epochs apart.
_VALIDATION_PATCHES = 32
# Their gradient takes a tenth of a second, within which a training can be stopped.
_VOXELS_AT_ONCE = 2**17


class Trainer:
    """A training; see :func:`~napari_deltamic.compressive.train` for its arguments and errors."""

    def __init__(
        self,
        model: CompressiveModel,
        training: Patches,
        validation: Patches,
        task: Task = "reconstruct",
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> None:
        _check(model, training, validation, task)
        self.model, self.task, self.file = model, task, checkpoint
        self.training, self.validation = training, _thinned(validation)
        self.steps = model.settings.epochs * model.settings.steps_per_epoch
        self.camera = camera_of(model, training)
        if task != "segment":
            model.get_buffer("frame_level").fill_(_frame_level(model, training))
        self.part = max(1, _VOXELS_AT_ONCE // math.prod(training.field))
        groups = _learned(model, task)
        self.rates = [group["lr"] for group in groups]
        self.optimiser = torch.optim.Adam(groups)
        self.progress = Progress(torch.Generator().manual_seed(model.settings.seed))
        self.identity = ""
        if checkpoint is not None:
            if not checkpoint.parent.is_dir():
                raise ValueError(f"checkpoint: there is no folder {checkpoint.parent}; make it")
            self.identity = identity_of(model, training, validation, task)
            if resume and checkpoint.exists():
                self.progress = load_checkpoint(
                    checkpoint, self.identity, self.model, self.optimiser
                )

    def states(self) -> Iterator[TrainingState]:
        """Yield where the training stands, several times a second."""
        settings, progress = self.model.settings, self.progress
        while not self._end():
            losses = []
            for _ in range(settings.steps_per_epoch):
                self.optimiser.zero_grad()
                loss = 0.0
                for share in self._gradients():
                    loss += share
                    yield self._state(loss)
                self._step()
                losses.append(loss)
            total = 0.0
            generator = torch.Generator().manual_seed(settings.seed)
            for batch in self.validation.batches(self.part):
                with torch.no_grad():
                    total += float(self._loss(batch, None, generator)) * len(batch)
                yield self._state(losses[-1])
            epoch = Epoch(
                len(progress.epochs) + 1, sum(losses) / len(losses), total / len(self.validation)
            )
            progress.finish(epoch, self.model)
            self._keep()
            yield self._state(losses[-1], epoch)

    def _keep(self) -> None:
        """Write the progress, if it is to be kept."""
        if self.file is None:
            return
        # Hours of training count for more than the means to go on from them.
        try:
            save_checkpoint(self.file, self.identity, self.progress, self.model, self.optimiser)
        except OSError as error:
            reason = error.strerror or error
            _log.warning("the progress could not be kept in %s (%s)", self.file, reason)

    def result(self, stopped: str | None = None) -> TrainingResult:
        """Return the model with its best weights; ``stopped`` says why if it was ended early."""
        progress = self.progress
        if progress.weights is not None:
            self.model.load_state_dict(progress.weights)
        end = self._end()
        reason = end or stopped or "ended before its time"
        return TrainingResult(self.model, list(progress.epochs), progress.best, not end, reason)

    def _end(self) -> str:
        """Return why the training is over, or nothing if it is not."""
        settings, progress = self.model.settings, self.progress
        done = len(progress.epochs)
        if done >= settings.epochs:
            return f"all {done} epochs are done"
        # While masks are soft, what binary ones would do is no measure.
        since = max(progress.best, round(self._soft_part() * settings.epochs))
        if done - since >= settings.patience:
            return f"no better in {settings.patience} epochs, {done} in all"
        return ""

    def _soft_part(self) -> float:
        return SOFT_PART if self.task == "reconstruct" else 0.0

    def _state(self, loss: float, finished: Epoch | None = None) -> TrainingState:
        done = len(self.progress.epochs)
        number = done if finished else done + 1
        return TrainingState(number, self.progress.step, self.steps, loss, finished)

    def _gradients(self) -> Iterator[float]:
        """Add up the gradients of one batch, part by part, and yield each part's share."""
        progress = self.progress
        batch = self.training.drawn(self.model.settings.batch_size, progress.generator)
        soft = self.task == "reconstruct"
        slope = slope_at(progress.step / self.steps) if soft else None
        for part in batch.batches(self.part):
            loss = self._loss(part, slope, progress.generator) * (len(part) / len(batch))
            loss.backward()
            yield float(loss.detach())

    def _step(self) -> None:
        factor = rate_at(self.progress.step, self.steps)
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = factor * rate
        self.optimiser.step()
        self.progress.step += 1

    def _loss(
        self, batch: Patches, slope: float | None, generator: torch.Generator
    ) -> torch.Tensor:
        fixed = self.task == "segment"
        with torch.set_grad_enabled(torch.is_grad_enabled() and not fixed):
            images = self.model(batch.images, slope, self.camera, generator)
        loss: torch.Tensor = images.new_zeros(())
        if not fixed:
            loss = loss + image_loss(images, batch.images, self.model.settings.loss)
        if self.task != "reconstruct" and batch.targets is not None:
            loss = loss + segmentation_loss(self.model.segmented(images), batch.targets)
        return loss


def camera_of(model: CompressiveModel, training: Patches) -> Camera | None:
    """Return the camera that gives the dose of the model's settings, or None without noise."""
    settings = model.settings
    if settings.photons is None:
        return None
    return Camera(photon_gain(training.images, settings.photons), settings.read_noise)


def image_loss(images: torch.Tensor, truth: torch.Tensor, kind: str) -> torch.Tensor:
    """Return the mean absolute error, or one minus the mean SSIM, of (N, Z, Y, X) images."""
    error = 1.0 - structural_similarity(images, truth) if kind == "ssim" else images - truth
    mean: torch.Tensor = error.abs().mean()
    return mean


def _frame_level(model: CompressiveModel, training: Patches) -> float:
    """Return the mean of the training images' frames, from some of them."""
    with torch.no_grad():
        return float(model.frames(_thinned(training).images, model.patterns()).mean())


def _learned(model: CompressiveModel, task: Task) -> list[dict[str, Any]]:
    """Return what the optimiser moves, in groups with their learning rates."""
    rate = model.settings.learning_rate * (_JOINT_RATE if task == "joint" else 1.0)
    decoder = [*model.upsampling.parameters(), *model.refinement.parameters()]
    head = list(model.segmentation.parameters())
    weights = {"reconstruct": decoder, "segment": head, "joint": decoder + head}[task]
    groups: list[dict[str, Any]] = [{"params": weights, "lr": rate}]
    masks = list(model.patterns.parameters())
    if masks and task != "segment":
        groups.append({"params": masks, "lr": _PATTERN_RATE * rate})
    return groups


def _thinned(patches: Patches) -> Patches:
    """Return some of the patches, evenly."""
    index = torch.linspace(0, len(patches) - 1, min(len(patches), _VALIDATION_PATCHES))
    return patches.part(index.round().long())


def _check(model: CompressiveModel, training: Patches, validation: Patches, task: Task) -> None:
    if task not in get_args(Task):
        raise ValueError(f"task: expected one of {get_args(Task)}, got {task!r}")
    for name, patches in (("training", training), ("validation", validation)):
        if patches.field != model.acquisition.shape:
            raise ValueError(
                f"{name}: patches of {patches.field} voxels do not fit the model's field, "
                f"{model.acquisition.shape}"
            )
        if task != "reconstruct" and patches.targets is None:
            raise ValueError(f"{name}: the task {task!r} needs patches with targets")
