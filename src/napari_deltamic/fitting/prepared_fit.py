"""What stays the same during a fit, and the way from its units back to the user's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.checks import checked_start, psf_of
from napari_deltamic.fitting.densities import Brightness
from napari_deltamic.fitting.progress import Progress, begin
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.stages import Stage, stages
from napari_deltamic.fitting.state import Intensities
from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.imaging.frame_stack import FrameStack, Recording
from napari_deltamic.imaging.image_model import Shape, padded_shape
from napari_deltamic.imaging.stack import OnVoxels
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.optics import PSF
from napari_deltamic.optics.quantities import (
    Quantity,
    chosen_quantities,
    raw_values,
    with_raw_values,
)

# Of its seed, how far an object that the border cuts may grow beyond it.
_ROOM = 0.5


class PreparedFit(NamedTuple):
    """The input of a fit, made ready.

    The stack is moved to voxel 0, ``level`` is taken off its data and they are scaled to 1.
    """

    stack: Recording
    origin: NDArray[np.float64]
    level: float
    scale: float
    box: Shape
    psf: PSF
    settings: FitSettings
    plan: list[Stage]
    quantities: list[Quantity]
    """Of the PSF, those to learn."""
    expected: NDArray[np.float64]
    """(P,) their raw values as given."""
    start: TriangleMesh
    """The mesh as given, moved as the stack is."""
    reach: NDArray[np.float64]
    """Corners of what the box must hold."""
    counted: NDArray[np.bool_] | None = None
    """(Z, Y, X) the voxels that are to be explained; None for all that the mask trusts."""
    held: NDArray[np.bool_] | None = None
    """(V,) the vertices of the start that stay in place; None for none."""
    known_light: NDArray[np.bool_] | None = None
    """(I + R,) which interfaces, then regions, keep their ratios of brightness; None for none."""
    starts_near: bool = False
    """Whether the start nearly has its place even if no two of its regions touch."""

    @property
    def image(self) -> ImageStack:
        """The stack, in steps that frames never come to."""
        assert isinstance(self.stack, ImageStack)
        return self.stack

    @property
    def widths(self) -> NDArray[np.float64]:
        """(P,) how well the raw values are known beforehand."""
        return np.array([quantity.width for quantity in self.quantities])

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Smallest and largest raw values, (P,) each."""
        lower = [quantity.raw_of(quantity.lower) for quantity in self.quantities]
        upper = [quantity.raw_of(quantity.upper) for quantity in self.quantities]
        return np.array(lower), np.array(upper)

    def psf_of(self, raw: NDArray[np.float64] | None) -> PSF:
        """Return the PSF with other raw values; the given one if there are none."""
        return self.psf if raw is None else with_raw_values(self.psf, self.quantities, raw)

    def with_optics(self, raw: NDArray[np.float64] | None) -> PreparedFit:
        """Return the fit with other raw values, and its last stage planned for them."""
        if raw is None:
            return self
        psf = self.psf_of(raw)
        box = _box(self.stack, psf, self.reach)
        last = stages(self.stack, self.start, psf, box, self.settings)[-1]
        return self._replace(psf=psf, box=box, plan=[*self.plan[:-1], last])

    def placed(self, mesh: TriangleMesh) -> TriangleMesh:
        """Return a mesh of the fit where the user's stack lies."""
        return mesh.with_vertices(mesh.vertices + self.origin)

    def in_units(self, brightness: Brightness) -> Intensities:
        """Return the linear unknowns in the image's units."""
        return Intensities(
            self.scale * brightness.membrane,
            self.scale * brightness.interior,
            self.scale * brightness.background + self.level,
            brightness.attenuation,
        )

    def of_units(self, intensities: Intensities) -> Brightness:
        """Return linear unknowns in the units of the fit, from those in the image's."""
        return Brightness(
            intensities.membrane / self.scale,
            intensities.interior / self.scale,
            (intensities.background - self.level) / self.scale,
            intensities.attenuation,
        )

    def observed(self) -> NDArray[np.float32]:
        """Return the data in their own units: (Z, Y, X), or frames."""
        return self.stack.data * np.float32(self.scale) + np.float32(self.level)

    def rendering(
        self, mesh: TriangleMesh, intensities: Intensities, backend: str
    ) -> Callable[[], NDArray[np.float32]]:
        """Return what makes the image, (Z, Y, X), of a placed mesh; it holds none of the data.

        The background of frames is none of it.
        """
        background = intensities.background if isinstance(self.stack, ImageStack) else 0.0
        return partial(
            render,
            mesh,
            self.psf,
            self.stack.shape,
            self.stack.spacing,
            self.origin,
            membrane=intensities.membrane if len(intensities.membrane) else 0.0,
            interior=intensities.interior if len(intensities.interior) else 0.0,
            background=background,
            attenuation=intensities.attenuation,
            tolerance=1e-3,
            backend=backend,
        )


def prepare(
    stack: Recording,
    mesh: TriangleMesh,
    psf: PSF | None,
    settings: FitSettings,
    room: float = _ROOM,
    size: float | None = None,
    checked: bool = False,
) -> tuple[PreparedFit, Progress]:
    """Return a fit that has not begun, or raise ValueError saying what is wrong with its input.

    Parameters
    ----------
    stack, mesh, psf, settings
        As for :func:`napari_deltamic.fit`.
    room
        How far an object that the border cuts may grow beyond it, as a part of the mesh's size.
    size
        See :func:`~napari_deltamic.fitting.stages.stages`.
    checked
        Whether mesh and stack are parts of others that have been checked.
    """
    psf = psf_of(stack, psf)
    mesh = mesh if checked else checked_start(stack, mesh, psf, settings)
    level = _level(stack, settings)
    scale = float(np.abs(_trusted(stack) - level).max())
    at_zero = _scaled(stack, level, scale)
    moved = mesh.with_vertices(mesh.vertices - stack.origin)
    quantities = chosen_quantities(psf, settings.learn)
    reach = _reach(at_zero, moved, room)
    box = _box(at_zero, psf, reach)
    plan = stages(at_zero, moved, psf, box, settings, size)
    # Frames cannot be blurred as if the specimen had been, so there are no coarse stages.
    prepared = PreparedFit(
        at_zero,
        stack.origin,
        level,
        scale,
        box,
        psf,
        settings,
        plan[-1:] if isinstance(stack, FrameStack) else plan,
        quantities,
        raw_values(psf, quantities),
        moved,
        reach,
    )
    return prepared, begin(moved, settings.label, settings.backend)


def _box(stack: OnVoxels, psf: PSF, reach: NDArray[np.float64]) -> Shape:
    # No given PSF is wider than the stack, but a learned one might be for a while.
    margin = np.minimum(psf.extent(), stack.spacing * stack.shape)
    return padded_shape(stack.shape, stack.spacing, margin, reach)


def _reach(stack: OnVoxels, mesh: TriangleMesh, room: float) -> NDArray[np.float64]:
    """Return the corners of what the box must hold: the stack, and the mesh with room to grow."""
    last = stack.spacing * (np.array(stack.shape) - 1)
    lower, upper = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    growth = room * (upper - lower)
    inside = (lower >= 0) & (upper <= last)
    return np.stack(
        [
            np.where(inside, 0.0, np.minimum(lower - growth, 0.0)),
            np.where(inside, last, np.maximum(upper + growth, last)),
        ]
    )


def _scaled(stack: Recording, level: float, scale: float) -> Recording:
    """Return a recording at voxel 0, with the level taken off its data and scaled."""
    data = (stack.data - np.float32(level)) / np.float32(scale)
    if isinstance(stack, FrameStack):
        return FrameStack(data, stack.acquisition)
    return ImageStack(data, stack.spacing, mask=stack.mask)


def _trusted(stack: Recording) -> NDArray[np.float32]:
    return stack.data if stack.mask is None else stack.data[stack.mask]


def _level(stack: Recording, settings: FitSettings) -> float:
    """Return the camera's offset, roughly: in it the sums of single precision lose the object."""
    if not settings.fit_background or settings.noise == "poisson":
        return 0.0
    return float(np.float32(np.median(_trusted(stack))))
