"""Random meshes and boxes for the tests of the mesh Fourier transform."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.shapes import box, bumpy_sphere, icosphere
from napari_deltamic.meshft import MeshFourierTransform, exact_transform

ISSUE_TOLERANCES = [(torch.float32, 1e-5), (torch.float64, 1e-9)]


class Box(NamedTuple):
    """A box of voxels and the band of modes to compute in it."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    band: tuple[int, int, int]

    @property
    def lengths(self) -> np.ndarray:
        return np.multiply(self.shape, self.spacing)

    def transform(self, tolerance: float) -> MeshFourierTransform:
        return MeshFourierTransform(self.shape, self.spacing, band=self.band, tolerance=tolerance)


@st.composite
def boxes(draw, largest_band: int = 6) -> Box:
    """Anisotropic boxes and bands, down to a band of mode zero alone."""
    shape = tuple(draw(st.integers(8, 40)) for _ in range(3))
    spacing = tuple(draw(st.floats(0.2, 2.0)) for _ in range(3))
    band = tuple(draw(st.integers(0, largest_band)) for _ in range(3))
    return Box(shape, spacing, band)


@st.composite
def closed_meshes(draw, lengths: np.ndarray) -> TriangleMesh:
    """Bumpy, crumpled and box-shaped bodies, anywhere: across the box's sides and far outside."""
    center = np.array([draw(st.floats(-1.5, 2.5)) for _ in range(3)]) * lengths
    # No smaller: the interior of tiny bodies has a test of its own.
    smallest = 0.02 * lengths.max()
    radius = draw(st.floats(smallest, max(0.6 * lengths.min(), 2 * smallest)))
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["bumpy", "crumpled", "box"]))
    if kind == "bumpy":
        return bumpy_sphere(center, radius, draw(st.floats(0, 0.9)), seed=seed, subdivisions=1)
    rng = np.random.default_rng(seed)
    if kind == "box":
        return box(center - radius * rng.uniform(0.2, 1, 3), center + radius)
    sphere = icosphere(center, radius, 1)
    return sphere.with_vertices(
        sphere.vertices + 0.3 * radius * rng.normal(size=sphere.vertices.shape)
    )


def densities(
    label: str, mesh: TriangleMesh, dtype: torch.dtype, seed: int = 0
) -> tuple[torch.Tensor | float, torch.Tensor | float | None]:
    """Return membrane and interior densities; the two terms are of like size in "both"."""
    membrane = torch.from_numpy(np.random.default_rng(seed).uniform(0.5, 1.5, len(mesh.faces)))
    size = float(np.ptp(mesh.vertices, axis=0).mean())
    return {
        "membrane": (membrane.to(dtype), None),
        "interior": (0.0, 0.7),
        "both": (membrane.to(dtype), 2.0 / size),
    }[label]


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the relative L2 error."""
    difference = found.reshape(-1).to(expected.dtype) - expected.reshape(-1)
    return float(difference.norm() / expected.norm())


def error_against_exact(
    where: Box,
    mesh: TriangleMesh,
    label: str,
    dtype: torch.dtype,
    tolerance: float,
    most_modes: int = 1500,
) -> float:
    """Return the fast transform's relative L2 error, over all modes or a random choice of many."""
    transform = where.transform(tolerance)
    vertices = torch.from_numpy(np.array(mesh.vertices)).to(dtype)
    membrane, interior = densities(label, mesh, dtype)
    found = transform(vertices, mesh.faces, membrane, interior).reshape(-1)
    frequencies = transform.frequencies().reshape(-1, 3)
    chosen = np.random.default_rng(1).permutation(len(found))[:most_modes]
    expected = exact_transform(vertices, mesh.faces, membrane, frequencies[chosen], interior)
    return relative_error(found[chosen], expected)
