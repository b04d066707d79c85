from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.mesh.distance import mean_surface_distance, sample_surface, surface_distance
from napari_deltamic.mesh.shapes import box, bumpy_sphere, icosphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

EMPTY = TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int))


@given(st.integers(0, 10**6))
def test_distance_to_a_box_is_the_closed_form(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lower, upper = np.sort(rng.normal(size=(2, 3)), axis=0)
    points = 2.0 * rng.normal(size=(50, 3))
    outside = np.maximum(np.maximum(lower - points, points - upper), 0.0)
    within = np.minimum(points - lower, upper - points).min(axis=1)
    expected = np.where(within > 0, within, np.linalg.norm(outside, axis=1))
    assert surface_distance(points, box(lower, upper)) == pytest.approx(expected, abs=1e-12)


def test_the_tree_agrees_with_trying_every_face() -> None:
    mesh = bumpy_sphere((3, -2, 1), 5.0, 0.4, subdivisions=2)
    points = np.random.default_rng(0).normal(size=(200, 3)) * 8.0
    one_by_one = [
        surface_distance(points, TriangleMesh(mesh.vertices[face], [(0, 1, 2)]))
        for face in mesh.faces
    ]
    assert surface_distance(points, mesh) == pytest.approx(np.min(one_by_one, axis=0), abs=1e-12)


def test_points_on_the_surface_are_at_zero() -> None:
    mesh = bumpy_sphere((3, -2, 1), 5.0, 0.4, subdivisions=3)
    points = sample_surface(mesh, 500, np.random.default_rng(0))
    assert surface_distance(points, mesh).max() < 1e-12
    assert surface_distance(mesh.vertices, mesh).max() < 1e-12


def test_a_face_without_area_counts_as_its_edges() -> None:
    needle = TriangleMesh([(0, 0, 0), (0, 0, 1), (0, 0, 2)], [(0, 1, 2)])
    assert surface_distance([(0, 1, 1.5), (0, 0, 3)], needle) == pytest.approx([1, 1])


def test_concentric_spheres_are_their_difference_apart() -> None:
    small, large = icosphere((0, 0, 0), 5.0, 4), icosphere((0, 0, 0), 6.0, 4)
    apart = mean_surface_distance(small, large, samples=2000)
    assert apart.mean == pytest.approx(1.0, abs=0.01)
    assert apart.max == pytest.approx(1.0, abs=0.03)


def test_both_directions_count() -> None:
    ball = icosphere((0, 0, 0), 1.0, 3)
    far = icosphere((0, 0, 10), 1.0, 3)
    vertices = np.concatenate([ball.vertices, far.vertices])
    both = TriangleMesh(vertices, np.concatenate([ball.faces, far.faces + len(ball.vertices)]))
    forth, back = mean_surface_distance(ball, both), mean_surface_distance(both, ball)
    # Half of the two balls' area lies about 9 um from the one ball; none lies the other way.
    assert forth.mean == pytest.approx(0.25 * 9.06, rel=0.03)
    assert forth.mean == pytest.approx(back.mean, rel=0.02)
    assert forth.max == pytest.approx(10.0, abs=0.05)


def test_samples_are_even_over_the_area() -> None:
    points = sample_surface(box((0, 0, 0), (1, 1, 3)), 40_000, np.random.default_rng(0))
    assert points.mean(axis=0) == pytest.approx([0.5, 0.5, 1.5], abs=0.02)
    # Two ends of 1 um^2 each and four sides of 3.
    at_an_end = np.abs(points[:, 2] - 1.5) > 1.5 - 1e-9
    assert at_an_end.mean() == pytest.approx(1 / 7, abs=0.01)


def test_the_seed_repeats_the_draw() -> None:
    first, second = icosphere((0, 0, 0), 1.0), bumpy_sphere((0, 0, 0), 1.0, 0.2)
    draws = [mean_surface_distance(first, second, 100, seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


@pytest.mark.parametrize(
    ("points", "mesh", "message"),
    [
        ([(0, 0)], box((0, 0, 0), (1, 1, 1)), "points: expected shape"),
        ([(0, 0, np.nan)], box((0, 0, 0), (1, 1, 1)), "NaN"),
        ([(0, 0, 0)], EMPTY, "no faces"),
    ],
)
def test_bad_input_is_refused_by_name(points, mesh, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        surface_distance(points, mesh)


def test_nothing_to_draw_is_refused() -> None:
    cube = box((0, 0, 0), (1, 1, 1))
    with pytest.raises(ValueError, match="samples"):
        mean_surface_distance(cube, cube, samples=0)
    with pytest.raises(ValueError, match="no area"):
        mean_surface_distance(EMPTY, cube)
