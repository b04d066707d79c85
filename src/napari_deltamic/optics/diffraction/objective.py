"""What lies between emitter and camera: the objective, and the layers it looks through.

Gibson and Lanni, J. Opt. Soc. Am. A 8, 1601 (1991): a ray's path differs from that of the design by
what the sample, the coverslip and the immersion add.
"""

from __future__ import annotations

from typing import NamedTuple

import torch


class Objective(NamedTuple):
    """Numbers of an objective and its layers; lengths in um."""

    na: torch.Tensor
    immersion_index: torch.Tensor
    immersion_design_index: torch.Tensor
    coverslip_index: torch.Tensor
    coverslip_design_index: torch.Tensor
    coverslip_thickness: torch.Tensor
    coverslip_design_thickness: torch.Tensor
    sample_index: torch.Tensor
    working_distance: torch.Tensor
    depth: torch.Tensor

    @property
    def aperture(self) -> torch.Tensor:
        """The NA that light can use: steeper rays are totally reflected on their way."""
        indices = self.immersion_index, self.coverslip_index, self.sample_index
        return torch.minimum(self.na, torch.stack(indices).min())


class Paths(NamedTuple):
    """Optical path in um of each ray of a pupil."""

    defocus: torch.Tensor
    """For each um that the focus is moved into the sample: n cos(theta) in the immersion."""
    layers: torch.Tensor
    """What the layers add to the design, for an emitter at its apparent depth."""
    apparent_depth: torch.Tensor
    """Where the emitter is in focus: how far the focus has been moved, in um."""


def cosine(index: torch.Tensor, objective: Objective, rho: torch.Tensor) -> torch.Tensor:
    """Return the cosine of a ray in a medium, at radius ``rho`` of the pupil."""
    # Masked before the root, whose slope is infinite at zero.
    square = (1.0 - (objective.aperture / index * rho).square()).clamp_min(1e-14)
    return square.sqrt()


def paths(objective: Objective, rho: torch.Tensor, weights: torch.Tensor) -> Paths:
    """Return the optical paths of a pupil's rays.

    Parameters
    ----------
    objective
        The numbers.
    rho
        Radii in the pupil, 0 to 1.
    weights
        Of the rays, for the best focus: the one that leaves the least variance.
    """

    def along(index: torch.Tensor) -> torch.Tensor:
        return index * cosine(index, objective, rho)

    defocus = along(objective.immersion_index)
    layers = (
        objective.depth * along(objective.sample_index)
        + objective.coverslip_thickness * along(objective.coverslip_index)
        - objective.coverslip_design_thickness * along(objective.coverslip_design_index)
        + objective.working_distance * (defocus - along(objective.immersion_design_index))
    )
    share = weights / weights.sum()
    spread = defocus - (share * defocus).sum()
    depth = (share * spread * layers).sum() / (share * spread * defocus).sum()
    return Paths(defocus, layers - depth * defocus, depth)
