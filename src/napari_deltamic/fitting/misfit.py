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
from napari_deltamic.fitting.still_light import StillLight

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
    still: StillLight | None = None,
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
    still
        Renders the mesh if some of its vertices are held.
    """
    with threads_for(problem):
        return _evaluate(problem, vertices, topology, brightness, variations, still)


def _evaluate(
    problem: Problem,
    vertices: torch.Tensor,
    topology: Topology,
    brightness: Brightness,
    variations: Variations | None,
    still: StillLight | None,
) -> Evaluation:
    positions = positions_of(problem, vertices).detach().requires_grad_()
    dense = Brightness(lit(brightness.membrane), lit(brightness.interior), 0.0)
    kinds = [
        Brightness(dense.membrane, _NONE, 0.0),
        Brightness(_NONE, dense.interior, 0.0),
    ]
    kinds = [kind for kind in kinds if len(kind.membrane) or len(kind.interior)]
    if still is None:
        modes = [density_modes(problem, positions, topology, kind) for kind in kinds]
    else:
        modes = [still.modes(problem, positions, kind) for kind in kinds]
    with torch.no_grad():
        light = [one.detach() for one in modes]
        blurred = [one * problem.transfer for one in light]
    # What leads back from the data to the modes is the same for all kinds: one of them does.
    first = problem.project(blurred[0].requires_grad_())
    with torch.no_grad():
        columns = [first.detach(), *map(problem.project, blurred[1:])]
        scales, shift = _best(problem, columns, light, variations)
        # In place: another vector of the data's size would take as long as all that is done to it.
        residual = columns[0].mul_(float(scales[0]))
        for scale, column in zip(scales[1:], [*columns[1:], *_free(problem)], strict=True):
            residual.add_(column, alpha=float(scale))
        residual.sub_(problem.target)
        transfer, penalty = problem.transfer, 0.0
        if variations is not None:
            change = _sum(shift, variations.transfer)
            residual += problem.project(_sum(scales, light) * change)
            transfer, penalty = transfer + change, variations.penalty(shift)
        numbers = torch.view_as_real(residual) if residual.is_complex() else residual
        # Not a dot product, which rounds too much for losses that are to be compared.
        loss = float(numbers.square().sum()) / problem.energy
    (slope,) = torch.autograd.grad(first, blurred[0], residual)
    with torch.no_grad():
        slope = slope * transfer.conj()
        slopes = [float(scale) * slope for scale, _ in zip(scales, modes, strict=False)]
    (gradient,) = torch.autograd.grad(modes, positions, slopes)
    gradient = gradient.to(vertices) * (2.0 / problem.energy)
    scale_of = iter(scales)
    scaled = Brightness(
        dense.membrane * next(scale_of) if len(dense.membrane) else dense.membrane,
        dense.interior * next(scale_of) if len(dense.interior) else dense.interior,
        float(scales[-1]) if problem.constant is not None else 0.0,
        brightness.attenuation,
    )
    return Evaluation(loss, gradient, scaled, penalty, shift)


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
    varied = () if variations is None else variations.transfer
    changes = [problem.project(one * transfer) for one in modes for transfer in varied]
    everything = [*columns, *_free(problem), *changes]
    products = [
        inner(a, b) for i, a in enumerate(everything) for b in [*everything[i:], problem.target]
    ]
    # Together, because each number that is asked of a GPU costs a wait.
    found = torch.stack(products).double().cpu().numpy()
    count = len(everything)
    table = np.zeros((count, count + 1))
    upper = np.triu_indices(count, 0, count + 1)
    table[upper] = found
    table[:, :-1] += np.triu(table[:, :-1], 1).T
    prior = 4 * (_NONE,)
    if variations is not None:
        cost = problem.energy * variations.precision
        prior = variations.lower, variations.upper, variations.expected, cost
    return bilinear_minimum(table[:, :-1], table[:, -1], len(columns), *prior)


def _free(problem: Problem) -> list[torch.Tensor]:
    """Return the column of the background, if that is free."""
    return [] if problem.constant is None else [problem.constant]


def _sum(factors: NDArray[np.float64], vectors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the sum of vectors times factors; factors beyond their number are left out."""
    total = float(factors[0]) * vectors[0]
    for factor, vector in zip(factors[1:], vectors[1:], strict=False):
        total.add_(vector, alpha=float(factor))
    return total
