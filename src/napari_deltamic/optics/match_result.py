"""What a fit of a PSF model to beads tells: on its way, and at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.optics.psf import PSF


class Estimate(NamedTuple):
    """A fitted number."""

    value: float
    deviation: float
    """Its standard deviation, if all that the fit leaves is noise."""
    unit: str


class MatchProgress(NamedTuple):
    """How far a fit to beads has come."""

    step: int
    """Counted from 0, where it begins."""
    residual: float
    """What is left of the beads' light so far: root of the ratio of the energies."""


class MatchStoppedError(Exception):
    """The fit was stopped before its end; there is no result."""


@dataclass(frozen=True, eq=False)
class Match:
    """A PSF model fitted to beads."""

    psf: PSF
    """The model with the fitted values; a copy."""
    values: dict[str, Estimate]
    """What was fitted, by name."""
    residual: float
    """What the model leaves of the beads' light: root of the ratio of the energies."""
    fwhm: NDArray[np.float64]
    """(3,) full widths at half maximum of the model in um."""
    shifts: NDArray[np.float64]
    """(B, 3) where the model puts each bead, in um from the middle voxel ``shape // 2``."""
    amplitudes: NDArray[np.float64]
    """(B,) light of each bead."""
    backgrounds: NDArray[np.float64]
    """(B,) brightness under each bead."""
    images: NDArray[np.float64]
    """(B, Z, Y, X) the beads as the model has them."""
    converged: bool
    """Whether the fit settled; if not, start from ``psf`` again."""
    at_bounds: list[str]
    """Quantities that ended at an end of what makes sense."""
