from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_cases import crumpled_grid

from napari_deltamic.mesh.gradients import area_gradient, centroid_gradient, volume_gradient
from napari_deltamic.mesh.moments import region_moments
from napari_deltamic.mesh.shapes import icosphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

seeds = st.integers(0, 2**32 - 1)


def slope(function, mesh: TriangleMesh, direction: np.ndarray, step: float = 1e-5):
    """Return the change of a function per step along a (V, 3) direction, by central differences."""
    ahead, behind = (mesh.with_vertices(mesh.vertices + s * direction) for s in (step, -step))
    return (function(ahead) - function(behind)) / (2 * step)


def random_direction(mesh: TriangleMesh, seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).normal(size=mesh.vertices.shape)


@given(seeds, st.integers(1, 8))
def test_volume_changes_as_its_gradient_says(seed: int, region: int) -> None:
    mesh = crumpled_grid(seed, divisions=1)
    direction = random_direction(mesh, seed)
    expected = slope(lambda moved: moved.volumes()[region - 1], mesh, direction)
    assert (volume_gradient(mesh, region) * direction).sum() == pytest.approx(expected, abs=1e-8)


@given(seeds, st.integers(0, 10))
def test_interface_area_changes_as_its_gradient_says(seed: int, interface: int) -> None:
    mesh = crumpled_grid(seed, divisions=1)
    faces = mesh.face_interfaces == interface
    direction = random_direction(mesh, seed)
    expected = slope(lambda m: m.face_normals_and_areas()[1][faces].sum(), mesh, direction)
    assert (area_gradient(mesh, faces) * direction).sum() == pytest.approx(expected, abs=1e-8)


@given(seeds, st.integers(1, 8))
def test_centroid_moves_as_its_gradient_says(seed: int, region: int) -> None:
    mesh = crumpled_grid(seed, divisions=1)
    direction = random_direction(mesh, seed)
    expected = slope(lambda moved: region_moments(moved).centroids[region - 1], mesh, direction)
    found = (centroid_gradient(mesh, region) * direction).sum(axis=(1, 2))
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_shifts_change_no_volume_and_no_area_and_carry_the_centroid() -> None:
    mesh = crumpled_grid(0).with_vertices(crumpled_grid(0).vertices + 1e4)
    np.testing.assert_allclose(volume_gradient(mesh, 3).sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(area_gradient(mesh).sum(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(centroid_gradient(mesh, 3).sum(axis=1), np.eye(3), atol=1e-9)


def test_growth_of_a_ball_has_its_closed_forms() -> None:
    ball = icosphere((1, 2, 3), 2.0, 3)
    outwards = (ball.vertices - (1, 2, 3)) / 2.0
    grown = (volume_gradient(ball, 1) * outwards).sum()
    assert grown == pytest.approx(3 * ball.volumes()[0] / 2)
    assert (area_gradient(ball) * outwards).sum() == pytest.approx(ball.areas()[0])


def test_faces_without_area_have_no_gradient() -> None:
    flat = TriangleMesh([[0, 0, 0], [0, 0, 1], [0, 0, 2]], [[0, 1, 2]])
    assert (area_gradient(flat) == 0).all()


def test_what_has_no_gradient_is_refused() -> None:
    ball = icosphere((0, 0, 0), 1.0, 1)
    with pytest.raises(ValueError, match="region: 2 is not one"):
        volume_gradient(ball, 2)
    with pytest.raises(ValueError, match="region: 0 is not one"):
        volume_gradient(ball, 0)
    with pytest.raises(ValueError, match="surface of 1 is open"):
        volume_gradient(TriangleMesh(ball.vertices, ball.faces[1:]), 1)
    with pytest.raises(ValueError, match="no volume"):
        centroid_gradient(TriangleMesh(np.eye(3), [[0, 1, 2], [2, 1, 0]]), 1)
    with pytest.raises(ValueError, match=r"faces: expected \(80,\) truth values"):
        area_gradient(ball, np.arange(80))
