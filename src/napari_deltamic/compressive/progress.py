"""Where a training stands, besides the weights and the optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from napari_deltamic.compressive.state import Epoch


@dataclass
class Progress:
    """A training between two steps; ``weights`` are those of the best epoch."""

    generator: torch.Generator
    step: int = 0
    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0
    weights: dict[str, torch.Tensor] | None = None

    def finish(self, epoch: Epoch, model: torch.nn.Module) -> None:
        """Add an epoch, and keep the model's weights if none was better."""
        losses = [one.validation_loss for one in self.epochs]
        self.epochs.append(epoch)
        if not losses or epoch.validation_loss < min(losses):
            self.best = epoch.number
            self.weights = {name: value.clone() for name, value in model.state_dict().items()}
