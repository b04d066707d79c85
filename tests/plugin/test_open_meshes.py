"""Mesh files opened as users do: dropped, chosen in a dialog, or through a script."""

import numpy as np
import pytest
from napari.errors import MultipleReaderError
from napari.settings import get_settings

from napari_deltamic.mesh import concatenate, icosphere, write_mesh
from napari_deltamic.plugin.mesh_layers import mesh_from_layer

PLUGIN = "napari-deltamic"
SUFFIXES = (".rec", ".ply", ".stl", ".off", ".obj")

pytestmark = pytest.mark.filterwarnings("ignore:.*keeps no region labels")


@pytest.fixture
def viewer(make_napari_viewer):
    """Return a viewer with a stack in nm that lies away from the origin."""
    viewer = make_napari_viewer()
    viewer.add_image(
        np.zeros((20, 40, 60)),
        name="stack",
        scale=(500, 200, 200),
        translate=(-3000, 1000, -2000),
        units=("nm",) * 3,
    )
    return viewer


@pytest.fixture
def preferred():
    """Let a test set which plugin opens which files, as the dialog's tick does."""
    plugins = get_settings().plugins
    before = dict(plugins.extension2reader)
    yield lambda pattern, name: setattr(plugins, "extension2reader", {pattern: name})
    plugins.extension2reader = before


@pytest.fixture
def write(tmp_path):
    """Write two balls within the stack to a file with some ending."""
    balls = concatenate([icosphere((1.0, 4.0, 3.0), 1.5, 2), icosphere((2.0, 5.0, 7.0), 1.0, 2)])

    def write(suffix):
        plain = tmp_path / f"cells{suffix.lower()}"
        write_mesh(balls, plain)
        return balls, str(plain.rename(tmp_path / f"cells{suffix}"))

    return write


@pytest.mark.parametrize("suffix", [*SUFFIXES, *(suffix.upper() for suffix in SUFFIXES)])
def test_every_kind_of_file_opens_where_it_lies(viewer, write, preferred, suffix):
    balls, path = write(suffix)
    preferred("*.obj", PLUGIN)
    # With None napari decides by itself, as it does for files that are dropped.
    (layer,) = viewer.open(path, plugin=None if suffix != ".OBJ" else PLUGIN)
    assert layer.source.reader_plugin == PLUGIN
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    mesh = mesh_from_layer(layer)
    np.testing.assert_allclose(mesh.volumes(), balls.volumes(), rtol=1e-4)
    for axis in range(3):
        assert np.ptp(mesh.vertices[:, axis]) == pytest.approx(np.ptp(balls.vertices[:, axis]))
    # One region each, so each in a colour of its own.
    assert len(np.unique(layer.vertex_values)) == 2
    # The stack's voxel at a ball's centre: napari brings nm and um together.
    stack = viewer.layers["stack"]
    voxel = (np.array((1.0, 4.0, 3.0)) * 1000 - stack.translate) / stack.scale
    assert (voxel >= 0).all()
    assert (voxel < stack.data.shape).all()
    low, high = viewer.layers.extent.world
    np.testing.assert_allclose(high - low, 1000 * np.array((10, 8, 12)), rtol=0.06)


def test_obj_files_are_offered_to_the_user_beside_naparis_own_reader(viewer, write):
    _, path = write(".obj")
    with pytest.raises(MultipleReaderError) as caught:
        viewer.open(path, plugin=None)
    assert "napari builtins" in str(caught.value)
    assert PLUGIN in str(caught.value)


def test_several_files_at_once(viewer, write, tmp_path):
    _, first = write(".ply")
    _, second = write(".rec")
    layers = viewer.open([first, second], plugin=PLUGIN)
    assert len(layers) == 2
    assert all(layer.source.reader_plugin == PLUGIN for layer in layers)


def test_our_obj_reader_tells_x_from_z(viewer, tmp_path):
    flat = icosphere((0.0, 0.0, 0.0), 1.0, 2)
    write_mesh(flat.with_vertices(flat.vertices * (1.0, 2.0, 5.0)), tmp_path / "flat.obj")
    (layer,) = viewer.open(str(tmp_path / "flat.obj"), plugin=PLUGIN)
    np.testing.assert_allclose(np.ptp(layer.vertices, axis=0), (2, 4, 10), rtol=0.05)
    (mirrored,) = viewer.open(str(tmp_path / "flat.obj"), plugin="napari")
    np.testing.assert_allclose(np.ptp(mirrored.vertices, axis=0), (10, 4, 2), rtol=0.05)
