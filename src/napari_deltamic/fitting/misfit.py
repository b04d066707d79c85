"""The misfit of a mesh's rendering as least squares: its value, gradient and linear unknowns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import Brightness, Topology, lit
from napari_deltamic.fitting.linear import bilinear_minimum
from napari_deltamic.fitting.problem import Problem, density_modes, inner, positions_of, threads_for

_NONE = np.empty(0)


class Evaluation(NamedTuple):
    """The misfit of one mesh."""

    loss: float
    """Squared residuals, with the problem's weights, over the data's, background removed."""
    gradient: torch.Tensor
    """(V, 3) float64 of the loss in the vertices, per um, where they lie."""
    brightness: Brightness
    """Scaled to fit best."""
    penalty: float = 0.0
    """What a prior adds to the loss; its gradient is in :attr:`gradient`."""
    shift: NDArray[np.float64] = _NONE
    """(P,) how far each variation of the optics goes to fit best."""

    @property
    def objective(self) -> float:
        """What is minimised."""
        return self.loss + self.penalty


class Variations(NamedTuple):
    """Small changes of the optics, in which the rendering is taken as linear."""

    transfer: list[torch.Tensor]
    """Derivative of :attr:`Problem.transfer` in each of P raw values."""
    lower: NDArray[np.float64]
    """(P,) smallest change."""
    upper: NDArray[np.float64]
    """(P,) largest change."""
    expected: NDArray[np.float64]
    """(P,) the change that leads to what was known beforehand."""
    precision: NDArray[np.float64]
    """(P,) what the square of the distance from there costs, in units of the loss."""

    def penalty(self, shift: NDArray[np.float64]) -> float:
        """Return what the prior adds to the loss."""
        return float((self.precision * np.square(shift - self.expected)).sum())


def evaluate(
    problem: Problem,
    vertices: torch.Tensor,
    topology: Topology,
    brightness: Brightness,
    variations: Variations | None = None,
) -> Evaluation:
    """Return the misfit with the brightness of each kind and the background at their best.

    Parameters
    ----------
    problem
        The stage's problem.
    vertices
        (V, 3) float64 in um from the centre of voxel 0.
    topology
        Of the mesh.
    brightness
        Its ratios within membrane and interior are kept; the two scales and the background are
        solved for, which by the envelope theorem leaves the gradient as if they were fixed.
    variations
        Changes of the optics that are solved for together with them; what their prior adds is the
        evaluation's penalty.
    """
    with threads_for(problem):
        return _evaluate(problem, vertices, topology, brightness, variations)


def _evaluate(
    problem: Problem,
    vertices: torch.Tensor,
    topology: Topology,
    brightness: Brightness,
    variations: Variations | None,
) -> Evaluation:
    positions = positions_of(problem, vertices).detach().requires_grad_()
    dense = Brightness(lit(brightness.membrane), lit(brightness.interior), 0.0)
    kinds = [
        Brightness(dense.membrane, _NONE, 0.0),
        Brightness(_NONE, dense.interior, 0.0),
    ]
    kinds = [kind for kind in kinds if len(kind.membrane) or len(kind.interior)]
    modes = [density_modes(problem, positions, topology, kind) for kind in kinds]
    columns = [problem.project(one * problem.transfer) for one in modes]
    with torch.no_grad():
        scales, shift = _best(problem, columns, modes, variations)
    residual = -problem.target
    if problem.constant is not None:
        residual = residual + scales[-1] * problem.constant
    for scale, column in zip(scales, columns, strict=False):
        residual = residual + float(scale) * column
    penalty = 0.0
    if variations is not None:
        change = torch.zeros_like(problem.transfer)
        for length, transfer in zip(shift, variations.transfer, strict=True):
            change = change + float(length) * transfer
        light = torch.zeros_like(change)
        for scale, one in zip(scales, modes, strict=False):
            light = light + float(scale) * one
        residual = residual + problem.project(light * change)
        penalty = variations.penalty(shift)
    loss = (
        torch.view_as_real(residual).square().sum()
        if residual.is_complex()
        else (residual.square().sum())
    )
    loss = loss / problem.energy
    (gradient,) = torch.autograd.grad(loss, positions)
    scale_of = iter(scales)
    scaled = Brightness(
        dense.membrane * next(scale_of) if len(dense.membrane) else dense.membrane,
        dense.interior * next(scale_of) if len(dense.interior) else dense.interior,
        float(scales[-1]) if problem.constant is not None else 0.0,
        brightness.attenuation,
    )
    return Evaluation(float(loss.detach()), gradient.to(vertices), scaled, penalty, shift)


def _best(
    problem: Problem,
    columns: list[torch.Tensor],
    modes: Sequence[torch.Tensor] = (),
    variations: Variations | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what fits best: the nonnegative factor of each column, and the variations' lengths.

    The background is the last of the factors, if it is free. ``modes`` are what the columns are
    rendered from.
    """
    free = [] if problem.constant is None else [problem.constant]
    varied = () if variations is None else variations.transfer
    changes = [problem.project(one * transfer) for one in modes for transfer in varied]
    everything = [*columns, *free, *changes]
    products = [[inner(a, b) for b in [*everything, problem.target]] for a in everything]
    # Together, because each number that is asked of a GPU costs a wait.
    table = torch.stack([torch.stack(row) for row in products]).double().cpu().numpy()
    prior = 4 * (_NONE,)
    if variations is not None:
        cost = problem.energy * variations.precision
        prior = variations.lower, variations.upper, variations.expected, cost
    return bilinear_minimum(table[:, :-1], table[:, -1], len(columns), *prior)
