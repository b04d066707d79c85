"""The fast transform of spheres, balls and boxes against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from meshft_cases import ISSUE_TOLERANCES, relative_error

from napari_deltamic.mesh.shapes import box, icosphere
from napari_deltamic.meshft import MeshFourierTransform

SHAPE, SPACING, BAND = (40, 36, 44), (0.5, 0.6, 0.4), (9, 8, 10)
CENTER, RADIUS = np.array([9.0, 11.0, 8.5]), 4.0


def transform(tolerance: float) -> MeshFourierTransform:
    return MeshFourierTransform(SHAPE, SPACING, band=BAND, tolerance=tolerance)


def phase(k: torch.Tensor, center: np.ndarray) -> torch.Tensor:
    return torch.exp(-2j * torch.pi * (k @ torch.from_numpy(center)))


def shell(k: torch.Tensor) -> torch.Tensor:
    """Return 4 pi R^2 sinc(2 pi |k| R); torch's sinc holds the pi."""
    return 4 * torch.pi * RADIUS**2 * torch.sinc(2 * k.norm(dim=-1) * RADIUS) * phase(k, CENTER)


def ball(k: torch.Tensor) -> torch.Tensor:
    q = 2 * torch.pi * k.norm(dim=-1) * RADIUS
    safe = torch.where(q == 0, 1.0, q)
    profile = torch.where(q == 0, 1 / 3, (safe.sin() - safe * safe.cos()) / safe**3)
    return 4 * torch.pi * RADIUS**3 * profile * phase(k, CENTER)


@pytest.mark.parametrize(
    ("closed_form", "membrane", "interior"), [(shell, 1.0, None), (ball, 0.0, 1.0)]
)
def test_spheres_converge_at_second_order(closed_form, membrane, interior) -> None:
    fast = transform(1e-9)
    expected = closed_form(fast.frequencies())
    found = []
    for subdivisions in (3, 4, 5):
        mesh = icosphere(CENTER, RADIUS, subdivisions)
        vertices = torch.from_numpy(np.array(mesh.vertices))
        found.append(fast(vertices, mesh.faces, membrane, interior))
    errors = [relative_error(modes, expected) for modes in found]
    # Facets halve: a quarter of the error.
    assert errors[1] / errors[0] == pytest.approx(0.25, abs=0.02)
    assert errors[2] / errors[1] == pytest.approx(0.25, abs=0.01)
    # What is left after the facets' leading error is taken out.
    assert relative_error((4 * found[2] - found[1]) / 3, expected) < 1e-5


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
def test_box_interior_is_a_product_of_sincs(dtype, tolerance: float) -> None:
    # The box's sides lie beyond the periodic box's on two axes.
    lower, upper = np.array([-3.0, 4.0, 12.0]), np.array([7.0, 9.5, 21.0])
    mesh = box(lower, upper)
    fast = transform(tolerance)
    found = fast(torch.from_numpy(np.array(mesh.vertices)).to(dtype), mesh.faces, 0.0, 1.0)
    k, size = fast.frequencies(), torch.from_numpy(upper - lower)
    expected = (size * torch.sinc(k * size)).prod(dim=-1) * phase(k, (lower + upper) / 2)
    assert relative_error(found, expected) <= tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
def test_box_membrane_is_six_rectangles(dtype, tolerance: float) -> None:
    lower, upper = np.array([-3.0, 4.0, 12.0]), np.array([7.0, 9.5, 21.0])
    mesh = box(lower, upper)
    fast = transform(tolerance)
    found = fast(torch.from_numpy(np.array(mesh.vertices)).to(dtype), mesh.faces, 1.0)
    k, size = fast.frequencies(), torch.from_numpy(upper - lower)
    along = size * torch.sinc(k * size)
    # Two faces, half a size to either side of the centre, across each axis.
    faces = sum(
        2 * torch.cos(torch.pi * k[..., axis] * size[axis])
        * along[..., (axis + 1) % 3] * along[..., (axis + 2) % 3]
        for axis in range(3)
    )  # fmt: skip
    assert relative_error(found, faces * phase(k, (lower + upper) / 2)) <= tolerance
