from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.mesh.bubbles import cut_ball, double_bubble
from napari_deltamic.mesh.intersection import self_intersections
from napari_deltamic.mesh.shapes import box_grid
from napari_deltamic.mesh.topology import edge_use

radii = st.floats(0.3, 30)


@given(radii, radii)
def test_a_double_bubble_obeys_plateau_and_laplace(one: float, two: float) -> None:
    bubble = double_bubble((one, two))
    assert bubble.angles == pytest.approx((120, 120, 120))
    # The film's curvature is what the two pressures, 2 / r each, leave.
    assert bubble.curvatures == pytest.approx((1 / one, 1 / two, 1 / two - 1 / one), abs=1e-9)


def test_equal_bubbles_have_their_textbook_volume() -> None:
    bubble = double_bubble((1.0, 1.0))
    assert bubble.volumes == pytest.approx((9 * np.pi / 8,) * 2)
    assert bubble.areas == pytest.approx((3 * np.pi, 3 * np.pi, 0.75 * np.pi))


@given(st.floats(0.5, 20), st.floats(-0.95, 0.95))
def test_a_cut_ball_is_a_ball(radius: float, part: float) -> None:
    ball = cut_ball(radius, part * radius)
    assert sum(ball.volumes) == pytest.approx(4 / 3 * np.pi * radius**3)
    assert sum(ball.areas[:2]) == pytest.approx(4 * np.pi * radius**2)
    assert ball.curvatures == pytest.approx((1 / radius, 1 / radius, 0))
    assert ball.angles[0] == pytest.approx(180)
    assert np.cos(np.radians(ball.angles[2])) == pytest.approx(part)


@pytest.mark.parametrize("body", [double_bubble((3, 3)), double_bubble((4, 2)), cut_ball(3, -1)])
@pytest.mark.parametrize("axis", [0, 2])
def test_meshes_are_sound_and_converge(body, axis: int) -> None:
    errors = []
    for edge_length in (0.8, 0.4):
        mesh = body.mesh((1, -2, 3), edge_length, axis)
        assert mesh.is_closed
        assert mesh.interfaces.tolist() == [[0, 1], [0, 2], [1, 2]]
        use = edge_use(mesh.faces)
        rim = mesh.vertices[np.unique(use.edges[use.face_count == 3])] - (1, -2, 3)
        np.testing.assert_allclose(rim[:, axis], 0, atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(rim, axis=1), body.rim_radius)
        lengths = np.linalg.norm(np.diff(mesh.vertices[use.edges], axis=1), axis=2)
        assert lengths.mean() == pytest.approx(edge_length, rel=0.05)
        assert lengths.min() > 0.6 * edge_length
        assert lengths.max() < 1.4 * edge_length
        assert mesh.vertices[mesh.faces[(mesh.labels == 1).any(1)], axis].min() < 3
        errors.append(np.abs(mesh.volumes() / body.volumes - 1))
    assert len(self_intersections(mesh)) == 0
    assert (errors[1] < 0.3 * errors[0]).all()
    assert (errors[1] < 0.02).all()


def test_vertices_lie_on_the_caps() -> None:
    mesh = double_bubble((4.0, 2.0)).mesh((0, 0, 0), 0.5)
    # From the radii, with the film of radius 4: the centres of the three spheres are on the axis.
    for pair, center, radius in (
        ((0, 1), -np.sqrt(12), 4),
        ((0, 2), 0, 2),
        ((1, 2), np.sqrt(12), 4),
    ):
        faces = mesh.faces[(np.sort(mesh.labels, axis=1) == pair).all(axis=1)]
        distance = np.linalg.norm(mesh.vertices[np.unique(faces)] - (0, 0, center), axis=1)
        np.testing.assert_allclose(distance, radius)


def test_bad_bodies_are_refused() -> None:
    with pytest.raises(ValueError, match="radii: expected two"):
        double_bubble((1.0,))
    with pytest.raises(ValueError, match="radii: must be a positive"):
        double_bubble((1.0, -1.0))
    with pytest.raises(ValueError, match="height: must be within"):
        cut_ball(1.0, 1.0)
    with pytest.raises(ValueError, match="axis: must be"):
        cut_ball(1.0, 0.0).mesh((0, 0, 0), 0.3, axis=3)
    with pytest.raises(ValueError, match="edge_length: must be"):
        cut_ball(1.0, 0.0).mesh((0, 0, 0), 0.0)


@given(st.tuples(*[st.integers(1, 3)] * 3), st.integers(1, 3))
def test_a_grid_of_boxes_is_closed_and_equal(boxes, divisions: int) -> None:
    mesh = box_grid((1, 2, 3), (2, 4, 6), boxes, divisions)
    assert mesh.is_closed
    np.testing.assert_allclose(mesh.volumes(), 6 / np.prod(boxes))
    walls = sum((count + 1) * area for count, area in zip(boxes, (6, 3, 2), strict=True))
    assert mesh.face_normals_and_areas()[1].sum() == pytest.approx(walls)
    assert (edge_use(mesh.faces).face_count >= 2).all()


def test_boxes_are_numbered_along_x_first() -> None:
    mesh = box_grid((0, 0, 0), (1, 2, 3), (1, 2, 3))
    lowest = [mesh.region_mesh(region).vertices.min(axis=0).tolist() for region in range(1, 7)]
    assert lowest == [[0, y, x] for y in (0, 1) for x in (0, 1, 2)]


def test_bad_grids_are_refused() -> None:
    with pytest.raises(ValueError, match="boxes: expected three"):
        box_grid((0, 0, 0), (1, 1, 1), (1, 0, 1))
    with pytest.raises(ValueError, match="divisions: must be"):
        box_grid((0, 0, 0), (1, 1, 1), divisions=0)
    with pytest.raises(ValueError, match="upper: must exceed"):
        box_grid((0, 0, 0), (1, 0, 1))
