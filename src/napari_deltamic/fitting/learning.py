"""Learning optics: quantities of the PSF that are solved for while the mesh moves.

Between renewals the rendering is taken as linear in the PSF's raw values, which makes them linear
unknowns like the brightness: every evaluation has them at their best for its mesh (variable
projection), so that shape and optics move together however strongly they are coupled. A renewal
moves the point of linearisation.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import Brightness, Topology
from napari_deltamic.fitting.misfit import Variations, evaluate
from napari_deltamic.fitting.prepared_fit import PreparedFit
from napari_deltamic.fitting.problem import Problem, otf_frequencies
from napari_deltamic.fitting.progress import Optics
from napari_deltamic.fitting.stage_blur import StageBlur
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging import ImageStack, estimate_noise
from napari_deltamic.imaging.frame_stack import Recording
from napari_deltamic.optics.quantities import called_with

# Between two linearisations a quantity moves by at most this part of its prior's width.
_FARTHEST = 0.5
# Of the width: a mesh whose optics are nearer than this needs no step of theirs alone.
_NEAR = 0.1
# Of the width: nearer than this a linearisation stays as it is.
_CLOSE = 0.02
_ROUNDS = 6
_TRIALS = 4
# Of the width, for derivatives by differences. They cost a third of those in forward mode and ask
# nothing of a model.
_DIFFERENCE = 5e-3
# A model may jump where it changes its grid; a side that is this much steeper holds such a jump.
_JUMP = 1.5


class View(NamedTuple):
    """A mesh as it is looked at while only the optics change."""

    vertices: torch.Tensor
    topology: Topology
    brightness: Brightness


def image_noise(problem: Problem, stack: Recording, stage: Stage) -> float:
    """Return what the image's own noise adds to the loss for each component of the data.

    Infinity where that cannot be told: from few voxels, or from frames.
    """
    if not isinstance(stack, ImageStack):
        return np.inf
    try:
        variance = estimate_noise(stack) ** 2
    except ValueError:
        return np.inf
    if problem.root is None:
        voxels = float(np.prod(stack.shape) * np.prod(stack.spacing) ** 2)
        power = voxels * float(problem.filter.square().sum())
    else:
        kernels = StageBlur(stage.blur, stack.spacing).kernels
        kept = float(np.prod([np.square(kernel).sum() for kernel in kernels]))
        power = kept * float(problem.root.square().sum())
    return variance * power / problem.energy / problem.size


def linearised(
    problem: Problem, prepared: PreparedFit, raw: NDArray[np.float64], noise: float
) -> Generator[None, None, tuple[Problem, Variations]]:
    """Return a problem with the OTF of the given raw values, and its derivatives.

    Parameters
    ----------
    problem
        The leg's.
    prepared
        The fit, which holds the model and what was known beforehand.
    raw
        (P,) raw values.
    noise
        What one component of the data adds to the loss; the prior is weighed against it.
    """
    frequencies = otf_frequencies(problem.transform)
    widths, slopes = prepared.widths, []
    lowest, highest = prepared.bounds
    otf = _otf(prepared, raw, frequencies)
    yield
    for i, step in enumerate(_DIFFERENCE * widths):
        sides = []
        for signed in (step, -step):
            other = raw.copy()
            other[i] = np.clip(raw[i] + signed, lowest[i], highest[i])
            # On a bound there is one side only.
            if other[i] != raw[i]:
                change = _otf(prepared, other, frequencies) - otf
                sides.append(change / float(other[i] - raw[i]))
                yield
        slope = _slope(sides)
        slopes.append(problem.filter * slope.to(problem.filter.device))
    farthest = _FARTHEST * widths
    variations = Variations(
        slopes,
        np.minimum(np.maximum(lowest - raw, -farthest), 0.0),
        np.maximum(np.minimum(highest - raw, farthest), 0.0),
        prepared.expected - raw,
        noise / widths**2,
    )
    return problem.with_otf(otf), variations


def settled(
    problem: Problem,
    variations: Variations,
    prepared: PreparedFit,
    optics: Optics,
    noise: float,
    view: View,
) -> Generator[None, None, tuple[Problem, Variations, NDArray[np.float64]]]:
    """Return the problem linearised near what suits a mesh as it is, and where that is.

    These are Gauss-Newton steps, shortened until the misfit falls; mostly none is needed.

    Parameters
    ----------
    problem, variations
        As they are.
    prepared, noise
        As for :func:`linearised`.
    optics
        Where the raw values stand.
    view
        The mesh.
    """
    raw, widths = optics.base, prepared.widths
    variations = variations._replace(precision=noise / widths**2)
    if np.abs((optics.now - raw) / widths).max() > _CLOSE:
        raw = optics.now
        problem, variations = yield from linearised(problem, prepared, raw, noise)
    for _ in range(_ROUNDS):
        shift = evaluate(problem, *view, variations).shift
        yield
        if np.abs(shift / widths).max() < _NEAR:
            break
        here = evaluate(problem, *view).loss + variations.penalty(0.0 * shift)
        for _ in range(_TRIALS):
            yield
            otf = _otf(prepared, raw + shift, otf_frequencies(problem.transform))
            yield
            there = problem.with_otf(otf)
            if evaluate(there, *view).loss + variations.penalty(shift) < here:
                break
            shift = shift / 3.0
        else:
            break
        raw = raw + shift
        yield
        problem, variations = yield from linearised(problem, prepared, raw, noise)
    return problem, variations, raw


def _otf(
    prepared: PreparedFit, raw: NDArray[np.float64], frequencies: torch.Tensor
) -> torch.Tensor:
    with torch.no_grad():
        values = torch.from_numpy(raw)
        return called_with(prepared.psf, prepared.quantities, values, "otf", frequencies)


def _slope(sides: list[torch.Tensor]) -> torch.Tensor:
    """Return a derivative from those of one or both sides."""
    gentle, *steep = sorted(sides, key=lambda side: float(side.norm()))
    if steep and float(steep[0].norm()) <= _JUMP * float(gentle.norm()):
        return (gentle + steep[0]) / 2.0
    return gentle
