from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.mesh.consistency import inconsistencies
from napari_deltamic.mesh.rec import read_rec, write_rec
from napari_deltamic.mesh.seeds import seed_from_labels
from napari_deltamic.mesh.shapes import bumpy_sphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

TRIANGLE = "3\n0 0 0\n0 0 1\n0 1 0\n1\n0 1 2 1 0\n"


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-6, 1e6))
def test_a_written_mesh_comes_back_to_the_bit(tmp_path_factory, seed: int, scale: float) -> None:
    ball = bumpy_sphere((1, 2, 3), 1.0, 0.5, seed=seed, subdivisions=1)
    labels = np.random.default_rng(seed).permuted([[9, 4]] * len(ball.faces), axis=1)
    mesh = TriangleMesh(ball.vertices * scale, ball.faces, labels)
    path = tmp_path_factory.mktemp("rec") / "mesh.rec"
    write_rec(mesh, path)
    back = read_rec(path)
    assert np.array_equal(back.vertices, mesh.vertices)
    assert np.array_equal(back.faces, mesh.faces)
    assert np.array_equal(back.labels, mesh.labels)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 4))
def test_a_mesh_of_touching_regions_comes_back_whole(
    tmp_path_factory, seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(1, 7, (count, 3))
    places = np.moveaxis(np.indices((8, 8, 8)), 0, -1)
    names = rng.choice(10**6, count, replace=False) + 1
    away = np.linalg.norm(places[..., None, :] - points, axis=4)
    labels = np.where(np.linalg.norm(places - 3.5, axis=3) < 3.6, names[away.argmin(axis=3)], 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mesh = seed_from_labels(labels, (1.5, 1, 1), origin=rng.uniform(-100, 100, 3))
    path = tmp_path_factory.mktemp("rec") / "mesh.rec"
    write_rec(mesh, path)
    back = read_rec(path)
    for name in ("vertices", "faces", "labels", "regions", "interfaces", "triple_edges"):
        assert np.array_equal(getattr(back, name), getattr(mesh, name))
    assert np.array_equal(back.interface_areas(), mesh.interface_areas())
    assert inconsistencies(back) == []


def test_columns_are_in_image_axis_order(tmp_path) -> None:
    path = tmp_path / "mesh.rec"
    path.write_text("3\n1 2 3\n4 5 6\n7 8 10\n\n1\n0 1 2 5 2\n")
    mesh = read_rec(path)
    assert mesh.vertices.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 10]]
    assert mesh.faces.tolist() == [[0, 1, 2]]
    assert mesh.labels.tolist() == [[5, 2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the number of vertices, found the end"),
        ("v 0 0 0\n", "expected the number of vertices, found 'v 0 0 0'"),
        ("-3\n", "expected the number of vertices"),
        ("1000000000000\n0 0 0\n", "announces 1000000000000 vertices but has 1 lines"),
        ("1\n0 0\n0\n", "needs 3 numbers"),
        ("1\n0 0 zero\n0\n", "needs 3 numbers"),
        ("1\n0 0 0\n", "expected the number of triangles, found the end"),
        (TRIANGLE.replace("\n1\n", "\n7\n"), "announces 7 triangles but has 1 lines"),
        (TRIANGLE + "0 1 2 1 0\n", "1 lines follow"),
        (TRIANGLE.replace("0 1 2 1 0", "0 1 9 1 0"), "must lie in 0..2"),
        (TRIANGLE.replace("0 1 2 1 0", "0 1 1.5 1 0"), "whole numbers"),
        (TRIANGLE.replace("0 1 2 1 0", "0 1 2 1 1"), "both sides"),
        (TRIANGLE.replace("0 0 1", "0 0 nan"), "not finite"),
    ],
)
def test_damaged_files_are_refused_with_their_path(tmp_path, text: str, message: str) -> None:
    path = tmp_path / "damaged.rec"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_rec(path)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path) -> None:
    path = tmp_path / "binary.rec"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="no text"):
        read_rec(path)


@given(text=st.text(alphabet="0123456789 .-enaif\n", max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory, text: str) -> None:
    path = tmp_path_factory.mktemp("rec") / "any.rec"
    path.write_text(text)
    try:
        found = read_rec(path)
    except ValueError as error:
        found = error
    assert isinstance(found, TriangleMesh) or str(path) in str(found)
