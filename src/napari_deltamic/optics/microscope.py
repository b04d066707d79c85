"""The PSF of a microscope, computed from its pupil: what all modalities share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Required, TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.optics.diffraction.aberrations import Aberrations
from napari_deltamic.optics.diffraction.disc import gauss, radii
from napari_deltamic.optics.diffraction.focus import Focus, RoundFocus, VoxelFocus, faded, hankel
from napari_deltamic.optics.diffraction.interpolation import interpolated
from napari_deltamic.optics.diffraction.layout import Beam, Layout, layout_of
from napari_deltamic.optics.diffraction.objective import Objective, paths
from napari_deltamic.optics.diffraction.pupil import Model, Pupil, apodisation
from napari_deltamic.optics.microscope_numbers import checked_aberrations, checked_numbers
from napari_deltamic.optics.microscope_quantities import quantities_of
from napari_deltamic.optics.psf import PSF
from napari_deltamic.optics.quantities import Quantity
from napari_deltamic.optics.sampled_transform import product_axes, transform_of_samples
from napari_deltamic.optics.voxel_checks import checked_shape
from napari_deltamic.spacing import checked_spacing
from napari_deltamic.torch_threads import torch_threads

# Steps of the tables of radii, within a shortest period's samples.
_FINER = 6
# Light outside the box that a PSF is said to reach.
_OUTSIDE = 1e-3


class MicroscopeNumbers(TypedDict, total=False):
    """What every microscope has; lengths in um."""

    na: Required[float]
    immersion_index: float
    sample_index: float | None
    depth: float
    coverslip_index: float
    coverslip_thickness: float
    coverslip_design_index: float
    coverslip_design_thickness: float
    immersion_design_index: float | None
    working_distance: float
    model: Model
    aberrations: Mapping[int, float] | None
    axial_range: float | None


class MicroscopePSF(PSF):
    """A PSF that follows from an objective, its layers and the waves that pass them.

    Parameters
    ----------
    lengths
        Further numbers of the modality, by the name of the parameter that holds each.
    polarisation
        Of the laser: its angle in degrees from x towards y, or None.
    na
        Numerical aperture.
    immersion_index
        Refractive index of what the objective is dipped in: oil 1.515, glycerol 1.45, water 1.33,
        air 1.0.
    sample_index
        Of the medium that holds the emitter; by default that of the immersion.
    depth
        Of the emitter below the coverslip, in um.
    coverslip_index, coverslip_thickness
        Of the coverslip, in um.
    coverslip_design_index, coverslip_design_thickness, immersion_design_index
        What the objective was made for; by default coverslip and immersion are as designed.
    working_distance
        Of the objective in um; it matters only if the immersion is not the one it was made for.
    model
        ``richards_wolf`` (vectorial), ``pupil`` (scalar, aplanatic) or ``gibson_lanni`` (scalar,
        evenly bright pupil).
    aberrations
        Zernike modes by Noll index from 2: root mean square in waves.
    axial_range
        How far from its focus the PSF is followed, in um; by default some five widths.

    Notes
    -----
    The z axis runs from the coverslip into the sample. The PSF is centred where the emitter is in
    focus, which in a sample of another index than the immersion's is not where it lies; see
    :meth:`apparent_depth`. Light that would need a larger aperture than the sample's index allows
    does not reach the objective and is left out.

    A layer of light about the focus is all that counts here: of a widefield microscope no finite
    range holds all light, so the PSF fades out at the end of its range and integrates to 1 within.
    """

    def __init__(
        self,
        lengths: Mapping[str, float],
        polarisation: float | None = None,
        /,
        **numbers: Unpack[MicroscopeNumbers],
    ) -> None:
        super().__init__()
        lit = {} if polarisation is None else {"polarisation": polarisation}
        plain = checked_numbers(numbers, {**lengths, **lit})
        self.model: Model = plain.model
        self.axial_range = plain.axial_range
        self.noll, waves = checked_aberrations(numbers.get("aberrations"))
        for name, value in plain.values.items():
            held = torch.nn.Parameter(torch.tensor(value, dtype=torch.float64))
            self.register_parameter(name, held)
        if polarisation is None:
            self.register_parameter("polarisation", None)
        self.aberrations = torch.nn.Parameter(torch.tensor(waves, dtype=torch.float64))
        self._memory: dict[str, tuple[bytes, Any]] | None = {}

    polarisation: torch.nn.Parameter | None
    cone = 1.0
    """How much of the cone of rays is followed."""

    @abstractmethod
    def beams(self) -> list[torch.nn.Parameter]:
        """Return the wavelengths whose intensities the PSF is a product of, emission last."""

    @abstractmethod
    def combined(self, focus: Focus, layout: Layout) -> torch.Tensor:
        """Return the PSF, of any total, from its foci."""

    def sheet(self) -> float | None:
        """Return the thickness of a sheet of light that cuts the PSF, at half maximum, in um."""
        return None

    def blur_room(self, layout: Layout) -> float:
        """Return how far beyond the voxels asked for :meth:`combined` must see, in um."""
        return 0.0

    @property
    def is_round(self) -> bool:
        """Whether the PSF is round about the optical axis."""
        return self.polarisation is None and self._pupil().aberrations.round

    def arguments(self) -> dict[str, Any]:
        """Return what makes an equal PSF when given to its class."""
        values = {
            name: float(held.detach())
            for name, held in self.named_parameters()
            if name != "aberrations"
        }
        waves = self.aberrations.detach().tolist()
        return {
            **values,
            "model": self.model,
            "aberrations": dict(zip(self.noll, waves, strict=True)),
            "axial_range": self.axial_range,
        }

    def quantities(self) -> list[Quantity]:
        """Return the numbers that may be learned; see :meth:`PSF.quantities`."""
        return quantities_of(self, self.noll)

    def forward(self, method: str, *arguments: Any) -> Any:
        """Call a method by name, see :meth:`PSF.forward`; what is replaced is not remembered."""
        kept, self._memory = self._memory, None
        try:
            return super().forward(method, *arguments)
        finally:
            self._memory = kept

    def objective(self) -> Objective:
        """Return the objective and its layers, differentiable."""
        return Objective(*(getattr(self, name).double() for name in Objective._fields))

    def apparent_depth(self) -> torch.Tensor:
        """Return how far the focus is moved from the coverslip to see the emitter sharp, in um."""
        rule = radii(64)
        objective = self.objective()
        power = rule.weights * apodisation(self.model, objective, rule.rho).square()
        return paths(objective, rule.rho, power).apparent_depth

    def otf(self, frequencies: torch.Tensor) -> torch.Tensor:
        """Return the OTF; see :meth:`PSF.otf`."""
        layout = self.layout()
        steps = layout.axial_step, layout.lateral_step, layout.lateral_step
        # What is summed repeats beyond the band that its steps resolve; there it is zero.
        within = (frequencies.abs() * frequencies.new_tensor(steps) < 0.5).all(dim=-1)
        if self.is_round:
            # Its vectors are short: threads would wait for each other, not work.
            with torch_threads(1):
                found = self._round_otf(frequencies)
        else:
            found = self._voxel_otf(frequencies)
        return found.to(frequencies.device) * within

    def extent(self) -> NDArray[np.float64]:
        """Return half-widths of a box that holds 0.999 of the light within the axial range."""
        with torch_threads(1 if self.is_round else torch.get_num_threads()):
            found: NDArray[np.float64] = self._remembered("extent", self._extent)
        return found.copy()

    def sampled(
        self, shape: tuple[int, int, int], spacing: tuple[float, float, float]
    ) -> torch.Tensor:
        """Return the PSF at the centres of voxels, (Z, Y, X), scaled to sum to 1.

        Centred on voxel ``shape // 2``, in the precision of the parameters.

        Raises
        ------
        ValueError
            If the shape or the spacing is impossible.
        """
        layout = self.layout()
        z, y, x = (
            step * (torch.arange(n, dtype=torch.float64) - n // 2)
            for n, step in zip(checked_shape(shape), checked_spacing(spacing).tolist(), strict=True)
        )
        lit = z.abs() < layout.axial_reach
        unlit = int(lit.long().argmax()), int(lit.flip(0).long().argmax())
        z, r = z[lit], torch.hypot(y[:, None], x)
        if self.is_round:
            with torch_threads(1):
                light = self._on_radii(layout, z, r.ravel()).reshape(len(z), *r.shape)
        else:
            light = self._on_voxels(layout, z, y, x)
        light = light * faded(z, layout.axial_reach)[:, None, None] * faded(r, layout.lateral_reach)
        light = torch.nn.functional.pad(light, (0, 0, 0, 0, *unlit))
        return (light / light.sum()).to(self.aberrations.dtype)

    def layout(self) -> Layout:
        """Return how far and how finely the PSF is followed; see :mod:`layout`."""
        powers: dict[float, int] = {}
        for wavelength in self.beams():
            number = float(wavelength.detach())
            powers[number] = powers.get(number, 0) + 1
        beams = [Beam(wavelength, power) for wavelength, power in powers.items()]
        return layout_of(self._pupil(), beams, self.axial_range, sheet=self.sheet(), cone=self.cone)

    def _round_otf(self, frequencies: torch.Tensor) -> torch.Tensor:
        z, step, spectrum = self._remembered("spectrum", self._spectrum)
        wanted = frequencies.detach().cpu().double()
        axes = product_axes(wanted)
        if axes is None:
            flat = wanted.reshape(-1, 3)
            across = interpolated(spectrum, torch.hypot(flat[:, 1], flat[:, 2]) / step)
            turned = _turned(flat[:, 0], z)
            found = (turned * across.T).sum(dim=1).reshape(frequencies.shape[:-1])
        else:
            radius = torch.hypot(axes[1][:, None], axes[2]) / step
            complex_ = frequencies.dtype.to_complex()
            across = interpolated(spectrum.to(frequencies.dtype), radius.ravel())
            found = (_turned(axes[0], z).to(complex_) @ across.to(complex_)).reshape(
                frequencies.shape[:-1]
            )
        return found.to(frequencies.dtype.to_complex())

    def _voxel_otf(self, frequencies: torch.Tensor) -> torch.Tensor:
        layout = self.layout()
        voxels = self._remembered(f"voxels {frequencies.dtype}", self._voxels, frequencies.dtype)
        steps = layout.axial_step, layout.lateral_step, layout.lateral_step
        corner = [-step * (n // 2) for n, step in zip(voxels.shape, steps, strict=True)]
        return transform_of_samples(voxels, corner, steps, frequencies.cpu())

    def _spectrum(self) -> tuple[torch.Tensor, float, torch.Tensor]:
        """Return (Z,) planes, the step of a table of frequencies across, and it, (Z, Q)."""
        layout = self.layout()
        z = _centred(layout.axial_reach, layout.axial_step)
        band = 1.0 / layout.lateral_step
        count = 2 * int(10 + 1.8 * band * layout.lateral_reach)
        r, weights = gauss(count, 0.0, layout.lateral_reach)
        light = self.combined(self._round_focus(layout, z, r), layout)
        light = light * faded(z, layout.axial_reach)[:, None] * faded(r, layout.lateral_reach)
        total = (light @ (2.0 * torch.pi * r * weights)).sum()
        step = 1.0 / (8.0 * layout.lateral_reach)
        q = step * torch.arange(int(np.ceil(0.5 * band / step)) + 4, dtype=torch.float64)
        return z, step, light @ (hankel(r, q) * (r * weights)[:, None]) / total

    def _voxels(self, dtype: torch.dtype) -> torch.Tensor:
        """Return (Z, Y, X) the PSF on the voxels of its layout; they sum to 1."""
        layout = self.layout()
        z = _centred(layout.axial_reach, layout.axial_step).to(dtype)
        finer = len(self.beams())
        half = finer * int(np.ceil(layout.lateral_reach / (finer * layout.lateral_step)))
        x = layout.lateral_step * torch.arange(-half, half, dtype=dtype)
        reach = layout.lateral_reach
        focus = VoxelFocus(self._pupil(), z, x, x, layout.nodes(), reach, finer)
        light = self.combined(focus, layout) * faded(z, layout.axial_reach)[:, None, None]
        light = light * faded(torch.hypot(x[:, None], x), layout.lateral_reach)
        return light / light.sum()

    def _on_radii(self, layout: Layout, z: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        """Return (Z, R) the PSF, of any total, at any distances from the axis."""
        step = layout.lateral_step / _FINER
        reach = min(float(r.max()), layout.lateral_reach)
        table = step * torch.arange(int(np.ceil(reach / step)) + 4, dtype=torch.float64)
        light = self.combined(self._round_focus(layout, z, table), layout)
        return interpolated(light, r / step)

    def _on_voxels(
        self, layout: Layout, z: torch.Tensor, y: torch.Tensor, x: torch.Tensor
    ) -> torch.Tensor:
        """Return (Z, Y, X) the PSF, of any total, at voxels of any size."""
        dtype = self.aberrations.dtype
        space = self.blur_room(layout)
        # A blur is a product of frequencies, so it needs all of them, and some room.
        finer = [
            max(1, int(np.ceil(_step(axis) / layout.lateral_step))) if space else 1
            for axis in (y, x)
        ]
        room = [
            int(np.ceil(space * fine / _step(axis)))
            for axis, fine in zip((y, x), finer, strict=True)
        ]
        along = [
            _step(axis) / fine * torch.arange(-more, (len(axis) - 1) * fine + more + 1) + axis[0]
            for axis, fine, more in zip((y, x), finer, room, strict=True)
        ]
        farthest = max(float(axis.abs().max()) for axis in along)
        finest = min(_step(axis) for axis in along)
        focus = VoxelFocus(
            self._pupil(),
            z.to(dtype),
            along[0].to(dtype),
            along[1].to(dtype),
            layout.nodes(min(farthest, layout.lateral_reach)),
            layout.lateral_reach,
            max(1, int(len(self.beams()) * layout.lateral_step / finest)) if space else 1,
        )
        light = self.combined(focus, layout)
        kept = [
            slice(more, more + (len(axis) - 1) * fine + 1, fine)
            for axis, fine, more in zip((y, x), finer, room, strict=True)
        ]
        return light[:, kept[0], kept[1]]

    def _extent(self) -> NDArray[np.float64]:
        layout = self.layout()
        with torch.no_grad():
            if self.is_round:
                z = _centred(layout.axial_reach, layout.axial_step)
                r, weights = gauss(layout.nodes(), 0.0, layout.lateral_reach)
                light = self.combined(self._round_focus(layout, z, r), layout)
                light = light * faded(r, layout.lateral_reach) * (r * weights)
                light = light * faded(z, layout.axial_reach)[:, None]
                marginals = [(z.abs(), light.sum(dim=1)), (r, light.sum(dim=0))]
                along, across = (_reach(*marginal) for marginal in marginals)
                return np.array([along, across, across])
            voxels = self._voxels(torch.float32)
        steps = layout.axial_step, layout.lateral_step, layout.lateral_step
        sums = [voxels.sum(dim=[i for i in range(3) if i != axis]) for axis in range(3)]
        distances = [
            step * (torch.arange(len(light)) - len(light) // 2).abs()
            for light, step in zip(sums, steps, strict=True)
        ]
        return np.array([_reach(*pair) for pair in zip(distances, sums, strict=True)])

    def _round_focus(self, layout: Layout, z: torch.Tensor, r: torch.Tensor) -> RoundFocus:
        return RoundFocus(self._pupil(), z, r, layout.nodes(), layout.lateral_reach)

    def _pupil(self) -> Pupil:
        path = self.aberrations.double() * self.beams()[-1].double()
        return Pupil(self.model, self.objective(), Aberrations(self.noll, path))

    def _remembered(self, name: str, make: Any, *arguments: Any) -> Any:
        """Return what a function makes, kept until a parameter changes; not for gradients."""
        if self._memory is None or torch.is_grad_enabled():
            return make(*arguments)
        key = b"".join(held.detach().numpy().tobytes() for held in self.parameters())
        if name not in self._memory or self._memory[name][0] != key:
            self._memory[name] = key, make(*arguments)
        return self._memory[name][1]


def _centred(reach: float, step: float) -> torch.Tensor:
    half = int(np.ceil(reach / step))
    return step * torch.arange(-half, half + 1, dtype=torch.float64)


def _step(axis: torch.Tensor) -> float:
    return float(axis[1] - axis[0]) if len(axis) > 1 else 1.0


def _turned(k: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return (K, Z) exp(-2 pi i k z)."""
    phase = -2.0 * torch.pi * k[:, None] * z
    return torch.polar(torch.ones_like(phase), phase)


def _reach(distance: torch.Tensor, light: torch.Tensor) -> float:
    """Return the distance that holds all but a thousandth of the light."""
    order = torch.argsort(distance)
    held = torch.cumsum(light[order], 0)
    within = int(torch.searchsorted(held, (1.0 - _OUTSIDE) * held[-1]))
    return float(distance[order][min(within, len(order) - 1)])
