import numpy as np
import pytest

from napari_deltamic.mesh import TriangleMesh, box_grid, icosphere
from napari_deltamic.timelapse import surface_4d


def test_faces_stay_within_their_frame():
    meshes = [
        icosphere((1, 2, 3), 1.0, 1),
        box_grid((0, 0, 0), (1, 1, 1)),
        icosphere((0, 0, 0), 2.0, 2),
    ]
    vertices, faces, values = surface_4d(meshes, first_frame=4)
    assert vertices.shape == (sum(len(mesh.vertices) for mesh in meshes), 4)
    assert values.shape == (len(vertices),)
    times = vertices[faces, 0]
    assert (times == times[:, :1]).all()
    for frame, mesh in enumerate(meshes, start=4):
        rows = faces[times[:, 0] == frame]
        corners = np.sort(vertices[rows][:, :, 1:], axis=1)
        np.testing.assert_array_equal(corners, np.sort(mesh.vertices[mesh.faces], axis=1))


def test_values_are_the_lowest_region_at_a_vertex():
    mesh = box_grid((0, 0, 0), (1, 1, 2), (1, 1, 2))
    _, _, values = surface_4d([mesh])
    for vertex, value in enumerate(values):
        around = mesh.labels[(mesh.faces == vertex).any(axis=1)]
        assert value == around[around > 0].min()


def test_normals_point_out_of_regions():
    sphere = icosphere((0, 0, 0), 1.0, 1)
    turned = TriangleMesh(sphere.vertices, sphere.faces[:, ::-1], sphere.labels[:, ::-1])
    first, second = surface_4d([sphere])[1], surface_4d([turned])[1]
    np.testing.assert_array_equal(first, second)


def test_values_are_taken_as_given_and_checked():
    mesh = icosphere((0, 0, 0), 1.0, 0)
    given = np.arange(len(mesh.vertices))
    np.testing.assert_array_equal(surface_4d([mesh], [given])[2], given)
    with pytest.raises(ValueError, match="values: frame 0 has 12 vertices"):
        surface_4d([mesh], [given[:-1]])
    with pytest.raises(ValueError, match="values: expected one array for each"):
        surface_4d([mesh], [given, given])
    with pytest.raises(ValueError, match="meshes: there is none"):
        surface_4d([])
