import numpy as np
import pytest
from napari.layers import Surface

from napari_deltamic.mesh import concatenate, icosphere
from napari_deltamic.plugin.mesh_layers import (
    mesh_from_layer,
    region_values,
    surface_data,
    surface_options,
)


def two_balls():
    return concatenate([icosphere((5, 5, 5), 2, 1), icosphere((5, 5, 12), 3, 1)])


def test_a_mesh_comes_back_from_its_layer_with_its_regions():
    mesh = two_balls()
    back = mesh_from_layer(Surface(surface_data(mesh), **surface_options(mesh)))
    np.testing.assert_allclose(back.vertices, mesh.vertices, atol=1e-5)
    np.testing.assert_array_equal(back.faces, mesh.faces)
    np.testing.assert_array_equal(back.labels, mesh.labels)


def test_vertices_are_coloured_by_region():
    mesh = two_balls()
    values = region_values(mesh)
    assert set(values) == {1.0, 2.0}
    assert np.all(values[mesh.vertices[:, 2] < 8] == 1)


def test_a_moved_and_scaled_layer_gives_the_mesh_where_it_lies():
    mesh = icosphere((0, 0, 0), 2, 1)
    layer = Surface(surface_data(mesh), scale=(1, 2, 3), translate=(4, 5, 6))
    back = mesh_from_layer(layer)
    np.testing.assert_allclose(
        back.vertices, mesh.vertices * (1, 2, 3) + np.array((4, 5, 6)), atol=1e-5
    )


def test_bodies_of_a_foreign_surface_become_regions_wound_outwards():
    mesh = two_balls()
    inside_out = Surface((mesh.vertices, mesh.faces[:, ::-1]))
    back = mesh_from_layer(inside_out)
    assert list(back.regions) == [1, 2]
    assert np.all(back.volumes() > 0)
    np.testing.assert_allclose(sorted(back.volumes()), sorted(mesh.volumes()))


def test_stale_labels_are_not_put_on_other_faces():
    mesh = icosphere((0, 0, 0), 2, 1)
    layer = Surface(surface_data(two_balls()), **surface_options(two_balls()))
    layer.data = surface_data(mesh)
    assert list(mesh_from_layer(layer).regions) == [1]


def test_surfaces_over_time_are_refused():
    mesh = icosphere((0, 0, 0), 2, 0)
    layer = Surface((mesh.vertices, mesh.faces, np.ones((3, len(mesh.vertices)))))
    with pytest.raises(ValueError, match="time point"):
        mesh_from_layer(layer)
