import numpy as np
import pytest

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.section import plane_section, plane_sections
from napari_deltamic.mesh.shapes import icosphere


def enclosed_area(segments):
    """Signed area, positive where the contour runs anticlockwise in its two axes."""
    start, end = segments[:, 0], segments[:, 1]
    return 0.5 * np.sum(start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_segment_lies_on_the_plane_and_the_surface(axis):
    center = np.array([3.0, -1.0, 2.0])
    mesh = icosphere(center, 2.0, 4)
    segments = plane_section(mesh, axis, center[axis] + 0.7)
    radius = np.linalg.norm(segments - np.delete(center, axis), axis=2)
    exact = np.sqrt(2.0**2 - 0.7**2)
    assert len(segments) > 20
    # The inscribed polyhedron lies within the sagitta of its edges.
    assert radius.max() <= exact + 1e-9
    assert radius.min() > exact - 0.02


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("height", [0.0, 0.3, -1.1])
def test_contours_close_head_to_tail_with_the_inside_to_the_left(axis, height):
    # At height 0 the plane runs through vertices of the icosphere.
    segments = plane_section(icosphere((0.0, 0.0, 0.0), 2.0, 3), axis, height)
    starts = sorted(map(tuple, segments[:, 0]))
    ends = sorted(map(tuple, segments[:, 1]))
    assert starts == ends
    assert enclosed_area(segments) == pytest.approx(np.pi * (4 - height**2), rel=0.02)


def test_a_cube_cut_through_its_faces_gives_its_square():
    corners = np.array([[z, y, x] for z in (0, 1) for y in (0, 2) for x in (0, 3)], float)
    quads = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    mesh = TriangleMesh(corners, faces)
    sign = np.sign(mesh.volumes()[0])
    for axis, area in ((0, 6.0), (1, 3.0), (2, 2.0)):
        segments = plane_section(mesh, axis, 0.25)
        assert sign * enclosed_area(segments) == pytest.approx(area)


def test_a_plane_that_misses_the_mesh_gives_nothing():
    assert plane_section(icosphere((0.0, 0.0, 0.0), 1.0, 1), 0, 1.5).shape == (0, 2, 2)


def test_an_empty_mesh_gives_nothing():
    mesh = TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int))
    assert plane_section(mesh, 1, 0.0).shape == (0, 2, 2)


def test_many_planes_at_once_equal_one_after_the_other():
    mesh = icosphere((0.1, 0.2, 0.3), 2.0, 2)
    positions = np.linspace(-2.5, 2.5, 11)
    together = plane_sections(mesh.vertices, mesh.faces, 1, positions)
    for number, position in enumerate(positions):
        alone = plane_section(mesh, 1, position)
        np.testing.assert_array_equal(together.segments[together.planes == number], alone)


@pytest.mark.parametrize(("axis", "position", "name"), [(3, 0.0, "axis"), (0, np.nan, "position")])
def test_bad_arguments_are_named(axis, position, name):
    with pytest.raises(ValueError, match=f"^{name}:"):
        plane_section(icosphere((0.0, 0.0, 0.0), 1.0, 1), axis, position)
