"""What a training shows while it runs and what it ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from napari_deltamic.compressive.model import CompressiveModel

Task = Literal["reconstruct", "segment", "joint"]


class Epoch(NamedTuple):
    """One round of training."""

    number: int
    """From 1."""
    training_loss: float
    """Mean over its steps."""
    validation_loss: float
    """With binary masks."""


class TrainingState(NamedTuple):
    """Where a training stands."""

    epoch: int
    """The current one, from 1."""
    step: int
    """Steps that are done."""
    steps: int
    """Steps that there are at most."""
    loss: float
    """The latest."""
    finished: Epoch | None = None
    """The epoch that has just ended, if one has."""


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a training ends with.

    Attributes
    ----------
    model
        The one given, with the weights of its best epoch; or the latest before the first ended.
    epochs
        Their losses.
    best
        The best epoch's number; 0 if none ended.
    stopped
        Whether it was ended before its time.
    stop_reason
        A sentence saying why it ended.
    """

    model: CompressiveModel
    epochs: list[Epoch]
    best: int
    stopped: bool
    stop_reason: str
