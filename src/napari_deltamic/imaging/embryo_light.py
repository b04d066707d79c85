"""How generated embryos are marked and seen: brightness, optics, dimming with depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.triangle_mesh import TriangleMesh
from napari_deltamic.spacing import checked_spacing

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF

EmbryoLabel = Literal["membrane", "interior", "both"]

# Of membranes and of insides; cells alike inside would not show where they touch.
_VARIATION, _INSIDE_VARIATION = 0.2, 0.4
_NUCLEUS, _CYTOSOL, _CYTOSOL_WITH_NUCLEI, _CYTOSOL_WITH_MEMBRANES = 1.0, 1.0, 0.15, 0.3
# In voxels of the plane, as on a spinning disc; along z at least this many planes.
_PSF_WIDTHS = (2.5, 1.5, 1.5)
_PSF_DEPTH_IN_PLANES = 0.8
_MARGIN_IN_VOXELS = 2.0
_LEAST_VOXELS = 8


@dataclass(frozen=True, eq=False)
class Marking:
    """Relative brightness of everything that a marker may mark, by number of region."""

    membrane: NDArray[np.float64]
    """(R + 1, R + 1) per um^2 between two regions, the outside first; symmetric."""
    interior: NDArray[np.float64]
    """(R + 1,) per um^3."""

    def of_interfaces(self, mesh: TriangleMesh) -> NDArray[np.float64]:
        """Return (I,) in the order of ``mesh.interfaces``."""
        return np.asarray(self.membrane[tuple(mesh.interfaces.T)])

    def of_regions(self, mesh: TriangleMesh) -> NDArray[np.float64]:
        """Return (R,) in the order of ``mesh.regions``."""
        return np.asarray(self.interior[mesh.regions])


@dataclass(frozen=True, eq=False)
class Optics:
    """A stack's place and grid, and how light reaches it."""

    shape: tuple[int, int, int]
    spacing: NDArray[np.float64]
    psf: PSF
    attenuation: float
    """Rate in 1/um at which planes are dimmed, from plane 0 on."""

    @property
    def middle(self) -> NDArray[np.float64]:
        """(3,) the middle of the stack, in um."""
        return np.asarray(0.5 * self.spacing * (np.array(self.shape) - 1))

    def image(
        self, mesh: TriangleMesh, membrane: NDArray[np.float64], interior: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return (Z, Y, X) the light without background, dimmed, never below zero."""
        from napari_deltamic.imaging.rendering import render

        seen = render(
            mesh,
            self.psf,
            self.shape,
            self.spacing,
            membrane=membrane,
            interior=interior,
            attenuation=self.attenuation,
        )
        return np.maximum(seen, 0.0).astype(np.float64)


def marking(
    cells: int,
    label: EmbryoLabel,
    nuclei: bool,
    contact_brightness: float,
    rng: np.random.Generator,
) -> Marking:
    """Draw how bright each membrane and each inside is, around what is usual for its kind."""
    size = 2 * cells + 1 if nuclei else cells + 1
    varied = rng.uniform(1.0 - _VARIATION, 1.0 + _VARIATION, (size, size))
    varied = np.triu(varied) + np.triu(varied, 1).T
    usual = np.zeros((size, size))
    usual[: cells + 1, : cells + 1] = contact_brightness
    usual[0], usual[:, 0] = 1.0, 1.0
    within = np.zeros(size)
    if nuclei:
        within[1 : cells + 1] = _CYTOSOL_WITH_NUCLEI
        within[cells + 1 :] = _NUCLEUS
    else:
        within[1:] = _CYTOSOL if label == "interior" else _CYTOSOL_WITH_MEMBRANES
    within *= rng.uniform(1.0 - _INSIDE_VARIATION, 1.0 + _INSIDE_VARIATION, size)
    if label == "membrane":
        within[:] = 0.0
    if label == "interior":
        usual[:] = 0.0
    return Marking(usual * varied, within)


def default_psf(spacing: NDArray[np.float64]) -> PSF:
    """Return a Gaussian PSF that suits the voxels."""
    from napari_deltamic.optics import GaussianPSF

    widths = np.array(_PSF_WIDTHS) * spacing[1:].mean()
    widths[0] = max(widths[0], _PSF_DEPTH_IN_PLANES * spacing[0])
    return GaussianPSF(sigma=widths)


def margin_of(psf: PSF, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (3,) um that an embryo keeps from the middle of the outermost voxels."""
    return np.asarray(psf.extent() + _MARGIN_IN_VOXELS * spacing)


def checked_request(
    cells: int,
    shape: tuple[int, int, int] | None,
    spacing: ArrayLike,
    peak: float,
    background: float,
    attenuation: float,
    label: str,
    contact_brightness: float,
) -> NDArray[np.float64]:
    """Return the voxel size, or raise ValueError for whatever cannot be."""
    voxel = checked_spacing(spacing)
    if int(cells) != cells or not 1 <= cells <= 256:
        raise ValueError(f"cells: expected a whole number in 1..256, got {cells}")
    if label not in get_args(EmbryoLabel):
        raise ValueError(f"label: expected one of {get_args(EmbryoLabel)}, got {label!r}")
    if shape is not None and (len(shape) != 3 or min(shape) < _LEAST_VOXELS):
        raise ValueError(
            f"shape: expected three numbers of voxels of {_LEAST_VOXELS} or more, got {shape}"
        )
    if not np.isfinite(peak) or peak <= 0:
        raise ValueError(f"peak: expected a positive number of photons, got {peak}")
    for name, value in (
        ("background", background),
        ("attenuation", attenuation),
        ("contact_brightness", contact_brightness),
    ):
        if not np.isfinite(value) or value < 0:
            raise ValueError(f"{name}: expected a number of 0 or more, got {value}")
    return voxel
