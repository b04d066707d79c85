"""Generated stacks whose true surfaces are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.noise import poisson_noise
from napari_deltamic.imaging.stack import ImageStack
from napari_deltamic.mesh.seeds import seed_spheres
from napari_deltamic.mesh.shapes import bumpy_sphere, dumbbell
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate
from napari_deltamic.spacing import checked_spacing

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF

SampleName = Literal["cells", "bumpy", "dumbbell"]
SampleLabel = Literal["membrane", "interior"]

_PSF_WIDTH_IN_VOXELS = 1.2
_CELL_COUNT = 5
_CELL_AMPLITUDE = 0.2
_CELL_RADII = (0.13, 0.19)
"""Smallest and largest, as fractions of the stack's shortest side."""
_FINEST_RADIUS_IN_VOXELS = 2.0
_SHRINKING = 0.98


@dataclass(frozen=True, eq=False)
class Sample:
    """A generated stack and everything that it was made from.

    Attributes
    ----------
    name
        Which sample it is.
    stack
        The image, in photons, Poisson noise included.
    truth
        The surfaces it shows.
    psf
        The microscope it was seen through.
    seed_mesh
        Spheres at the objects' centres, region by region as in ``truth``: a start for a fit.
    label
        What was marked: "membrane" or "interior".
    brightness
        (R,) relative brightness of the regions, up to 1.
    background
        Expected photons in an empty voxel.
    """

    name: SampleName
    stack: ImageStack
    truth: TriangleMesh
    psf: PSF
    seed_mesh: TriangleMesh
    label: SampleLabel
    brightness: NDArray[np.float64]
    background: float


def make_sample(
    name: SampleName = "cells",
    shape: tuple[int, int, int] = (64, 128, 128),
    spacing: tuple[float, float, float] = (0.4, 0.2, 0.2),
    seed: int = 0,
    peak: float = 100.0,
    label: SampleLabel = "membrane",
    background: float = 1.0,
) -> Sample:
    """Generate a stack with a known truth.

    Parameters
    ----------
    name
        "cells", five separate bumpy cells of different size and brightness, or fewer in a stack
        too small for five; "bumpy", one such cell; "dumbbell", two balls joined by a neck. All
        scale with the stack.
    shape
        Voxels along z, y and x.
    spacing
        Voxel size in um.
    seed
        Of the shapes, their places and the noise.
    peak
        Expected photons above the background in the brightest voxel.
    label
        Whether the surface or what it encloses is marked.
    background
        Expected photons in an empty voxel.

    Raises
    ------
    ValueError
        If the name or label is not one of those above, an argument is out of range, or the stack
        is too small for an object of a few voxels.
    """
    if name not in get_args(SampleName):
        raise ValueError(f"name: expected one of {get_args(SampleName)}, got {name!r}")
    if label not in get_args(SampleLabel):
        raise ValueError(f"label: expected one of {get_args(SampleLabel)}, got {label!r}")
    voxel = checked_spacing(spacing)
    if len(shape) != 3 or min(shape) < 16:
        raise ValueError(f"shape: expected three numbers of voxels of 16 or more, got {shape}")

    from napari_deltamic.imaging.rendering import render
    from napari_deltamic.optics import GaussianPSF

    rng = np.random.default_rng(seed)
    psf = GaussianPSF(sigma=_PSF_WIDTH_IN_VOXELS * voxel)
    objects, centers, radii = _objects(name, np.array(shape) * voxel, voxel, psf.extent(), rng)
    brightness = np.ones(len(objects))
    brightness[1:] = rng.uniform(0.5, 1.0, len(objects) - 1)
    truth = concatenate(objects)
    on_surface, within = (brightness, 0.0) if label == "membrane" else (0.0, brightness)
    image = render(truth, psf, shape, voxel, membrane=on_surface, interior=within)
    photons = poisson_noise(image, peak, int(rng.integers(2**32)), background)
    return Sample(
        name=name,
        stack=ImageStack(photons, voxel),
        truth=truth,
        psf=psf,
        seed_mesh=seed_spheres(centers, radii),
        label=label,
        brightness=brightness,
        background=background,
    )


def _objects(
    name: SampleName,
    size: NDArray[np.float64],
    voxel: NDArray[np.float64],
    margin: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[list[TriangleMesh], NDArray[np.float64], NDArray[np.float64]]:
    """Return surfaces inside a box of ``size`` um, with centres and radii for seeds."""
    middle = 0.5 * (size - voxel)
    smallest = float(size.min())
    if name == "dumbbell":
        # The longest side; of equal ones the last, which lies in the plane of focus.
        axis = 2 - int(size[::-1].argmax())
        radius = min(0.25 * smallest, float(size[axis]) / 6.0)
        shape = dumbbell(middle, 4.2 * radius, radius, 0.5 * radius, axis)
        return [shape], middle[None], np.array([radius])
    if name == "bumpy":
        radius = 0.28 * smallest
        shape = bumpy_sphere(middle, radius, 0.3, seed=int(rng.integers(2**32)))
        return [shape], middle[None], np.array([0.8 * radius])
    centers, radii = _places(size, voxel, margin, rng)
    cells = [
        bumpy_sphere(center, radius, _CELL_AMPLITUDE, seed=int(rng.integers(2**32)))
        for center, radius in zip(centers, radii, strict=True)
    ]
    return cells, centers, 0.75 * radii


def _places(
    size: NDArray[np.float64],
    voxel: NDArray[np.float64],
    margin: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centres and radii of cells, drawn anew and a little smaller until all find room."""
    side = float(size.min())
    finest = _FINEST_RADIUS_IN_VOXELS * float(voxel.max()) / (side * _CELL_RADII[0])
    draws = 1 + max(int(np.log(finest) / np.log(_SHRINKING)), 0)
    most: tuple[NDArray[np.float64], NDArray[np.float64]] = np.empty((0, 3)), np.empty(0)
    for shrunk in _SHRINKING ** np.arange(draws):
        radii = shrunk * side * rng.uniform(*_CELL_RADII, _CELL_COUNT)
        most = max(most, _placed(radii, size, voxel, margin, rng), key=lambda cells: len(cells[1]))
        if len(most[1]) == _CELL_COUNT:
            break
    if len(most[1]) == 0:
        raise ValueError("shape: the stack is too small for a cell and its blur; use more voxels")
    return most


def _placed(
    radii: NDArray[np.float64],
    size: NDArray[np.float64],
    voxel: NDArray[np.float64],
    margin: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place cells at random with room for the blur round them; drop those that find no room."""
    reach = (1.0 + _CELL_AMPLITUDE) * radii
    gap = float(margin.max())
    centers = np.empty((0, 3))
    placed: list[int] = []
    for index in np.argsort(-radii):
        low = reach[index] + 0.5 * margin
        high = size - voxel - low
        if (high <= low).any():
            continue
        tried = rng.uniform(low, high, (500, 3))
        distances = np.linalg.norm(tried[:, None] - centers, axis=2)
        free = (distances > reach[placed] + reach[index] + gap).all(axis=1)
        if free.any():
            centers = np.vstack([centers, tried[free.argmax()]])
            placed.append(int(index))
    return centers, radii[placed]
