"""What a leg of a fit minimises, and what is held fixed of it between renewals."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.brightness import PRECISION, solving_brightness
from napari_deltamic.fitting.densities import Topology
from napari_deltamic.fitting.learning import View
from napari_deltamic.fitting.misfit import Evaluation, Variations, evaluate
from napari_deltamic.fitting.overlap import Overlap
from napari_deltamic.fitting.problem import Problem, model_of_data, reweighted
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.roughness import Roughness
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.fitting.still_light import StillLight
from napari_deltamic.imaging.frame_stack import Recording


@dataclass
class Objective:
    """The misfit and its priors; what is held fixed between renewals changes in place."""

    progress: Progress
    problem: Problem
    topology: Topology
    prior: Roughness
    apart: Overlap | None
    variations: Variations | None = None
    image_noise: float = np.inf
    """What the image's own noise adds to the loss for each component of the data."""
    learns_later: bool = False
    """Whether the misfit is mostly that of optics yet to be learned."""
    free: torch.Tensor | None = None
    """(V, 1) which vertices may move; None for all."""
    still: StillLight | None = None
    """Renders the mesh if some vertices may not move."""
    known_light: NDArray[np.bool_] | None = None
    """(I + R,) which interfaces, then regions, keep their ratios of brightness; None for none."""

    def __call__(self, vertices: torch.Tensor) -> Evaluation:
        """Return the misfit and what the priors add, for vertices of (V, 3) in um."""
        noise = self.progress.noise
        misfit = evaluate(self.problem, *self.view(vertices), self.variations, self.still)
        rough, slope = self.prior.energy(vertices)
        penalty, gradient = misfit.penalty + noise * rough, misfit.gradient + noise * slope
        if self.apart is not None:
            shared, slope = self.apart.energy(vertices)
            penalty, gradient = penalty + shared, gradient + slope
        if self.free is not None:
            gradient = gradient * self.free
        return misfit._replace(gradient=gradient, penalty=penalty)

    @property
    def vertices(self) -> torch.Tensor:
        """(V, 3) those of the progress' mesh, where the objective takes them."""
        return torch.tensor(self.progress.mesh.vertices, device=self.topology.faces.device)

    def view(self, vertices: torch.Tensor) -> View:
        """Return a mesh as it is looked at now."""
        return View(vertices, self.topology, self.progress.brightness)

    def weighing(self, stack: Recording) -> Generator[None, None, None]:
        """Take the weights from the progress' anchor, if it has one."""
        if self.progress.anchor is not None:
            model = model_of_data(self.problem, *self.progress.anchor, self.topology, stack)
            yield
            self.problem = reweighted(self.problem, model)
            yield

    def solving_ratios(self, precision: float = PRECISION) -> Generator[None, None, None]:
        """Solve for the ratios of brightness, if there is more than one scale of each kind."""
        known = self.progress.brightness
        if max(len(known.membrane), len(known.interior)) > 1 or self.problem.learns_attenuation:
            unknown = self.problem, self.vertices, self.topology, known
            solved = yield from solving_brightness(
                *unknown, precision=precision, kept=self.known_light
            )
            self.progress.brightness = solved
            self.problem = self.problem.attenuated(solved.attenuation)


def is_weighted(stage: Stage, settings: FitSettings) -> bool:
    """Whether a stage weighs voxels by how many photons they hold."""
    # Blurred photons are no longer Poisson; the last stage takes them as they are.
    return settings.noise == "poisson" and stage.blur == 0


def judged(here: Evaluation, stage: Stage) -> float:
    """Return what must have settled for a leg to end.

    A prior that is renewed may raise the misfit while all goes well. The first stages of a free
    surface need not wait for theirs: the next one has another.
    """
    return here.objective if stage.roughness_order == 2 else here.loss
