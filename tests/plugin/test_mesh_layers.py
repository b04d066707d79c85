import numpy as np
import pytest
from napari.layers import Surface

from napari_deltamic.mesh import concatenate, double_bubble, icosphere
from napari_deltamic.plugin.mesh_layers import mesh_from_layer, surface_data, surface_options
from napari_deltamic.plugin.region_colours import (
    COLOURS,
    CONTRAST_LIMITS,
    colour_values,
    region_colormap,
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
    vertices, _, values = surface_data(mesh)
    assert set(values) == {1.0, 2.0}
    assert np.all(values[vertices[:, 2] < 8] == 1)


def test_each_face_of_touching_cells_has_one_colour():
    mesh = double_bubble((3, 3)).mesh((5, 5, 5), 0.8)
    vertices, faces, values = surface_data(mesh)
    np.testing.assert_array_equal(values[faces], np.repeat(mesh.labels.max(axis=1)[:, None], 3, 1))
    np.testing.assert_allclose(vertices[faces], mesh.vertices[mesh.faces], atol=1e-5)
    assert len(vertices) > len(mesh.vertices)


def test_touching_cells_come_back_conforming():
    mesh = double_bubble((3, 3)).mesh((5, 5, 5), 0.8)
    back = mesh_from_layer(Surface(surface_data(mesh), **surface_options(mesh)))
    np.testing.assert_array_equal(back.faces, mesh.faces)
    np.testing.assert_array_equal(back.labels, mesh.labels)
    np.testing.assert_allclose(back.vertices, mesh.vertices, atol=1e-5)


def test_neighbouring_numbers_have_colours_far_apart():
    colours = region_colormap().colors[:, :3]
    assert len(np.unique(np.round(colours, 3), axis=0)) == COLOURS
    assert np.linalg.norm(np.diff(colours, axis=0), axis=1).min() > 0.3


@pytest.mark.parametrize("region", [1, 2, COLOURS - 1, COLOURS, COLOURS + 1, 1000])
def test_a_number_keeps_to_one_colour_of_the_map(region):
    low, high = CONTRAST_LIMITS
    value = (colour_values([region])[0] - low) / (high - low)
    expected = region_colormap().colors[(region - 1) % COLOURS]
    np.testing.assert_allclose(region_colormap().map(np.array([value]))[0], expected, atol=1e-5)


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
