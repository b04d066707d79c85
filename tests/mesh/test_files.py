from __future__ import annotations

import os
import tracemalloc
import warnings

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from trimesh.resolvers import FilePathResolver

from napari_deltamic.mesh.contacts import measure_contacts
from napari_deltamic.mesh.files import SUFFIXES, read_mesh, write_mesh
from napari_deltamic.mesh.shapes import box, bumpy_sphere, icosphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate

UNLABELLED = [suffix for suffix in SUFFIXES if suffix != ".rec"]
# The relative rounding of coordinates kept as float32.
DIGITS = {".ply": 1e-6, ".stl": 1e-6}
PLY_HEADER = (
    b"ply\nformat FORMAT 1.0\nelement vertex 1000000000000\nproperty float x\nproperty float y\n"
    b"property float z\nelement face 1000000000000\nproperty list uchar int vertex_indices\n"
    b"end_header\n"
)


def two_spheres() -> TriangleMesh:
    return concatenate([icosphere((0, 0, 0), 1.0, 2), icosphere((0, 0, 9), 2.0, 2)])


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(seed=st.integers(0, 10**6))
def test_a_written_mesh_comes_back(tmp_path_factory, suffix: str, seed: int) -> None:
    mesh = bumpy_sphere((1, -2, 30), 3.0, 0.4, seed=seed, subdivisions=1)
    path = tmp_path_factory.mktemp("mesh") / f"mesh{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_mesh(mesh, path)
        back = read_mesh(str(path))
    assert back.is_closed
    assert back.volumes() == pytest.approx(mesh.volumes(), rel=1e-5)
    if suffix == ".stl":
        # Without shared vertices in the file, their order is lost; the points are not.
        assert np.sort(back.vertices, axis=0) == pytest.approx(
            np.sort(mesh.vertices, axis=0), rel=1e-6
        )
    else:
        tolerance = DIGITS.get(suffix, 1e-15)
        assert back.vertices == pytest.approx(mesh.vertices, rel=tolerance, abs=tolerance)
        assert np.array_equal(back.faces, mesh.faces)


def test_an_obj_file_holds_x_y_z_with_normals_outwards(tmp_path) -> None:
    path = tmp_path / "box.obj"
    write_mesh(box((0, 0, 0), (1, 2, 3)), path)
    lines = [line.split() for line in path.read_text().splitlines()]
    points = np.array([line[1:] for line in lines if line[:1] == ["v"]], dtype=float)
    faces = np.array([line[1:] for line in lines if line[:1] == ["f"]], dtype=int) - 1
    assert points.max(axis=0).tolist() == [3, 2, 1]
    a, b, c = points[faces].transpose(1, 0, 2)
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(6.0)


def test_an_obj_file_of_others_is_read_as_x_y_z(tmp_path) -> None:
    path = tmp_path / "tetrahedron.obj"
    path.write_text("v 0 0 0\nv 3 0 0\nv 0 2 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    mesh = read_mesh(path)
    assert mesh.vertices.max(axis=0).tolist() == [1, 2, 3]
    assert mesh.volumes() == pytest.approx([1.0])


def test_geometries_of_one_file_are_joined(tmp_path) -> None:
    cube = "v 0 0 0\nv 3 0 0\nv 0 2 0\nv 0 0 1\n"
    faces = "o {}\nf {} {} {}\nf {} {} {}\nf {} {} {}\nf {} {} {}\n"
    corners = np.array([1, 3, 2, 1, 2, 4, 1, 4, 3, 2, 3, 4])
    path = tmp_path / "two.obj"
    path.write_text(
        cube
        + faces.format("first", *corners)
        + cube.replace("v ", "v 1")
        + faces.format("second", *(corners + 4))
    )
    mesh = read_mesh(path)
    assert mesh.regions.tolist() == [1, 2]
    assert mesh.is_closed


@pytest.mark.parametrize("suffix", UNLABELLED)
def test_closed_pieces_become_regions(tmp_path, suffix: str) -> None:
    path = tmp_path / f"two{suffix}"
    with pytest.warns(UserWarning, match=r"keeps no region labels; write a \.rec"):
        write_mesh(two_spheres(), path)
    back = read_mesh(path)
    assert back.regions.tolist() == [1, 2]
    assert sorted(back.volumes()) == pytest.approx(sorted(two_spheres().volumes()), rel=1e-5)


def test_rec_keeps_labels_without_a_word(tmp_path) -> None:
    mesh = two_spheres()
    labelled = TriangleMesh(mesh.vertices, mesh.faces, mesh.labels * 7)
    path = tmp_path / "two.rec"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_mesh(labelled, path)
        back = read_mesh(path)
    assert np.array_equal(back.labels, labelled.labels)


@pytest.mark.parametrize("label", [7, 2_000_000_000, 2**31 - 1, 2**32 - 1, 2**53])
def test_large_labels_take_no_memory(tmp_path, label: int) -> None:
    # Two boxes apart, whose labels follow one another.
    mesh = concatenate([box((0, 0, 0), (1, 2, 3)), box((0, 0, 9), (2, 2, 11))])
    labels = np.where(mesh.labels > 0, mesh.labels + label - 2, 0)
    path = tmp_path / "large.rec"
    write_mesh(TriangleMesh(mesh.vertices, mesh.faces, labels), path)
    tracemalloc.start()
    back = read_mesh(path)
    volumes, areas, contacts = back.volumes(), back.areas(), measure_contacts(back)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**24
    assert back.regions.tolist() == [label - 1, label]
    assert volumes == pytest.approx([6, 8])
    assert areas == pytest.approx([22, 24])
    assert [(one.region_a, one.region_b, one.area) for one in contacts] == [
        (0, label - 1, pytest.approx(22)),
        (0, label, pytest.approx(24)),
    ]


def test_large_labels_on_both_sides_of_a_contact_count_apart() -> None:
    inner, outer = box((1, 1, 1), (2, 2, 2)), box((0, 0, 0), (3, 3, 3))
    whole = concatenate([inner, outer])
    low, high = 5, 2**31 - 1
    # The region round the other one has no part in what is within it.
    labels = np.repeat([[low, high], [high, 0]], 12, axis=0)
    mesh = TriangleMesh(whole.vertices, whole.faces, labels)
    assert mesh.volumes() == pytest.approx([1, 26])
    assert mesh.areas() == pytest.approx([6, 60])
    assert mesh.interfaces.tolist() == [[0, high], [low, high]]
    assert [one.area for one in measure_contacts(mesh)] == pytest.approx([54, 6])


def test_rec_labels_on_the_wrong_side_are_swapped(tmp_path) -> None:
    mesh = two_spheres()
    path = tmp_path / "swapped.rec"
    write_mesh(TriangleMesh(mesh.vertices, mesh.faces, mesh.labels[:, ::-1]), path)
    with pytest.warns(UserWarning, match="have been swapped"):
        back = read_mesh(path)
    assert np.array_equal(back.labels, mesh.labels)


def test_inside_out_surfaces_are_turned_with_a_word(tmp_path) -> None:
    ball = icosphere((0, 0, 0), 1.0, 1)
    path = tmp_path / "ball.off"
    write_mesh(TriangleMesh(ball.vertices, ball.faces[:, ::-1]), path)
    with pytest.warns(UserWarning, match="inside out"):
        assert read_mesh(path).volumes()[0] > 0


def test_mixed_winding_is_mended_with_a_word(tmp_path) -> None:
    ball = icosphere((0, 0, 0), 1.0, 1)
    mixed = ball.faces.copy()
    mixed[::3] = mixed[::3, ::-1]
    path = tmp_path / "ball.obj"
    write_mesh(TriangleMesh(ball.vertices, mixed), path)
    with pytest.warns(UserWarning, match="inside out"):
        back = read_mesh(path)
    assert back.volumes() == pytest.approx(ball.volumes())


def test_an_open_surface_is_read_with_a_word(tmp_path) -> None:
    ball = icosphere((0, 0, 0), 1.0, 1)
    path = tmp_path / "open.ply"
    write_mesh(TriangleMesh(ball.vertices, ball.faces[1:]), path)
    with pytest.warns(UserWarning, match="not closed"):
        assert len(read_mesh(path).faces) == len(ball.faces) - 1


def test_missing_files_and_folders_are_said(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.obj: there is no such file"):
        read_mesh(tmp_path / "gone.obj")
    (tmp_path / "folder.obj").mkdir()
    with pytest.raises(FileNotFoundError, match="it is a folder"):
        read_mesh(tmp_path / "folder.obj")


@pytest.mark.parametrize("name", ["mesh.vtk", "mesh", "mesh.obj.gz"])
def test_unknown_endings_are_refused_both_ways(tmp_path, name: str) -> None:
    with pytest.raises(ValueError, match="unknown mesh format"):
        write_mesh(icosphere((0, 0, 0), 1.0), tmp_path / name)
    with pytest.raises(ValueError, match="unknown mesh format"):
        read_mesh(tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\n", b"nonsense\n1 2 3\n", bytes(range(256))])
def test_files_that_are_no_meshes_are_refused(tmp_path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="bad") as caught:
        read_mesh(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (PLY_HEADER.replace(b"FORMAT", b"ascii") + b"0 0 0\n" * 5, ".ply"),
        (PLY_HEADER.replace(b"FORMAT", b"binary_little_endian") + bytes(99), ".ply"),
        (bytes(80) + b"\xff\xff\xff\xff" + bytes(99), ".stl"),
        (b"OFF\n1000000000000 1000000000000 0\n0 0 0\n", ".off"),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999999\n", ".obj"),
        (b"1000000000000\n0 0 0\n", ".rec"),
    ],
)
def test_huge_counts_in_a_header_are_not_believed(tmp_path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"huge{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="huge"):
        read_mesh(path)


def test_a_file_without_triangles_may_have_been_cut_short(tmp_path) -> None:
    path = tmp_path / "cut.ply"
    path.write_bytes(PLY_HEADER.replace(b"FORMAT", b"ascii") + b"0 0 0\n" * 5)
    with pytest.raises(ValueError, match=r"holds no triangles; .* cut short"):
        read_mesh(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_cut_short_are_refused_or_open(tmp_path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    write_mesh(icosphere((0, 0, 0), 1.0, 2), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(0.8 * len(whole))])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = read_mesh(path)
        except ValueError as error:
            found = error
    if isinstance(found, ValueError):
        assert str(path) in str(found)
    else:
        assert not found.is_closed
        assert any("not closed" in str(warning.message) for warning in caught)


@pytest.mark.parametrize(
    ("suffix", "naming"),
    [
        (".obj", b"mtllib ../secret.mtl\nusemtl m\n"),
        (".ply", b"comment TextureFile ../secret.png\n"),
    ],
)
def test_files_that_a_mesh_names_are_not_opened(
    tmp_path, monkeypatch, suffix: str, naming: bytes
) -> None:
    opened = []
    monkeypatch.setattr(FilePathResolver, "get", lambda _, name: opened.append(name))
    path = tmp_path / f"mesh{suffix}"
    write_mesh(icosphere((0, 0, 0), 1.0, 1), path)
    whole = path.read_bytes()
    before = b"v " if suffix == ".obj" else b"element vertex"
    path.write_bytes(whole.replace(before, naming + before, 1))
    # What the parser does with the path of a file, to see that it would be noticed.
    trimesh.load_scene(str(path))
    assert opened
    opened.clear()
    assert len(read_mesh(path).faces) == 80
    assert not opened


@given(data=st.data(), suffix=st.sampled_from(SUFFIXES))
def test_changed_files_are_read_or_refused_by_name(tmp_path_factory, data, suffix: str) -> None:
    path = tmp_path_factory.mktemp("mesh") / f"changed{suffix}"
    write_mesh(icosphere((0, 0, 0), 1.0, 0), path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read_mesh(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize("space", ["", " \t", "\u2003"])
def test_edges_to_vertices_that_are_not_there_take_no_memory(tmp_path, space: str) -> None:
    text = (
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
        "property float z\nelement face 1\nproperty list uchar int vertex_indices\n"
        f"element {space}edge 1\nproperty int vertex1\nproperty int vertex2\nend_header\n"
        "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n0 250000000\n"
    )
    path = tmp_path / "edges.ply"
    path.write_text(text, encoding="utf-8")
    tracemalloc.start()
    with pytest.warns(UserWarning, match="not closed"):
        mesh = read_mesh(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mesh.faces.tolist() == [[2, 1, 0]]
    assert most < 2**24


def test_a_points_file_has_no_triangles(tmp_path) -> None:
    path = tmp_path / "points.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    with pytest.raises(ValueError, match=r"points\.obj"):
        read_mesh(path)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch) -> None:
    path = tmp_path / "ball.rec"
    write_mesh(icosphere((0, 0, 0), 1.0, 1), path)
    before = path.read_bytes()

    def full_disk(*_args, **_kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(np, "savetxt", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_mesh(icosphere((0, 0, 0), 2.0, 1), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["ball.rec"]


def test_nothing_to_write_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="no faces"):
        write_mesh(TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int)), tmp_path / "no.obj")
    with pytest.raises(OSError, match="absent"):
        write_mesh(icosphere((0, 0, 0), 1.0), tmp_path / "absent" / "ball.obj")
