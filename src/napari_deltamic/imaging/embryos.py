"""Generated embryos of touching cells whose every surface, volume and brightness is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.embryo_light import (
    EmbryoLabel,
    Marking,
    Optics,
    checked_request,
    default_psf,
    margin_of,
    marking,
)
from napari_deltamic.imaging.embryo_shape import (
    cell_volumes,
    check_size,
    default_scale,
    extent_of,
    fitted_scale,
    foam_surface,
    largest_diameter,
    middle_of,
    refined,
    room_and_aspect,
    stack_shape,
    with_nuclei,
)
from napari_deltamic.imaging.noise import poisson_noise
from napari_deltamic.imaging.stack import ImageStack
from napari_deltamic.mesh.triangle_mesh import TriangleMesh
from napari_deltamic.mesh.voxels import voxelise

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF


@dataclass(frozen=True, eq=False)
class Embryo:
    """A generated stack of touching cells and everything that it was made from.

    The noise is drawn about ``expected``, which is
    ``gain * exp(-attenuation * z) * render(truth, psf, ..., membrane, interior) + background``
    with z the depth of a plane below the first one, in um.

    Attributes
    ----------
    stack
        The image, in photons, Poisson noise included.
    truth
        The surfaces it shows: cell i is region i, from 1. Cells share their contacts. With nuclei
        that of cell i is region N + i, and region i is what lies around it.
    cells
        Number N of cells.
    psf
        The microscope it was seen through.
    label
        What was marked: "membrane", "interior" or "both".
    membrane
        (I,) relative brightness per um^2, in the order of ``truth.interfaces``.
    interior
        (R,) relative brightness per um^3, in the order of ``truth.regions``.
    gain
        Photons for each unit of relative brightness.
    background
        Expected photons in an empty voxel.
    attenuation
        Rate in 1/um at which light fades with depth.
    expected
        (Z, Y, X) float32 expected photons: the image without its noise.
    """

    stack: ImageStack
    truth: TriangleMesh
    cells: int
    psf: PSF
    label: EmbryoLabel
    membrane: NDArray[np.float64]
    interior: NDArray[np.float64]
    gain: float
    background: float
    attenuation: float
    expected: NDArray[np.float32]

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """(Z, Y, X) the region that each voxel's centre lies in, 0 outside."""
        return voxelise(self.truth, self.stack.shape, self.stack.spacing, self.stack.origin)

    def volumes(self) -> NDArray[np.float64]:
        """Return (R,) the regions' volumes in um^3, in the order of ``truth.regions``."""
        return self.truth.volumes()

    def interface_areas(self) -> NDArray[np.float64]:
        """Return (I,) the areas in um^2 of all interfaces, in the order of ``truth.interfaces``."""
        _, areas = self.truth.face_normals_and_areas()
        count = len(self.truth.interfaces)
        return np.bincount(self.truth.face_interfaces, areas, count).astype(np.float64)


def make_embryo(
    cells: int = 8,
    shape: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    peak: float = 20.0,
    background: float = 1.0,
    psf: PSF | None = None,
    attenuation: float = 0.0,
    nuclei: bool = False,
    label: EmbryoLabel = "membrane",
    contact_brightness: float = 2.0,
) -> Embryo:
    """Generate a stack of an embryo whose cells touch, with a known truth.

    The cells pack as bubbles of a foam do: of similar volumes, their contacts and outer faces
    smooth, meeting three at a line at about 120 degrees, all in a roughly ellipsoidal embryo.

    Parameters
    ----------
    cells
        How many, 1 to 256.
    shape
        Voxels along z, y and x, which the embryo fills but for a margin that holds the blur. By
        default as many as cells 30 voxels across need.
    spacing
        Voxel size in um.
    seed
        Of the shapes, the brightness and the noise. Shapes do not depend on the other choices
        unless a ``shape`` is given, which the embryo follows.
    peak
        Expected photons above the background in the brightest voxel.
    background
        Expected photons in an empty voxel.
    psf
        The microscope; by default a Gaussian of sigma 1.5 voxels in the plane, 2.5 of those in z.
    attenuation
        Rate in 1/um at which light fades with depth, from plane 0 on.
    nuclei
        Whether each cell has a nucleus: a smooth ellipsoid, a region of its own. Its envelope
        holds no membrane marker; its inside is brighter than the cell's where insides are marked.
    label
        What is marked: "membrane", "interior", or "both".
    contact_brightness
        Of a contact between two cells, which has two membranes, beside 1 of an outer face. Each
        interface varies by up to 20 % around it, and insides by up to 40 %.

    Raises
    ------
    ValueError
        If an argument is out of range, or the shape is too small for so many cells.
    """
    voxel = checked_request(
        cells, shape, spacing, peak, background, attenuation, label, contact_brightness
    )
    optic = psf if psf is not None else default_psf(voxel)
    margin = margin_of(optic, voxel)
    shape_rng, nuclei_rng, light_rng, noise_rng = np.random.default_rng(seed).spawn(4)
    room, aspect = room_and_aspect(shape, voxel, margin)
    check_size(largest_diameter(room, aspect, voxel, cells), voxel, cells)
    volumes = cell_volumes(cells, shape_rng)
    surface = foam_surface(volumes, aspect, shape_rng)
    scale = default_scale(voxel)
    if room is not None:
        scale = fitted_scale(extent_of(surface.vertices), room)
    check_size(scale, voxel, cells)
    edge_length = float(voxel[1:].min())
    truth = refined(surface.with_vertices(scale * surface.vertices), scale, edge_length)
    if nuclei:
        truth = with_nuclei(truth, edge_length, nuclei_rng)
    if shape is None:
        shape = stack_shape(extent_of(truth.vertices), voxel, margin)
    optics = Optics(shape, voxel, optic, attenuation)
    truth = truth.with_vertices(truth.vertices - middle_of(truth.vertices) + optics.middle)
    marks = marking(cells, label, nuclei, contact_brightness, light_rng)
    return photographed(truth, cells, optics, label, marks, peak, background, noise_rng)


def photographed(
    truth: TriangleMesh,
    cells: int,
    optics: Optics,
    label: EmbryoLabel,
    marks: Marking,
    peak: float,
    background: float,
    rng: np.random.Generator,
    gain: float | None = None,
) -> Embryo:
    """Return the embryo with its image; the gain follows from the peak if it is not given."""
    membrane, interior = marks.of_interfaces(truth), marks.of_regions(truth)
    image = optics.image(truth, membrane, interior)
    brightest = float(image.max())
    if gain is None:
        gain = peak / brightest
    photons = poisson_noise(image, gain * brightest, int(rng.integers(2**32)), background)
    return Embryo(
        stack=ImageStack(photons, optics.spacing),
        truth=truth,
        cells=cells,
        psf=optics.psf,
        label=label,
        membrane=membrane,
        interior=interior,
        gain=gain,
        background=background,
        attenuation=optics.attenuation,
        expected=(gain * image + background).astype(np.float32),
    )
