"""A mesh that is made for an image lies where the image is, whatever its axes, units and place."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Surface

from napari_deltamic.plugin.spatial import placement_of, stack_source

UNITS = ("nm", "um", "mm", "pixel", "m", "angstrom")
sizes = st.floats(1e-3, 1e3)
places = st.floats(-1e4, 1e4)


@st.composite
def layers(draw):
    leading = draw(st.integers(0, 2))
    shape = tuple(draw(st.integers(2, 4)) for _ in range(leading + 3))
    unit = draw(st.sampled_from(UNITS))
    options = {
        "scale": [draw(sizes) for _ in shape],
        "translate": [draw(places) for _ in shape],
        "units": ("pixel",) * leading + (unit,) * 3,
    }
    if draw(st.booleans()):
        affine = np.eye(len(shape) + 1)
        for axis in range(leading, len(shape)):
            affine[axis, axis] = draw(sizes)
            affine[axis, -1] = draw(places)
        options["affine"] = affine
    return Image(np.zeros(shape, np.uint8), **options)


@settings(max_examples=150, deadline=None)
@given(layers(), st.tuples(*[st.floats(0.0, 1.0)] * 3))
def test_a_surface_made_for_an_image_lies_on_it(layer, part):
    placement = placement_of(layer)
    voxel = np.array(part) * (np.array(layer.data.shape[-3:]) - 1)
    um = placement.origin + placement.spacing * voxel
    point = um / placement.mesh_unit
    surface = Surface((np.array([point] * 3), np.array([[0, 1, 2]])), **placement.layer_options())
    expected = np.array(layer.data_to_world((0.0,) * (layer.ndim - 3) + tuple(voxel)))[-3:]
    reach = np.abs(expected) + np.abs(np.asarray(layer.affine.affine_matrix)[-4:-1, -1])
    found = surface.data_to_world(point)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * reach.max())
    assert surface.units == layer.units[-3:]
    # Or the sliders would no longer step from plane to plane.
    assert np.all(surface.extent.step >= layer.extent.step[-3:] * (1 - 1e-9))


@settings(max_examples=100, deadline=None)
@given(layers())
def test_a_rendering_on_the_voxels_lies_on_the_image(layer):
    source = stack_source(layer)
    place = source.placement
    copy = Image(np.zeros(source.shape), **place.layer_options(place.spacing, place.origin))
    corner = tuple(n - 1 for n in source.shape)
    world = layer.data_to_world((0,) * (layer.ndim - 3) + corner)[-3:]
    np.testing.assert_allclose(copy.data_to_world(corner), world, rtol=1e-6, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(layers())
def test_lengths_are_in_micrometres(layer):
    um = {"nm": 1e-3, "um": 1.0, "mm": 1e3, "pixel": 1.0, "m": 1e6, "angstrom": 1e-4}
    unit = {"nanometer": "nm", "micrometer": "um", "millimeter": "mm", "meter": "m"}
    name = str(layer.units[-1])
    factor = um[unit.get(name, name)]
    place = placement_of(layer)
    np.testing.assert_allclose(place.spacing, factor * layer.scale[-3:], rtol=1e-9)
    np.testing.assert_allclose(place.origin, factor * layer.translate[-3:], rtol=1e-9)


def test_channels_opened_as_layers_are_stacks_of_their_own():
    viewer = ViewerModel()
    data = np.arange(3)[:, None, None, None] * np.ones((3, 4, 5, 6))
    parts = viewer.add_image(
        data, channel_axis=0, scale=(2, 1, 1), translate=(-5, 0, 3), units=("um",) * 3
    )
    for number, part in enumerate(parts):
        source = stack_source(part)
        assert np.all(source.read() == number)
        np.testing.assert_allclose(source.placement.origin, (-5, 0, 3))


def test_time_and_channels_are_chosen_by_their_sliders():
    data = np.arange(6).reshape(3, 2, 1, 1, 1) * np.ones((3, 2, 4, 5, 6))
    layer = Image(data, scale=(10, 1, 2, 1, 1), translate=(5, 0, -3, 0, 0))
    source = stack_source(layer, (25.0, 1.0, 0.0, 0.0, 0.0))
    assert source.index == (2, 1)
    assert np.all(source.load().data == 5)
    # Of sliders beyond the layer's own the last ones count.
    assert stack_source(layer, (99.0, 5.0, 0.0, 0.0, 0.0, 0.0)).index == (0, 0)
