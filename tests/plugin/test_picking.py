import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.mesh import concatenate, double_bubble, icosphere, voxelise
from napari_deltamic.plugin.picking import face_near, faces_on_line, first_face, region_at

BUBBLES = double_bubble((3, 2)).mesh((5.0, 5.0, 5.0), 0.7)
COORDINATE = st.floats(-1.0, 11.0)


@given(st.tuples(COORDINATE, COORDINATE, COORDINATE))
@settings(max_examples=60, deadline=None)
def test_the_region_at_a_point_is_that_of_its_voxel(point):
    expected = voxelise(BUBBLES, (1, 1, 1), (1, 1, 1), point)[0, 0, 0]
    nearest = np.abs(BUBBLES.vertices - point).max(axis=1).min()
    if nearest > 1e-3:
        assert region_at(BUBBLES, np.array(point)) == expected


def test_a_nucleus_is_found_before_its_cell():
    cell, nucleus = icosphere((0, 0, 0), 3, 2), icosphere((0, 0, 0), 1, 2)
    mesh = concatenate([cell, nucleus])
    assert region_at(mesh, np.array((0.1, 0.2, 0.0))) == 2
    assert region_at(mesh, np.array((2.0, 0.2, 0.0))) == 1
    assert region_at(mesh, np.array((3.1, 0.2, 0.0))) == 0


@given(
    st.tuples(COORDINATE, COORDINATE, COORDINATE),
    st.tuples(*(st.floats(-1.0, 1.0) for _ in range(3))).filter(lambda v: np.linalg.norm(v) > 0.1),
)
@settings(max_examples=60, deadline=None)
def test_a_line_enters_and_leaves_closed_surfaces_by_turns(start, direction):
    ball = icosphere((5.0, 5.0, 5.0), 3.0, 2)
    met, position, entering = faces_on_line(
        ball.vertices, ball.faces, np.array(start), np.array(direction)
    )
    away = np.cross(np.array(start) - 5.0, direction)
    distance = np.linalg.norm(away) / np.linalg.norm(direction)
    if distance < 2.9:
        assert len(met) >= 2
        order = np.argsort(position)
        assert entering[order][0]
        assert not entering[order][-1]
    if distance > 3.0:
        assert len(met) == 0


def test_the_first_face_is_the_one_in_front():
    mesh = concatenate([icosphere((5, 5, 5), 2, 2), icosphere((15, 5, 5), 2, 2)])
    ahead, start = np.array((1.0, 0.0, 0.0)), np.array((9.0, 5.1, 5.2))
    # The line has no beginning: what counts is which comes first along it.
    assert mesh.labels[first_face(mesh.vertices, mesh.faces, start, ahead), 0] == 1
    assert mesh.labels[first_face(mesh.vertices, mesh.faces, start, -ahead), 0] == 2
    aside = np.array((9.0, 9.1, 5.2))
    assert first_face(mesh.vertices, mesh.faces, aside, ahead) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_face_near_a_point_of_the_plane(axis):
    point = np.array((5.0, 5.1, 5.2))
    point[(axis + 1) % 3] += 2.7
    ball = icosphere((5.0, 5.0, 5.0), 3.0, 2)
    face = face_near(ball, axis, point)
    assert face is not None
    center = ball.vertices[ball.faces[face]].mean(axis=0)
    assert np.linalg.norm(center - point) < 0.8
    point[axis] = 20.0
    assert face_near(ball, axis, point) is None
