"""What a fit publishes while it runs and when it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.mesh import TriangleMesh

if TYPE_CHECKING:
    from napari_deltamic.fitting.shape_errors import ShapeErrors
    from napari_deltamic.optics import PSF


@dataclass(frozen=True, eq=False)
class Intensities:
    """The linear unknowns of the image model, in the image's units.

    Attributes
    ----------
    membrane
        (I,) brightness per um^2 of each of the mesh's interfaces, in the order of
        ``mesh.interfaces``: for separate surfaces, that of the regions. Empty if the membrane is
        dark.
    interior
        (R,) brightness per um^3 of each region, in the order of ``mesh.regions``. Empty if the
        interior is dark.
    background
        Constant added to every voxel.
    attenuation
        Rate per um at which light is lost with depth below the stack's first plane; 0 unless it was
        to be learned.
    """

    membrane: NDArray[np.float64]
    interior: NDArray[np.float64]
    background: float
    attenuation: float = 0.0


class LearnedQuantity(NamedTuple):
    """What a fit found out about one quantity of the PSF."""

    name: str
    unit: str
    """Of the numbers that follow; empty for plain numbers."""
    start: float
    """As given."""
    value: float
    """As the fit ended."""
    standard_error: float
    """Whatever the shape may be; not a number if the fit was stopped before it was known."""
    determined: bool
    """Whether the image says much more about it than was known beforehand."""
    at_bound: bool
    """Whether it ended on the limit of what makes sense."""


@dataclass(frozen=True, eq=False)
class FitState:
    """One moment of a running fit; safe to keep, later iterations do not change it.

    Attributes
    ----------
    iteration
        Number of steps done, over all stages.
    stage, stages
        Current stage, from 0, and how many there are.
    loss
        Squared residuals over squared data, background removed: in the band of the stage, or on the
        voxels, weighted, where there is a mask, a border or Poisson noise to mind.
    mesh
        The mesh now.
    intensities
        The linear unknowns now.
    progress
        Fraction of the fit that is done at least, 0 to 1; a stage that settles early jumps ahead.
    optics
        The learned quantities of the PSF now, by name.
    """

    iteration: int
    stage: int
    stages: int
    loss: float
    mesh: TriangleMesh
    intensities: Intensities
    progress: float
    optics: dict[str, float]
    _render: Callable[[], NDArray[np.float32]] = field(repr=False)
    _observed: Callable[[], NDArray[np.float32]] = field(repr=False)

    def render(self) -> NDArray[np.float32]:
        """Return the image that this state explains the data by, on the stack's voxels."""
        return self._render()

    def observed(self) -> NDArray[np.float32]:
        """Return the data that are to be explained, (Z, Y, X) in the image's units."""
        return self._observed()


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a fit ends with.

    Attributes
    ----------
    mesh
        The fitted mesh.
    loss_history
        Loss of every iteration; it may rise where a stage begins, because the band grows.
    stage_starts
        Iteration at which each stage began.
    stop_reason
        A sentence saying why the fit ended.
    intensities
        The linear unknowns.
    settings
        The settings it ran with.
    warnings
        Sentences on what the user should look at, if anything.
    psf
        The PSF that the fit ended with; the given one if nothing was to be learned.
    optics
        What was learned of each of its quantities.
    errors
        Standard errors of the shape and of the brightness, if the settings ask for them and the fit
        was not stopped before they were known.
    origin
        (3,) where the centre of the image's voxel (0, 0, 0) lies, in um.
    """

    mesh: TriangleMesh
    loss_history: list[float]
    stage_starts: list[int]
    stop_reason: str
    intensities: Intensities
    settings: FitSettings
    warnings: list[str]
    psf: PSF
    _render: Callable[[], NDArray[np.float32]] = field(repr=False)
    optics: list[LearnedQuantity] = field(default_factory=list)
    errors: ShapeErrors | None = None
    origin: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    @property
    def image(self) -> NDArray[np.float32]:
        """(Z, Y, X) the mesh's rendering on the stack's voxels, background included.

        Of a lazy stack, on those of the part that was read. Made when first asked for, so that
        whoever stops a fit does not wait for it.
        """
        return self._render()
