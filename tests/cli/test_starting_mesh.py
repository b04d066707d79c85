import numpy as np
import pytest
import tifffile

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.starting_mesh import mesh_from_labels, read_points, spheres_at
from napari_deltamic.imaging import ImageStack

STACK = ImageStack(np.zeros((20, 30, 30)), (1.0, 0.5, 0.5))


def points_file(folder, text):
    path = folder / "points.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5,6.5\n",
        "z,y,x\n1,2,3\n4,5,6.5\n",
        "X,name,Y,Z\n3,a,2,1\n6.5,b,5,4\n",
        "index,axis-0,axis-1,axis-2\n0,1,2,3\n1,4,5,6.5\n",
        "index,axis-0,axis-1,axis-2,axis-3\n0,7,1,2,3\n1,7,4,5,6.5\n",
        "\ufeffz,y,x\n\n1,2,3\n4,5,6.5\n\n",
    ],
)
def test_points_are_found_by_the_names_of_their_columns(tmp_path, text):
    points = read_points(points_file(tmp_path, text))
    np.testing.assert_array_equal(points, [[1, 2, 3], [4, 5, 6.5]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("z,y,x\n", "no points"),
        ("a,b,c\n1,2,3\n", "no columns named"),
        ("1,2,3,4\n", "4 columns and no header"),
        ("z,y,x\n1,2,3\n1,2\n", "point 2"),
        ("z,y,x\n1,two,3\n", "point 1"),
        ("z,y,x\n1,nan,3\n", "not finite"),
    ],
)
def test_bad_points_are_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=f"--points: .*{message}"):
        read_points(points_file(tmp_path, text))


def test_a_sphere_at_each_point(tmp_path):
    mesh = spheres_at(points_file(tmp_path, "5,5,5\n14,10,9\n"), 2.0, "um", STACK)
    assert mesh.regions.tolist() == [1, 2]
    middle = mesh.region_mesh(2).vertices.mean(axis=0)
    np.testing.assert_allclose(middle, (14, 10, 9), atol=0.1)


def test_points_in_voxels_are_scaled(tmp_path):
    mesh = spheres_at(points_file(tmp_path, "10,20,18\n"), 2.0, "voxel", STACK)
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), (10, 10, 9), atol=0.1)


def test_points_outside_the_stack_hint_at_their_unit(tmp_path):
    path = points_file(tmp_path, "5,5,5\n10,20,18\n")
    with pytest.raises(UsageError, match=r"point 2 .* outside .* --points-unit voxel"):
        spheres_at(path, 2.0, "um", STACK)


def test_points_need_a_radius(tmp_path):
    with pytest.raises(UsageError, match="--radius"):
        spheres_at(points_file(tmp_path, "5,5,5\n"), None, "um", STACK)


def test_labels_become_one_surface_each(tmp_path):
    labels = np.zeros(STACK.shape, np.uint16)
    labels[5:12, 5:15, 5:15] = 7
    labels[13:18, 18:28, 10:20] = 9
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    mesh = mesh_from_labels(tmp_path / "labels.tif", STACK)
    assert len(mesh.regions) == 2
    assert mesh.is_closed


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((3, 3, 3), np.uint8), "has shape"),
        (np.zeros(STACK.shape, np.float32), "whole numbers"),
        (np.zeros(STACK.shape, np.uint8), "no label above 0"),
    ],
)
def test_bad_labels_are_refused(tmp_path, labels, message):
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    with pytest.raises(UsageError, match=f"--labels: .*{message}"):
        mesh_from_labels(tmp_path / "labels.tif", STACK)


def test_a_file_that_is_no_tiff_is_refused(tmp_path):
    (tmp_path / "labels.tif").write_text("no image")
    with pytest.raises(UsageError, match=r"--labels: .*labels\.tif is not a readable TIFF"):
        mesh_from_labels(tmp_path / "labels.tif", STACK)
