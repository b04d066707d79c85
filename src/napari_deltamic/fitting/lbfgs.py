"""Limited-memory BFGS with a smoothing metric and a limit on how far a vertex may move.

Liu and Nocedal (1989), with the preconditioner of the mesh in place of the scaled identity. All
vectors are (V, 3) float64 tensors of one device; of their products only what decides is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import torch

from napari_deltamic.fitting.misfit import Evaluation
from napari_deltamic.fitting.preconditioner import Smoother
from napari_deltamic.mesh.steps import at_once
from napari_deltamic.torch_threads import torch_threads

_PAIRS = 8
_SUFFICIENT_DECREASE = 1e-4
_SHRINK = 0.4
_TRIALS = 6
# The first step has no curvature to go by.
_FIRST_STEP = 0.3


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    # Not torch.dot: its rounding depends on where in memory the numbers lie.
    return (a * b).sum()


@dataclass
class Memory:
    """The last steps and what they did to the gradient; ``smoothed`` is P y of the newest."""

    steps: list[torch.Tensor] = field(default_factory=list)
    changes: list[torch.Tensor] = field(default_factory=list)
    smoothed: torch.Tensor | None = None

    def remember(self, step: torch.Tensor, change: torch.Tensor, smooth: Smoother) -> None:
        """Add a pair, unless it shows no positive curvature."""
        curvature = _dot(step, change)
        if curvature > 1e-10 * torch.sqrt(_dot(step, step) * _dot(change, change)):
            # First what may run out of memory, so that the three stay of one kind.
            self.smoothed = smooth(change)
            self.steps = [*self.steps, step][-_PAIRS:]
            self.changes = [*self.changes, change][-_PAIRS:]

    def forget(self) -> None:
        """Drop all pairs."""
        self.steps, self.changes, self.smoothed = [], [], None

    def on(self, device: torch.device) -> Memory:
        """Return the same on a device."""
        return Memory(
            [step.to(device) for step in self.steps],
            [change.to(device) for change in self.changes],
            None if self.smoothed is None else self.smoothed.to(device),
        )

    def direction(self, gradient: torch.Tensor, smooth: Smoother) -> torch.Tensor:
        """Return the quasi-Newton step (the two-loop recursion)."""
        remaining = gradient.clone()
        pairs = [
            (step, change, 1.0 / _dot(step, change))
            for step, change in zip(self.steps, self.changes, strict=True)
        ]
        factors = []
        for step, change, inverse in reversed(pairs):
            factors.append(inverse * _dot(step, remaining))
            remaining -= factors[-1] * change
        result = smooth(remaining)
        if self.smoothed is not None:
            step, change, inverse = pairs[-1]
            result = result / (inverse * _dot(change, self.smoothed))
        for (step, change, inverse), factor in zip(pairs, reversed(factors), strict=True):
            result = result + step * (factor - inverse * _dot(change, result))
        return -result


def anything(position: torch.Tensor, step: torch.Tensor) -> Generator[None, None, torch.Tensor]:
    """Allow every step."""
    yield from ()
    return step


def stepping(
    evaluate: Callable[[torch.Tensor], Evaluation],
    position: torch.Tensor,
    here: Evaluation,
    memory: Memory,
    smooth: Smoother,
    farthest: float,
    allowed: Callable[[torch.Tensor, torch.Tensor], Generator[None, None, torch.Tensor]] = anything,
) -> Generator[None, None, tuple[torch.Tensor, Evaluation] | None]:
    """Take one step downhill bit by bit; return None if there is none.

    Parameters
    ----------
    evaluate
        The objective.
    position
        (V, 3) in um.
    here
        The objective there.
    memory
        Of earlier steps; changed in place.
    smooth
        The metric.
    farthest
        Largest displacement of a vertex in um.
    allowed
        Returns what may be done of a step at a position.
    """
    while True:
        # Vectors of a mesh are short, and torch's threads would rather wait than work.
        with torch_threads(1):
            direction = memory.direction(here.gradient, smooth)
            longest = float(direction.square().sum(dim=1).max().sqrt())
            if not memory.steps and longest > 0:
                direction = direction * (_FIRST_STEP * farthest / longest)
            elif longest > farthest:
                direction = direction * (farthest / longest)
        direction = yield from allowed(position, direction)
        with torch_threads(1):
            slope = float(_dot(direction, here.gradient))
        length = 1.0
        for _ in range(_TRIALS if slope < 0 else 0):
            yield
            moved = position + length * direction
            there = evaluate(moved)
            if there.objective <= here.objective + _SUFFICIENT_DECREASE * length * slope:
                with torch_threads(1):
                    memory.remember(moved - position, there.gradient - here.gradient, smooth)
                return moved, there
            length *= _SHRINK
        if not memory.steps:
            return None
        # What was remembered misleads here; start again from the smoothed gradient.
        memory.forget()


def step(
    evaluate: Callable[[torch.Tensor], Evaluation],
    position: torch.Tensor,
    here: Evaluation,
    memory: Memory,
    smooth: Smoother,
    farthest: float,
) -> tuple[torch.Tensor, Evaluation] | None:
    """Do what :func:`stepping` does at once."""
    return at_once(stepping(evaluate, position, here, memory, smooth, farthest))
