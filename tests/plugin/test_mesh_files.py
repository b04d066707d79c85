"""Readers, writers, sample data and saved results."""

import csv
import json

import numpy as np
import pytest

from napari_deltamic.imaging import read_stack
from napari_deltamic.mesh import concatenate, icosphere, read_mesh, write_mesh
from napari_deltamic.plugin import samples
from napari_deltamic.plugin.mesh_layers import mesh_from_layer, surface_data, surface_options
from napari_deltamic.plugin.reading import get_mesh_reader
from napari_deltamic.plugin.writing import write_surface


def two_balls():
    return concatenate([icosphere((5, 6, 7), 2, 2), icosphere((5, 6, 14), 3, 2)])


@pytest.mark.filterwarnings("ignore:.*keeps no region labels")
@pytest.mark.parametrize("suffix", ["rec", "ply", "stl", "off"])
def test_a_mesh_file_opens_as_a_surface_that_gives_the_mesh_back(suffix, tmp_path, napari_layers):
    mesh, path = two_balls(), tmp_path / f"cells.{suffix}"
    write_mesh(mesh, path)
    reader = get_mesh_reader(str(path))
    (layer,) = napari_layers(reader(str(path)))
    assert layer.name == "cells"
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    back = mesh_from_layer(layer)
    assert len(back.regions) == 2
    np.testing.assert_allclose(back.volumes(), mesh.volumes(), rtol=1e-4)
    # z, y, x in napari, whatever order the file has.
    np.testing.assert_allclose(back.vertices.mean(axis=0), mesh.vertices.mean(axis=0), atol=0.5)


def test_other_files_are_left_to_other_readers():
    assert get_mesh_reader("image.tif") is None
    assert get_mesh_reader(["a.ply", "b.tif"]) is None
    assert get_mesh_reader([]) is None


def test_a_damaged_file_says_so(tmp_path):
    path = tmp_path / "bad.ply"
    path.write_bytes(b"ply\nformat ascii 1.0\nelement vertex 3\n")
    with pytest.raises(ValueError, match=r"bad\.ply"):
        get_mesh_reader(str(path))(str(path))


@pytest.mark.filterwarnings("ignore:.*keeps no region labels")
@pytest.mark.parametrize("suffix", ["rec", "ply", "stl", "off", "obj"])
def test_a_surface_layer_is_written_where_it_lies(suffix, tmp_path):
    from napari.layers import Surface

    mesh, path = two_balls(), str(tmp_path / f"out.{suffix}")
    layer = Surface(
        surface_data(mesh), translate=(1, 2, 3), units=("um",) * 3, **surface_options(mesh)
    )
    data, attributes, _ = layer.as_layer_data_tuple()
    assert write_surface(path, data, attributes) == [path]
    np.testing.assert_allclose(
        np.sort(read_mesh(path).vertices, axis=0),
        np.sort(mesh.vertices + np.array((1, 2, 3)), axis=0),
        atol=1e-3,
    )


def faces_by_region(mesh):
    return [(mesh.labels == region).any(axis=1) for region in mesh.regions]


@pytest.mark.parametrize(("sample", "label"), [("cells", "membrane"), ("nuclei", "interior")])
def test_generated_samples_come_with_truth_and_seeds(sample, label, napari_layers):
    image, truth, seeds = napari_layers(getattr(samples, f"generated_{sample}")())
    assert label in image.name
    found, start = mesh_from_layer(truth), mesh_from_layer(seeds)
    np.testing.assert_array_equal(found.regions, start.regions)
    # Each seed lies within its cell: its centre is nearer than the cell is wide.
    for region in found.regions:
        gap = found.region_mesh(region).vertices - start.region_mesh(region).vertices.mean(axis=0)
        assert np.linalg.norm(gap, axis=1).min() > 0.2
    assert image.extent.world[0].min() <= found.vertices.min()
    # The middle plane, which napari shows first, cuts most of the cells.
    depth, middle = found.vertices[:, 0], image.extent.world[:, 0].mean()
    cut = [np.ptp(np.sign(depth[found.faces[k]] - middle)) > 0 for k in faces_by_region(found)]
    assert sum(cut) > 0.5 * len(cut)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("embryo_nuclei", ["image", "labels"]),
        ("ovule_membranes", ["image", "labels"]),
        ("celegans_membranes", ["image"]),
        ("droplet_timelapse", ["image"]),
        ("branchoid", ["surface"]),
    ],
)
def test_real_samples_open(name, kinds, data_folder, napari_layers):
    layers = napari_layers(getattr(samples, name)())
    assert [layer.as_layer_data_tuple()[2] for layer in layers] == kinds


@pytest.fixture
def napari_layers():
    from napari.layers import Layer

    return lambda tuples: [Layer.create(*data) for data in tuples]


@pytest.mark.usefixtures("_engine")
def test_a_result_is_saved_whole(ball, seed, tmp_path):
    from napari.layers import Image

    from napari_deltamic.fitting import FitSettings, fit
    from napari_deltamic.optics import GaussianPSF
    from napari_deltamic.plugin.saving import save_result
    from napari_deltamic.plugin.spatial import placement_of

    settings = FitSettings(label="interior", stages=1, max_iterations=5)
    result = fit(ball, seed, GaussianPSF(sigma=ball.spacing), settings)
    layer = Image(ball.data, scale=ball.spacing, units=("um",) * 3)
    files = save_result(result, placement_of(layer), tmp_path / "new" / "folder")
    assert all(file.stat().st_size > 0 for file in files)
    rec, ply, rendering, saved, table = files
    assert read_mesh(rec).volumes()[0] == pytest.approx(result.mesh.volumes()[0], rel=1e-5)
    assert read_mesh(ply).volumes()[0] == pytest.approx(result.mesh.volumes()[0], rel=1e-3)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert float(rows[0]["volume"]) == pytest.approx(result.mesh.volumes()[0], rel=1e-6)
    stack = read_stack(rendering)
    np.testing.assert_allclose(stack.spacing, ball.spacing)
    np.testing.assert_allclose(stack.data, result.image, rtol=1e-5)
    assert FitSettings(**json.loads(saved.read_text(encoding="utf-8"))) == settings
