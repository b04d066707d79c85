"""What is measured and what is made of it, as one differentiable model."""

from __future__ import annotations

import copy

import torch
from numpy.typing import ArrayLike

from napari_deltamic.compressive.masks import fixed_masks
from napari_deltamic.compressive.network import NETWORK_MULTIPLE, SmallUNet
from napari_deltamic.compressive.patterns import LearnedPatterns, Patterns, smooth_noise
from napari_deltamic.compressive.settings import CompressiveSettings
from napari_deltamic.compressive.upsampling import LocalityUpsampling, TransposedUpsampling
from napari_deltamic.imaging import Camera, PatternedIllumination
from napari_deltamic.optics import PSF
from napari_deltamic.spacing import checked_spacing

# Masks of white noise tell little of smooth images, and regular ones have nothing to choose from.
_GRAIN = 1 / 6
_START_SPREAD = 0.5


class CompressiveModel(torch.nn.Module):
    """Patterns, the microscope that shows them, and a decoder of its frames.

    Parameters
    ----------
    settings
        Which patterns, how many frames, what binning and upsampling.
    field
        Voxels (Z, Y, X) of the density; each plane is decoded by itself. Y and X are multiples of
        16, which the network needs.
    spacing
        Voxel size in um, (z, y, x).
    excitation, emission
        See :class:`~napari_deltamic.imaging.PatternedIllumination`.

    Raises
    ------
    ValueError
        If the binning does not divide the field, or the field does not suit the network.
    """

    def __init__(
        self,
        settings: CompressiveSettings,
        field: tuple[int, int, int],
        spacing: ArrayLike = (1.0, 1.0, 1.0),
        excitation: PSF | None = None,
        emission: PSF | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.spacing = checked_spacing(spacing).tolist()
        self.excitation, self.emission = excitation, emission
        depth, rows, columns = field
        if rows % NETWORK_MULTIPLE or columns % NETWORK_MULTIPLE:
            raise ValueError(
                f"field: expected multiples of {NETWORK_MULTIPLE} voxels along y and x, got {field}"
            )
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(settings.seed)
            self.patterns = _patterns(settings, rows, columns)
            self.acquisition = PatternedIllumination(
                self.patterns(),
                spacing,
                depth=depth,
                binning=settings.binning,
                excitation=excitation,
                emission=emission,
            ).requires_grad_(False)
            self.upsampling = (
                LocalityUpsampling(settings.frames, rows, columns, settings.binning)
                if settings.upsampling == "locality"
                else TransposedUpsampling(settings.frames, settings.binning)
            )
            # Mean of a training image's frames, to which measured ones are scaled.
            self.register_buffer("frame_level", torch.zeros(()))
            self.refinement = SmallUNet(1, 1)
            self.segmentation = SmallUNet(1, 1)

    def forward(
        self,
        density: torch.Tensor,
        slope: float | None = None,
        camera: Camera | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Return the reconstruction, (N, Z, Y, X), of what would be measured of a density.

        Parameters
        ----------
        density
            (N, Z, Y, X).
        slope
            Of the masks while they are soft; None for binary ones.
        camera
            Its noise, if any.
        generator
            Of the noise.
        """
        light = self.patterns(slope)
        frames = self.frames(density, light)
        if camera is not None:
            frames = camera(frames, generator)
        return self.decoded(frames, light)

    def frames(self, density: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
        """Return (N, T, Z, Y / d, X / d) frames of a density in (T, Y, X) light, without noise."""
        measured: torch.Tensor = torch.func.functional_call(
            self.acquisition, {"patterns": light}, (density,)
        )
        return measured

    def decoded(self, frames: torch.Tensor, light: torch.Tensor | None = None) -> torch.Tensor:
        """Return (N, Z, Y, X) from (N, T, Z, Y / d, X / d) frames; by default in binary light."""
        light = self.patterns() if light is None else light
        count, binning = self.settings.frames, self.settings.binning
        # About the brightness of the image, however many frames and voxels share it.
        scale = count / binning**2
        planes = scale * frames.transpose(1, 2).flatten(0, 1)
        lit = self.acquisition.projection(light.unsqueeze(1)).squeeze(1)
        first = self.upsampling(planes, count * lit)
        images: torch.Tensor = first + self.refinement(first)
        stacks: torch.Tensor = images.unflatten(0, (len(frames), -1))
        return stacks.squeeze(2)

    @property
    def segments(self) -> bool:
        """Whether its segmentation was trained; until then it finds nothing."""
        return bool(self.segmentation.last.weight.any())

    def segmented(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, Z, Y, X) logits, positive on what is found, of reconstructions."""
        logits: torch.Tensor = self.segmentation(images.flatten(0, 1).unsqueeze(1))
        stacks: torch.Tensor = logits.squeeze(1).unflatten(0, images.shape[:2])
        return stacks

    def operator(self) -> PatternedIllumination:
        """Return the acquisition with the binary patterns as they are now, as one of its own."""
        acquisition = copy.deepcopy(self.acquisition)
        with torch.no_grad():
            acquisition.patterns.copy_(self.patterns())
        return acquisition


def _patterns(settings: CompressiveSettings, rows: int, columns: int) -> Patterns:
    kind, count, binning = settings.patterns, settings.frames, settings.binning
    generator = torch.Generator().manual_seed(settings.seed)
    if kind == "learned" or kind == "fourier":
        logits = smooth_noise(count, rows, columns, _GRAIN * binning, generator)
        return LearnedPatterns(_START_SPREAD * logits, fourier=kind == "fourier")
    return Patterns(fixed_masks(kind, count, rows, columns, binning, generator))
