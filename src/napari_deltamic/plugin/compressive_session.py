"""The compressive models of a viewer and the training that runs, without Qt."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING

from napari_deltamic.compressive.settings import CompressiveSettings

if TYPE_CHECKING:
    from napari_deltamic.compressive import CompressiveModel, Scores
    from napari_deltamic.compressive.state import Epoch
    from napari_deltamic.plugin.compressive_worker import CompressiveWorker, TrainingPreview

# A training normally stops within a fraction of a second; a window must close in any case.
CLOSE_SECONDS = 2.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class KnownModel:
    """A model that was trained or opened in a viewer.

    Attributes
    ----------
    name
        What tells it from the viewer's others.
    model
        The model itself.
    scores, interpolated
        On planes kept from training, its own and those of bicubic interpolation; None for a model
        from a file.
    preview
        Its patterns, and one image where that is known.
    epochs
        The losses of its training.
    stop_reason
        Why that ended.
    """

    name: str
    model: CompressiveModel
    scores: Scores | None
    interpolated: Scores | None
    preview: TrainingPreview
    epochs: tuple[Epoch, ...] = ()
    stop_reason: str = ""


class CompressiveSession:
    """What the *Compressive imaging* dock shows; it outlives the dock.

    All methods are for one thread, the GUI's.

    Attributes
    ----------
    settings
        Of the next training.
    models
        All that were trained or opened, the newest last.
    chosen
        The one in use; None before there is any.
    worker
        The training that runs; None if none does.
    is_closed
        Set once the viewer is closed: what still computes should end.
    """

    def __init__(self) -> None:
        self.settings = CompressiveSettings()
        self.models: list[KnownModel] = []
        self.chosen: KnownModel | None = None
        self.worker: CompressiveWorker | None = None
        self.is_closed = Event()

    def start(self, worker: CompressiveWorker) -> None:
        """Start a training.

        Raises
        ------
        RuntimeError
            If one is running.
        """
        if self.worker is not None:
            raise RuntimeError("a training is running; stop it before starting another")
        self.worker = worker
        worker.start()

    def stop(self) -> None:
        """End the training with its best epoch."""
        if self.worker is not None:
            self.worker.stop()

    def collect(self) -> CompressiveWorker | None:
        """Return the training if it has ended since the last time; its model is kept."""
        worker = self.worker
        if worker is None or not worker.phase.is_over:
            return None
        self.worker = None
        if worker.outcome is not None:
            self.add(worker.outcome)
        return worker

    def add(self, known: KnownModel) -> KnownModel:
        """Keep a model and make it the one in use."""
        names, name, number = {one.name for one in self.models}, known.name, 2
        while name in names:
            name, number = f"{known.name} [{number}]", number + 1
        named = replace(known, name=name)
        self.models.append(named)
        self.chosen = named
        return named

    def close(self) -> None:
        """Stop all and wait a little for the training's thread; models are let go."""
        self.is_closed.set()
        worker, self.worker = self.worker, None
        self.models, self.chosen = [], None
        if worker is not None:
            worker.abandon()
            if not worker.join(CLOSE_SECONDS):
                _logger.warning("the training did not stop in time; it is left to end by itself")
