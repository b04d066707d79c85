import numpy as np
import pytest
from napari.layers import Image, Surface

from napari_deltamic.plugin.spatial import placement_of, stack_source


def test_voxel_size_and_origin_come_from_scale_and_translate():
    layer = Image(np.zeros((3, 4, 5)), scale=(2, 0.5, 0.5), translate=(1, 2, 3), units=("um",) * 3)
    placement = placement_of(layer)
    np.testing.assert_allclose(placement.spacing, [2, 0.5, 0.5])
    np.testing.assert_allclose(placement.origin, [1, 2, 3])
    assert placement.is_known


def test_other_units_of_length_are_converted_and_back():
    layer = Image(np.zeros((3, 4, 5)), scale=(400, 100, 100), units=("nm",) * 3)
    placement = placement_of(layer)
    np.testing.assert_allclose(placement.spacing, [0.4, 0.1, 0.1])
    surface = Surface(
        (np.array([[0.4, 0.1, 0.1]] * 3), np.array([[0, 1, 2]])), **placement.layer_options()
    )
    # One voxel diagonally from the first: the same place in the world as that voxel.
    np.testing.assert_allclose(
        surface.data_to_world((0.4, 0.1, 0.1)), layer.data_to_world((1, 1, 1))
    )
    assert surface.units == layer.units


def test_a_surface_lies_on_a_moved_and_transformed_image():
    affine = np.eye(4)
    affine[:3, :3] = [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    layer = Image(np.zeros((3, 4, 5)), scale=(2, 0.5, 0.5), translate=(1, 2, 3), affine=affine)
    placement = placement_of(layer)
    um = placement.origin + placement.spacing * (1, 2, 3)
    point = um / placement.mesh_unit
    surface = Surface((np.array([point] * 3), np.array([[0, 1, 2]])), **placement.layer_options())
    np.testing.assert_allclose(surface.data_to_world(point), layer.data_to_world((1, 2, 3)))


@pytest.mark.parametrize(
    ("options", "known"),
    [({}, False), ({"scale": (2, 1, 1)}, True), ({"units": ("um",) * 3}, True)],
)
def test_a_layer_without_scale_and_unit_has_an_unknown_voxel_size(options, known):
    assert placement_of(Image(np.zeros((3, 4, 5)), **options)).is_known is known


def test_the_frame_is_the_one_that_the_slider_shows():
    data = np.arange(4)[:, None, None, None] * np.ones((4, 3, 4, 5))
    layer = Image(data, scale=(10, 1, 1, 1), translate=(5, 0, 0, 0))
    source = stack_source(layer, (25.0, 0.0, 0.0, 0.0))
    assert source.shape == (3, 4, 5)
    assert np.all(source.load().data == 2)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Image(np.zeros((4, 5))), "has 2 axes"),
        (Image(np.zeros((4, 5, 6, 3)), rgb=True), "RGB"),
        (Image(np.zeros((4, 5, 6)), rotate=(10, 0, 0)), "rotated"),
        (Image(np.zeros((4, 5, 6)), units=("um", "um", "second")), "unit of length"),
        (Image(np.zeros((4, 5, 6)), scale=(1, -1, 1)), "positive"),
    ],
)
def test_layers_that_are_no_stack_are_refused_by_name(layer, message):
    layer.name = "mine"
    with pytest.raises(ValueError, match=message) as caught:
        stack_source(layer)
    assert "mine" in str(caught.value)


def test_nan_is_refused_when_the_stack_is_loaded():
    data = np.zeros((3, 4, 5))
    data[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        stack_source(Image(data)).load()
