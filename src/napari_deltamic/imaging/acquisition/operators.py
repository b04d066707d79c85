"""What a microscope records of a density: linear operators, each with its exact transpose."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.acquisition.blur import BlurredSums, Shape, checked_binning
from napari_deltamic.optics import PSF
from napari_deltamic.optics.voxel_checks import checked_shape


class Acquisition(torch.nn.Module, ABC):
    """What a microscope records of a density, without noise.

    A linear operator, in the precision and on the device of what it is given, and differentiable.

    Attributes
    ----------
    shape
        Voxels (Z, Y, X) of the density.
    frame_shape
        (T, Z, Y / d, X / d): T frames for every plane, binned d x d.
    """

    shape: Shape
    frame_shape: tuple[int, int, int, int]
    detection: BlurredSums

    @property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) voxel size in um, (z, y, x)."""
        return self.detection.spacing

    @property
    def emission(self) -> PSF | None:
        """The blur of the emitted light; None for none."""
        return self.detection.psf

    @property
    def compression(self) -> float:
        """How many voxels there are for each number that is recorded: d^2 / T."""
        return float(np.prod(self.shape) / np.prod(self.frame_shape))

    @abstractmethod
    def forward(self, density: torch.Tensor) -> torch.Tensor:
        """Return the frames.

        Parameters
        ----------
        density
            (..., Z, Y, X) light per um^3 at the voxels' centres.

        Returns
        -------
        torch.Tensor
            (..., T, Z, Y / d, X / d): the blurred density, in light per um^3, summed over the
            d x d pixels.

        Raises
        ------
        ValueError
            If the last three sizes are not the operator's shape.
        """

    @abstractmethod
    def adjoint(self, frames: torch.Tensor) -> torch.Tensor:
        """Return (..., Z, Y, X): the transpose of :meth:`forward`, applied to frames.

        Raises
        ------
        ValueError
            If the last four sizes are not the operator's frame_shape.
        """

    def _checked_density(self, density: torch.Tensor) -> torch.Tensor:
        if tuple(density.shape[-3:]) != self.shape:
            raise ValueError(
                f"density: expected (..., {', '.join(map(str, self.shape))}), "
                f"got {tuple(density.shape)}"
            )
        return density

    def _checked_frames(self, frames: torch.Tensor) -> torch.Tensor:
        if tuple(frames.shape[-4:]) != self.frame_shape:
            raise ValueError(
                f"frames: expected (..., {', '.join(map(str, self.frame_shape))}), "
                f"got {tuple(frames.shape)}"
            )
        return frames


class FullSampling(Acquisition):
    """Every voxel recorded once in even light: an ordinary stack, as one frame a plane.

    Parameters
    ----------
    shape, spacing
        Voxels along z, y and x, and their size in um. A single plane stands for a specimen that is
        the same all through z.
    emission
        The blur; None for none.

    Raises
    ------
    ValueError
        If the shape or the spacing is not three positive numbers.
    """

    def __init__(
        self, shape: tuple[int, int, int], spacing: ArrayLike, emission: PSF | None = None
    ) -> None:
        super().__init__()
        self.shape = checked_shape(shape)
        self.frame_shape = (1, *self.shape)
        self.detection = BlurredSums(emission, self.shape, spacing)

    def forward(self, density: torch.Tensor) -> torch.Tensor:
        """See :meth:`Acquisition.forward`."""
        seen: torch.Tensor = self.detection(self._checked_density(density))
        return seen.unsqueeze(-4)

    def adjoint(self, frames: torch.Tensor) -> torch.Tensor:
        """See :meth:`Acquisition.adjoint`."""
        return self.detection.adjoint(self._checked_frames(frames).squeeze(-4))


class PatternedIllumination(Acquisition):
    """T frames of each plane, each in the light of another pattern and with large pixels.

    y_t = sum over d x d pixels of em * (x . (ex * h_t)): a pattern h_t, blurred by the excitation,
    lights the density x; the emission PSF blurs what shines, and the camera's pixels sum it.

    Parameters
    ----------
    patterns
        (T, Y, X) light of each pattern on a specimen's voxel, 1 that of :class:`FullSampling`; kept
        as the parameter ``patterns``. To learn what generates them, replace it in the call:
        ``torch.func.functional_call(operator, {"patterns": made}, density)``.
    depth
        Number of planes Z. A single plane stands for a specimen that is the same all through z.
    spacing
        Voxel size in um, (z, y, x).
    binning
        Voxels d along each side of a camera pixel; divides Y and X.
    excitation
        The blur of the patterns, which are taken as columns, the same through z: its OTF at kz = 0.
        Nothing is lit beyond the field. None for sharp patterns.
    emission
        The blur of the emitted light, in 3D; None for none.

    Raises
    ------
    ValueError
        If the patterns are not (T, Y, X) or the binning does not divide Y and X.

    Notes
    -----
    Differentiable compressive microscopy (arXiv 2203.14945) has this model in two dimensions.
    """

    def __init__(
        self,
        patterns: torch.Tensor,
        spacing: ArrayLike,
        *,
        depth: int = 1,
        binning: int,
        excitation: PSF | None = None,
        emission: PSF | None = None,
    ) -> None:
        super().__init__()
        if patterns.ndim != 3 or not patterns.is_floating_point() or 0 in patterns.shape:
            raise ValueError(
                f"patterns: expected (T, Y, X) floating-point light, got {patterns.dtype} of shape "
                f"{tuple(patterns.shape)}"
            )
        count, rows, columns = patterns.shape
        self.shape = checked_shape((depth, rows, columns))
        self.binning = checked_binning(binning, self.shape)
        self.frame_shape = (count, depth, rows // binning, columns // binning)
        self.patterns = torch.nn.Parameter(patterns.detach().clone())
        self.projection = BlurredSums(excitation, (1, rows, columns), spacing)
        self.detection = BlurredSums(emission, self.shape, spacing, binning)

    def light(self) -> torch.Tensor:
        """Return (T, 1, Y, X): the light in the specimen, the patterns blurred."""
        lit: torch.Tensor = self.projection(self.patterns.unsqueeze(1))
        return lit

    def forward(self, density: torch.Tensor) -> torch.Tensor:
        """See :meth:`Acquisition.forward`."""
        lit = self._checked_density(density).unsqueeze(-4) * self.light().to(density)
        frames: torch.Tensor = self.detection(lit)
        return frames

    def adjoint(self, frames: torch.Tensor) -> torch.Tensor:
        """See :meth:`Acquisition.adjoint`."""
        spread = self.detection.adjoint(self._checked_frames(frames))
        return (spread * self.light().to(frames)).sum(-4)
