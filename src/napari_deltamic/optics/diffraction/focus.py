"""The intensity near the focus of a pupil, on circles or on voxels.

A focus offers :meth:`spot`, the intensity of one wavelength, blurred across the optical axis where
asked. Every modality is made of spots. :class:`RoundFocus` knows radii alone and needs a thousandth
of the work of :class:`VoxelFocus`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from napari_deltamic.optics.diffraction.aberrations import aberration_path
from napari_deltamic.optics.diffraction.bessel import bessel
from napari_deltamic.optics.diffraction.disc import gauss, radii, rows
from napari_deltamic.optics.diffraction.layout import stepped
from napari_deltamic.optics.diffraction.objective import paths
from napari_deltamic.optics.diffraction.pupil import Pupil, apodisation, pupil_fields, radial_field

Blur = Callable[[torch.Tensor], torch.Tensor]
"""Maps frequencies across the axis, in cycles/um, to what is left of them."""

# Complex numbers that one step of the sum over planes may hold.
_CHUNK = 1 << 22


class Focus(Protocol):
    """Intensity near the focus, of one wavelength after another."""

    @property
    def depth(self) -> torch.Tensor:
        """Distance from the focal plane in um, shaped to multiply intensities."""

    def spot(
        self,
        wavelength: torch.Tensor,
        blur: Blur | None = None,
        polarisation: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the intensity, of a total that does not depend on the focus.

        Parameters
        ----------
        wavelength
            In um.
        blur
            Across the axis.
        polarisation
            Of light from a laser: its angle in degrees from x towards y.
        """


@dataclass(frozen=True)
class RoundFocus:
    """A focus that is round about the optical axis.

    Parameters
    ----------
    pupil
        Its aberrations must be round too.
    z
        (Z,) distances from the focal plane in um.
    r
        (R,) distances from the axis in um.
    nodes
        Of the sum over the pupil.
    reach
        How far from the axis light is followed before a blur, in um.
    """

    pupil: Pupil
    z: torch.Tensor
    r: torch.Tensor
    nodes: int
    reach: float

    @property
    def depth(self) -> torch.Tensor:
        """See :class:`Focus`."""
        return self.z[:, None]

    def spot(
        self,
        wavelength: torch.Tensor,
        blur: Blur | None = None,
        polarisation: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return (Z, R); see :class:`Focus`."""
        if polarisation is not None:
            raise ValueError("polarisation: the focus of polarised light is not round")
        if blur is None:
            return self._sharp(wavelength, self.r)
        # By way of the frequencies across, of which an intensity has none beyond 2 NA / wavelength.
        cutoff = 2.0 * self.pupil.objective.aperture.detach() / wavelength.detach()
        r, across = (nodes.to(self.z) for nodes in gauss(self.nodes, 0.0, self.reach))
        sharp = self._sharp(wavelength, r) * faded(r, self.reach)
        q, along = (
            nodes.to(self.z) for nodes in gauss(self.nodes, 0.0, stepped(float(cutoff), up=True))
        )
        spectrum = sharp @ (hankel(r, q) * (r * across)[:, None])
        return (spectrum * blur(q)) @ (hankel(q, self.r) * (q * along)[:, None])

    def _sharp(self, wavelength: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        model, objective, aberrations = self.pupil
        rule = radii(self.nodes)
        field = radial_field(model, objective, rule.rho)
        power = rule.weights * apodisation(model, objective, rule.rho).square()
        ways = paths(objective, rule.rho, power)
        path = ways.layers + aberration_path(aberrations, torch.zeros_like(rule.rho), rule.rho)
        planes = _phasors(path - self.z.double()[:, None] * ways.defocus, wavelength)
        scale = (objective.aperture / wavelength).square() / power.sum()
        waves = 2.0 * torch.pi * objective.aperture / wavelength * rule.rho[:, None] * r.double()
        total = torch.zeros((), dtype=self.z.dtype)
        for order, amplitude in field.amplitudes.items():
            lit = (rule.weights * amplitude * planes).to(self.z.dtype.to_complex())
            carried = bessel(order, waves).to(lit.dtype)
            total = total + field.shares[order] * squared(lit @ carried)
        return total * scale.to(self.z)


@dataclass(frozen=True)
class VoxelFocus:
    """A focus of any shape.

    Parameters
    ----------
    pupil
        What shapes it.
    z, y, x
        Distances in um from the focal plane, and from the axis in steps of one size.
    nodes
        Rows, and nodes in each, of the sum over the pupil.
    reach
        How far from the axis light is followed before a blur, in um.
    finer
        Voxels to a sample of each spot, along y and along x. A product of spots has frequencies
        that none of them has, so it needs the voxels, and a spot does not.
    """

    pupil: Pupil
    z: torch.Tensor
    y: torch.Tensor
    x: torch.Tensor
    nodes: int
    reach: float
    finer: int = 1

    @property
    def depth(self) -> torch.Tensor:
        """See :class:`Focus`."""
        return self.z[:, None, None]

    def spot(
        self,
        wavelength: torch.Tensor,
        blur: Blur | None = None,
        polarisation: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return (Z, Y, X); see :class:`Focus`."""
        model, objective, aberrations = self.pupil
        rule = rows(self.nodes)
        v = rule.v[:, None].expand_as(rule.u)
        rho = torch.hypot(v, rule.u)
        power = rule.weights * apodisation(model, objective, rho).square()
        ways = paths(objective, rho, power)
        path = ways.layers + aberration_path(aberrations, v, rule.u)
        fields = pupil_fields(model, objective, v, rule.u, polarisation)
        scale = (objective.aperture / wavelength).square() / power.sum()
        complex_ = self.z.dtype.to_complex()
        y, x = self.y[:: self.finer], self.x[:: self.finer]
        step = objective.aperture / wavelength
        across = _phasors(step * y.double()[:, None] * rule.v, 1.0).to(complex_)
        along = _phasors(step * rule.u[:, :, None] * x.double(), 1.0).to(complex_)
        planes = max(1, _CHUNK // (self.nodes * (self.nodes + len(x))))
        parts = []
        for z in self.z.double().split(planes):
            defocused = path[:, None] - z[:, None] * ways.defocus[:, None]
            turned = _phasors(defocused, wavelength).to(complex_)
            total = torch.zeros((), dtype=self.z.dtype)
            for share, amplitude in fields:
                lit = (rule.weights * amplitude)[:, None].to(turned) * turned
                of_rows = torch.bmm(lit, along)
                total = total + share * squared(torch.tensordot(across, of_rows, dims=1))
            parts.append(total.transpose(0, 1))
        sharp = torch.cat(parts) * scale.to(self.z)
        if blur is None and self.finer == 1:
            return sharp
        return self._refined(sharp * faded(torch.hypot(y[:, None], x), self.reach), blur)

    def _refined(self, sharp: torch.Tensor, blur: Blur | None) -> torch.Tensor:
        """Return samples of a spot on all voxels, after a blur."""
        finer, (tall, wide) = self.finer, sharp.shape[1:]
        # Twice as wide, so that nothing wraps round.
        spectrum = torch.fft.rfft2(sharp, s=(2 * tall, 2 * wide))
        if blur is not None:
            qy = torch.fft.fftfreq(2 * tall, finer * float(self.y[1] - self.y[0])).to(self.z)
            qx = torch.fft.rfftfreq(2 * wide, finer * float(self.x[1] - self.x[0])).to(self.z)
            spectrum = spectrum * blur(torch.hypot(qy[:, None], qx))
        more = spectrum.new_zeros(len(sharp), 2 * tall * (finer - 1), spectrum.shape[2])
        whole = torch.cat([spectrum[:, :tall], more, spectrum[:, tall:]], dim=1)
        voxels: torch.Tensor = torch.fft.irfft2(
            whole, s=(2 * tall * finer, 2 * wide * finer), norm="backward"
        )
        return finer**2 * voxels[:, : len(self.y), : len(self.x)]


def hankel(r: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return (R, Q) the kernel of the transform between radii in um and in cycles/um."""
    return 2.0 * torch.pi * bessel(0, 2.0 * torch.pi * r[:, None] * q)


def faded(distance: torch.Tensor, reach: float) -> torch.Tensor:
    """Return a window: 1 near the focus, falling smoothly to 0 over the last quarter."""
    outer = ((distance.abs() / reach - 0.75) / 0.25).clamp(0.0, 1.0)
    return (0.5 * torch.pi * outer).cos().square()


def squared(field: torch.Tensor) -> torch.Tensor:
    """Return the squared magnitude of complex numbers."""
    return field.real.square() + field.imag.square()


def _phasors(path: torch.Tensor, wavelength: torch.Tensor | float) -> torch.Tensor:
    phase = 2.0 * torch.pi / wavelength * path
    return torch.polar(torch.ones_like(phase), phase)
