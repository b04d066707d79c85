"""The field in the pupil, as three models have it.

``gibson_lanni``: scalar, evenly bright. ``pupil``: scalar, with the brightness that an aplanatic
lens gives (Hanser et al., J. Microsc. 216, 32, 2004). ``richards_wolf``: the vector field of a
dipole that turns freely, with Fresnel's losses (Richards and Wolf, Proc. R. Soc. A 253, 358, 1959;
Aguet et al., Opt. Express 17, 6829, 2009).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch

from napari_deltamic.optics.diffraction.aberrations import Aberrations
from napari_deltamic.optics.diffraction.objective import Objective, cosine

Model = Literal["gibson_lanni", "pupil", "richards_wolf"]
MODELS: tuple[Model, ...] = ("gibson_lanni", "pupil", "richards_wolf")


class Pupil(NamedTuple):
    """All that shapes a focus but the wavelength."""

    model: Model
    objective: Objective
    aberrations: Aberrations


class RadialField(NamedTuple):
    """The field of a round pupil, by the order of the Bessel function that carries it to focus."""

    amplitudes: dict[int, torch.Tensor]
    """(N,) by order."""
    shares: dict[int, float]
    """Of each order's intensity in the whole."""


def apodisation(model: Model, objective: Objective, rho: torch.Tensor) -> torch.Tensor:
    """Return the pupil's amplitude at each radius, but for Fresnel's losses."""
    if model == "gibson_lanni":
        return torch.ones_like(rho) + 0.0 * objective.aperture
    return cosine(objective.immersion_index, objective, rho).rsqrt()


def radial_field(model: Model, objective: Objective, rho: torch.Tensor) -> RadialField:
    """Return the field of a round pupil."""
    bright = apodisation(model, objective, rho)
    if model != "richards_wolf":
        return RadialField({0: bright}, {0: 1.0})
    across, along, axial = _dipoles(objective, rho)
    amplitudes = {0: bright * (across + along), 1: bright * axial, 2: bright * (across - along)}
    return RadialField(amplitudes, {0: 1.0, 1: 2.0, 2: 1.0})


def pupil_fields(
    model: Model,
    objective: Objective,
    v: torch.Tensor,
    u: torch.Tensor,
    polarisation: torch.Tensor | None = None,
) -> list[tuple[float, torch.Tensor]]:
    """Return fields over the pupil, with the share of each one's intensity in the whole.

    Parameters
    ----------
    model, objective
        What the microscope is.
    v, u
        Coordinates along y and x in the unit disc.
    polarisation
        Angle in degrees, from x towards y, of light that is polarised in the pupil; None for light
        that is not. Scalar fields have none.
    """
    rho = torch.hypot(u, v)
    bright = apodisation(model, objective, rho)
    if model != "richards_wolf":
        return [(1.0, bright)]
    across, along, axial = _dipoles(objective, rho)
    # The rules have no node at the centre itself.
    cos, sin = u / rho, v / rho
    straight = bright * (along * cos.square() + across * sin.square())
    upright = bright * (along * sin.square() + across * cos.square())
    twist = bright * (along - across) * sin * cos
    if polarisation is None:
        axials = [(1.0, bright * axial * cos), (1.0, bright * axial * sin)]
        return [(1.0, straight), (1.0, upright), (2.0, twist), *axials]
    to_x, to_y = torch.deg2rad(polarisation).cos(), torch.deg2rad(polarisation).sin()
    # Twice, as much light as both polarisations of the other have.
    return [
        (2.0, to_x * straight + to_y * twist),
        (2.0, to_x * twist + to_y * upright),
        (2.0, bright * axial * (to_x * cos + to_y * sin)),
    ]


def _dipoles(
    objective: Objective, rho: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what is seen of dipoles across the plane of incidence, along it, and axial."""
    sample, glass, oil = (
        (index, cosine(index, objective, rho))
        for index in (objective.sample_index, objective.coverslip_index, objective.immersion_index)
    )
    # By reciprocity a dipole sends to the pupil what a ray from there would bring to it.
    across = _fresnel_s(*oil, *glass) * _fresnel_s(*glass, *sample)
    along = _fresnel_p(*oil, *glass) * _fresnel_p(*glass, *sample)
    sine = objective.aperture / objective.sample_index * rho
    return across, along * sample[1], along * sine


def _fresnel_s(
    n1: torch.Tensor, cos1: torch.Tensor, n2: torch.Tensor, cos2: torch.Tensor
) -> torch.Tensor:
    return 2.0 * n1 * cos1 / (n1 * cos1 + n2 * cos2)


def _fresnel_p(
    n1: torch.Tensor, cos1: torch.Tensor, n2: torch.Tensor, cos2: torch.Tensor
) -> torch.Tensor:
    return 2.0 * n1 * cos1 / (n2 * cos1 + n1 * cos2)
