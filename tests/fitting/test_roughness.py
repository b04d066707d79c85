"""The prior on wrinkles, and the smoothing of steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting_cases import blocks

from napari_deltamic.fitting import preconditioner
from napari_deltamic.fitting import roughness as prior_of
from napari_deltamic.mesh import TriangleMesh, bumpy_sphere, cut_ball, graph_laplacian, icosphere

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


def half_balls() -> TriangleMesh:
    """A ball cut in two: three flat or round surfaces that meet at a ring."""
    return cut_ball(1.0, 0.0).mesh((0.0, 0.0, 0.0), 0.15)


@pytest.mark.parametrize("order", [1, 2])
def test_a_ridge_where_regions_meet_is_no_wrinkle(order: int) -> None:
    mesh = half_balls()
    offsets = np.linalg.norm(OnArrays(mesh, 1.0, order).offset(mesh.vertices), axis=1)
    ring = np.unique(mesh.triple_edges)
    # The mean of all neighbours lies far within the ball.
    assert offsets[ring].max() < 1.5 * (0.15**2 / 2)
    everything = graph_laplacian(mesh)
    means = (everything @ mesh.vertices) / everything.diagonal()[:, None]
    assert np.linalg.norm(means, axis=1)[ring].min() > 2.0 * offsets[ring].max()


def test_lines_bend_on_their_own() -> None:
    mesh = half_balls()
    ring = np.unique(mesh.triple_edges)
    moved = mesh.vertices.copy()
    moved[ring[0]] += [0.1, 0.0, 0.0]
    change = OnArrays(mesh, 1.0, 2).offset(moved) - OnArrays(mesh, 1.0, 2).offset(mesh.vertices)
    touched = np.flatnonzero(np.linalg.norm(change, axis=1) > 1e-12)
    # Two on either side along the ring, and what is near it on the surfaces.
    assert np.isin(touched, ring).sum() == 5


def test_meeting_points_of_lines_are_free() -> None:
    mesh = blocks(np.arange(1, 9).reshape(2, 2, 2), 1.0)
    middle = np.flatnonzero((mesh.vertices == 1.0).all(axis=1))
    gradient = OnArrays(mesh, 1.0, 1).energy(mesh.vertices)[1]
    before = OnArrays(mesh, 1.0, 1).offset(mesh.vertices)
    assert (before[middle] == 0).all()
    assert np.isfinite(gradient).all()


def test_vertices_that_are_not_held_have_no_offset() -> None:
    ball = icosphere((0, 0, 0), 1.0, 3)
    held = ball.vertices[:, 0] > 0
    offset = prior_of.offset_matrix(ball, 2, held) @ ball.vertices
    assert (offset[~held] == 0).all()
    assert (np.linalg.norm(offset[held], axis=1) > 0).all()


@pytest.mark.parametrize("stiffness", [1e-6, 1e-2, 1.0, 1e3])
def test_a_stiff_metric_shortens_wrinkles_and_leaves_the_rest(stiffness: float) -> None:
    ball = icosphere((0, 0, 0), 1.0, 3)
    soft = preconditioner.smoother(ball, 0.5, CPU)
    stiff = preconditioner.smoother(ball, 0.5, CPU, stiffness)
    rng = np.random.default_rng(0)
    a, b = (torch.tensor(rng.normal(size=ball.vertices.shape)) for _ in range(2))
    assert float((a * stiff(b)).sum()) == pytest.approx(float((b * stiff(a)).sum()), rel=1e-9)
    whole = torch.ones_like(a)
    assert torch.allclose(stiff(whole), whole, atol=1e-6)
    # Of the finest wrinkles, at the largest eigenvalue of the Laplacian, some ten on this mesh.
    values, vectors = np.linalg.eigh(graph_laplacian(ball).toarray())
    finest = torch.tensor(np.repeat(vectors[:, -1:], 3, axis=1))
    left = float((finest * stiff(finest)).sum() / (finest * soft(finest)).sum())
    expected = 1.0 / (1.0 + np.sqrt(stiffness) / 0.5 * values[-1]) ** 2
    assert left == pytest.approx(expected if np.sqrt(stiffness) / 0.5 >= 0.02 else 1.0, rel=1e-6)


@pytest.mark.parametrize("order", [1, 2])
def test_triangles_that_have_all_but_vanished_do_not_count_without_bound(order: int) -> None:
    sphere = icosphere((0.0, 0.0, 0.0), 1.0, subdivisions=2)
    # One vertex with all around it drawn together, as where a surface is pinched.
    near = np.unique(sphere.faces[(sphere.faces == 20).any(axis=1)])
    vertices = sphere.vertices.copy()
    vertices[near] = vertices[20] + 1e-6 * (vertices[near] - vertices[20])
    pinched = sphere.with_vertices(vertices)
    bumpy = pinched.vertices * (1.0 + 0.01 * np.random.default_rng(1).normal(size=(162, 1)))
    energy, _ = OnArrays(pinched, 0.01, order).energy(bumpy)
    usual, _ = OnArrays(sphere, 0.01, order).energy(
        sphere.vertices * (1.0 + 0.01 * np.random.default_rng(1).normal(size=(162, 1)))
    )
    assert energy < 1e5 * usual
