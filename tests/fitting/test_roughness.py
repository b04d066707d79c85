"""The prior on wrinkles, and the smoothing of steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deltamic.fitting import preconditioner
from napari_deltamic.fitting import roughness as prior_of
from napari_deltamic.mesh import TriangleMesh, bumpy_sphere, icosphere

CPU = torch.device("cpu")


class OnArrays:
    """The prior, of arrays."""

    def __init__(self, mesh: TriangleMesh, width: float, order: int) -> None:
        self.prior = prior_of.roughness(mesh, width, order, CPU)

    def energy(self, vertices: np.ndarray) -> tuple[float, np.ndarray]:
        energy, gradient = self.prior.energy(torch.tensor(vertices))
        return energy, gradient.numpy()

    def offset(self, vertices: np.ndarray) -> np.ndarray:
        return self.prior.offset(torch.tensor(vertices)).numpy()


def smoother(mesh: TriangleMesh, smoothing: float):
    smooth = preconditioner.smoother(mesh, smoothing, CPU)
    return lambda gradient: smooth(torch.tensor(gradient)).numpy()


def flat_patch(size: int = 9) -> TriangleMesh:
    """A plane of equilateral triangles, tilted."""
    row, column = np.indices((size, size)).reshape(2, -1)
    flat = np.column_stack([row * 0.75**0.5, column + 0.5 * row, np.zeros(size**2)])
    tilt = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    corner = np.arange(size**2).reshape(size, size)[:-1, :-1].ravel()
    faces = np.concatenate(
        [
            np.column_stack([corner, corner + 1, corner + size]),
            np.column_stack([corner + 1, corner + size + 1, corner + size]),
        ]
    )
    return TriangleMesh(flat @ tilt.T, faces)


@pytest.mark.parametrize("order", [1, 2])
def test_gradient_is_that_of_the_energy(order: int) -> None:
    mesh = bumpy_sphere((1, 2, 3), 1.0, 0.3, subdivisions=2)
    prior = OnArrays(mesh, 0.02, order)
    rng = np.random.default_rng(1)
    vertices = mesh.vertices + 0.02 * rng.normal(size=mesh.vertices.shape)
    direction = rng.normal(size=vertices.shape)
    _, gradient = prior.energy(vertices)
    # A central difference is exact for a quadratic form.
    ahead, behind = (prior.energy(vertices + h * direction)[0] for h in (0.01, -0.01))
    assert (gradient * direction).sum() == pytest.approx((ahead - behind) / 0.02, rel=1e-8)


@pytest.mark.parametrize("order", [1, 2])
def test_a_flat_regular_patch_is_not_rough(order: int) -> None:
    mesh = flat_patch()
    offsets = OnArrays(mesh, 1.0, order).offset(mesh.vertices)
    inner = offsets.reshape(9, 9, 3)[order:-order, order:-order]
    assert np.abs(inner).max() < 1e-12
    wrinkled = mesh.vertices.copy()
    wrinkled[40] += [0.1, 0.0, 0.0]
    dented = OnArrays(mesh, 1.0, order).offset(wrinkled)
    assert np.abs(dented.reshape(9, 9, 3)[order:-order, order:-order]).max() > 0.05


def test_the_prior_on_an_icosahedron_points_to_its_centre() -> None:
    mesh = icosphere((0, 0, 0), 2.0, 0)
    _, gradient = OnArrays(mesh, 1.0, 1).energy(mesh.vertices)
    assert np.abs(np.cross(gradient, mesh.vertices)).max() < 1e-12
    assert ((gradient * mesh.vertices).sum(axis=1) > 0).all()


def test_energy_does_not_see_where_the_mesh_is_and_scales_with_its_width() -> None:
    mesh = bumpy_sphere((0, 0, 0), 1.0, 0.3, subdivisions=2)
    energy, gradient = OnArrays(mesh, 0.1, 1).energy(mesh.vertices)
    moved, _ = OnArrays(mesh, 0.1, 1).energy(mesh.vertices + np.array([5.0, -7.0, 11.0]))
    wider, _ = OnArrays(mesh, 0.2, 1).energy(mesh.vertices)
    assert moved == pytest.approx(energy, rel=1e-9)
    assert wider == pytest.approx(energy / 4, rel=1e-12)
    assert np.abs(gradient.sum(axis=0)).max() < 1e-9 * np.abs(gradient).sum()


def test_wrinkles_cost_energy() -> None:
    mesh = icosphere((0, 0, 0), 1.0, 3)
    noise = np.random.default_rng(0).normal(size=mesh.vertices.shape)
    prior = OnArrays(mesh, 0.1, 1)
    assert prior.energy(mesh.vertices + 0.03 * noise)[0] > 3 * prior.energy(mesh.vertices)[0]


def test_smoother_is_symmetric_and_positive_and_keeps_translations() -> None:
    mesh = bumpy_sphere((0, 0, 0), 1.0, 0.3, subdivisions=1)
    smooth = smoother(mesh, 1.7)
    matrix = smooth(np.eye(len(mesh.vertices)))
    assert matrix == pytest.approx(matrix.T, abs=1e-12)
    values = np.linalg.eigvalsh(matrix)
    assert values.min() > 0
    assert values.max() == pytest.approx(1.0)
    constant = np.tile([1.0, -2.0, 3.0], (len(mesh.vertices), 1))
    assert smooth(constant) == pytest.approx(constant)


def test_smoother_carries_the_neighbours_along() -> None:
    mesh = icosphere((0, 0, 0), 1.0, 3)
    single = np.zeros(mesh.vertices.shape)
    single[0] = 1.0
    near, far = smoother(mesh, 0.5)(single), smoother(mesh, 8.0)(single)
    assert near[0, 0] > far[0, 0]
    assert (far > 0).all()
    assert far.sum(axis=0) == pytest.approx(1.0)
