"""How far a PSF is followed, and how finely it must be sampled.

A layout is chosen from the numbers of a model and then held fixed, so that the model stays
differentiable; its sizes move in steps, so that a small change of the numbers leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from napari_deltamic.optics.diffraction.aberrations import aberration_path
from napari_deltamic.optics.diffraction.disc import Radii, radii
from napari_deltamic.optics.diffraction.objective import paths
from napari_deltamic.optics.diffraction.pupil import Pupil

# Axial reach, in widths at half maximum of a focus without aberrations.
_DEEP = 5.0
# Lateral reach beyond the cone of rays, in Airy radii.
_RINGS = 5.0
# No cone is followed wider than this; what lies further out is faint.
_WIDEST_TANGENT = 2.0
_RIM = 0.95
# Reach of aberrated rays, in standard deviations of where they go.
_SPREADS = 2.5
_NODES_A_CYCLE = 3.6
_SPARE_NODES = 20
# Samples a shortest period.
_OVERSAMPLING = 2.3
_SIZES_AN_OCTAVE = 8


class Beam(NamedTuple):
    """How often light of one wavelength enters a PSF."""

    wavelength: float
    power: int = 1


class Layout(NamedTuple):
    """Lengths in um."""

    axial_reach: float
    lateral_reach: float
    axial_step: float
    lateral_step: float
    lateral_waves: float
    """Cycles that a ray at the rim goes through in one um across the axis."""
    axial_waves: float
    """The same along the axis, beside the ray on the axis."""
    aberrated_waves: float
    """Cycles that aberrations add over the pupil."""

    def nodes(self, lateral_reach: float | None = None) -> int:
        """Return how many nodes a sum over the pupil needs, as far as a distance from the axis."""
        across = self.lateral_reach if lateral_reach is None else lateral_reach
        cycles = 2.0 * across * self.lateral_waves + self.axial_reach * self.axial_waves
        cycles = stepped(cycles + self.aberrated_waves, up=True)
        # Even, so that no node lies at the centre.
        return 2 * int(np.ceil((_SPARE_NODES + _NODES_A_CYCLE * cycles) / 2))


def layout_of(
    pupil: Pupil,
    beams: Sequence[Beam],
    axial_reach: float | None,
    *,
    sheet: float | None = None,
    cone: float = 1.0,
) -> Layout:
    """Return the layout of a PSF.

    Parameters
    ----------
    pupil
        What shapes it.
    beams
        The light that it is a product of.
    axial_reach
        As asked for in um, or None for what the focus needs.
    sheet
        Thickness of a sheet of light that the PSF is multiplied by, at half maximum, in um.
    cone
        How much of the cone of rays is followed; its outer part is dark where two cones meet.
    """
    with torch.no_grad():
        aperture, index = (
            float(part) for part in (pupil.objective.aperture, pupil.objective.immersion_index)
        )
        shortest = min(beam.wavelength for beam in beams)
        tilt, blur, turns = _aberrated(pupil, shortest)
    cosine = float(np.sqrt(max(1.0 - (aperture / index) ** 2, 1e-4)))
    mean = float(np.mean([beam.wavelength for beam in beams]))
    if axial_reach is None:
        axial_reach = _DEEP * 0.88 * mean / (index * (1.0 - cosine)) + tilt
        if sheet is not None:
            axial_reach = min(axial_reach, max(2.0 * sheet, 0.3 * axial_reach))
    tangent = min(float(np.sqrt(1.0 - cosine**2)) / cosine, _WIDEST_TANGENT)
    lateral_reach = cone * axial_reach * tangent + _RINGS * 0.61 * mean / aperture + blur
    across = sum(beam.power * 2.0 * aperture / beam.wavelength for beam in beams)
    along = sum(beam.power * index * (1.0 - cosine) / beam.wavelength for beam in beams)
    if sheet is not None:
        along += 1.5 / sheet
    return Layout(
        stepped(axial_reach, up=True),
        stepped(lateral_reach, up=True),
        stepped(1.0 / (_OVERSAMPLING * along), up=False),
        stepped(1.0 / (_OVERSAMPLING * across), up=False),
        aperture / shortest,
        index * (1.0 - cosine) / shortest,
        turns,
    )


def stepped(size: float, *, up: bool) -> float:
    """Return the next size on a scale of eight steps an octave."""
    step = _SIZES_AN_OCTAVE * np.log2(size)
    return float(2.0 ** ((np.ceil(step) if up else np.floor(step)) / _SIZES_AN_OCTAVE))


def _aberrated(pupil: Pupil, wavelength: float) -> tuple[float, float, float]:
    """Return how far aberrations throw the light, along the axis and across, and their cycles."""
    rule = radii(64)
    # The steepest rays at the rim carry little light, and may cross the axis anywhere.
    rule = Radii(*(part[rule.rho < _RIM] for part in rule))
    ways = paths(pupil.objective, rule.rho, rule.weights)
    # Where the rays of each radius cross the axis, beside the best focus.
    power = rule.weights / rule.weights.sum()
    crossings = torch.diff(ways.layers) / torch.diff(ways.defocus)
    along = float((power[1:] * crossings.square()).sum().sqrt())
    total, across = ways.layers, 0.0
    if pupil.aberrations.noll:
        angles = torch.linspace(0.0, 2.0 * np.pi, 49, dtype=torch.float64)[1:]
        v, u = rule.rho * angles.sin()[:, None], rule.rho * angles.cos()[:, None]
        path = aberration_path(pupil.aberrations, v, u)
        total = total + path
        slope = torch.diff(path, dim=1) / torch.diff(rule.rho) * float(pupil.objective.aperture)
        across = float((power[1:] * slope.square()).sum(dim=1).mean().sqrt())
    turns = float(total.max() - total.min()) / wavelength
    return _SPREADS * along, _SPREADS * across, turns
