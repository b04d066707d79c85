from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.mesh import TriangleMesh, concatenate
from napari_deltamic.mesh.shapes import box, bumpy_sphere, icosphere

TETRAHEDRON = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
TETRAHEDRON_FACES = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]


def two_cubes() -> TriangleMesh:
    """Return unit cubes side by side along z as regions 3 and 7 that share two faces."""
    lower, upper = box((0, 0, 0), (1, 1, 1)), box((1, 0, 0), (2, 1, 1))
    vertices = np.concatenate([lower.vertices, upper.vertices])
    vertices, inverse = np.unique(vertices, axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[np.concatenate([lower.faces, upper.faces + 8])]
    labels = np.repeat([[3, 0], [7, 0]], 12, axis=0)
    shared = (vertices[faces][:, :, 0] == 1).all(axis=1)
    labels[shared & (labels[:, 0] == 3), 1] = 7
    keep = ~(shared & (labels[:, 0] == 7))
    return TriangleMesh(vertices, faces[keep], labels[keep])


def test_tetrahedron_has_its_volume_and_areas() -> None:
    mesh = TriangleMesh(TETRAHEDRON, TETRAHEDRON_FACES)
    assert mesh.volumes() == pytest.approx([1 / 6])
    assert mesh.areas() == pytest.approx([1.5 + 0.5 * 3**0.5])
    assert mesh.is_closed
    assert mesh.regions.tolist() == [1]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, napari_deltamic.mesh; "
        "print(*{'numba', 'scipy', 'trimesh', 'skimage', 'torch'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout.split() == []


def test_no_module_hides_a_function_of_its_name() -> None:
    from importlib import import_module
    from pkgutil import iter_modules

    for package in ("mesh", "imaging", "fitting", "meshft", "optics"):
        module = import_module(f"napari_deltamic.{package}")
        modules = {found.name for found in iter_modules(module.__path__)}
        assert modules.isdisjoint(module.__all__)


def test_unknown_name_of_the_package_is_an_attribute_error() -> None:
    import napari_deltamic.mesh

    with pytest.raises(AttributeError, match="no_such_name"):
        napari_deltamic.mesh.no_such_name  # noqa: B018


@given(st.integers(0, 1000), st.floats(-1e4, 1e4))
def test_measures_do_not_depend_on_where_the_mesh_lies(seed: int, shift: float) -> None:
    mesh = bumpy_sphere((0, 0, 0), 2.0, 0.4, seed=seed, subdivisions=2)
    moved = mesh.with_vertices(mesh.vertices + np.array([shift, -shift, 2 * shift]))
    assert moved.volumes() == pytest.approx(mesh.volumes(), rel=1e-9)
    assert moved.areas() == pytest.approx(mesh.areas(), rel=1e-9)


def test_shared_faces_count_for_both_regions() -> None:
    mesh = two_cubes()
    assert mesh.regions.tolist() == [3, 7]
    assert mesh.interfaces.tolist() == [[0, 3], [0, 7], [3, 7]]
    assert np.bincount(mesh.face_interfaces).tolist() == [10, 10, 2]
    assert mesh.volumes() == pytest.approx([1, 1])
    assert mesh.areas() == pytest.approx([6, 6])
    assert mesh.is_closed


def test_neighbours_interface_areas_and_triple_lines() -> None:
    mesh = two_cubes()
    assert mesh.neighbours(3).tolist() == [0, 7]
    assert mesh.neighbours(7).tolist() == [0, 3]
    assert mesh.interface_areas() == pytest.approx([5, 5, 1])
    ends = mesh.vertices[mesh.triple_edges]
    assert len(ends) == 4
    assert (ends[:, :, 0] == 1).all()
    assert np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) == pytest.approx(np.ones(4))
    with pytest.raises(ValueError, match="region: 5 is not one of"):
        mesh.neighbours(5)


def test_separate_surfaces_have_no_triple_lines() -> None:
    mesh = icosphere((0, 0, 0), 2.0)
    assert mesh.triple_edges.shape == (0, 2)
    assert mesh.neighbours(1).tolist() == [0]
    assert mesh.interface_areas() == pytest.approx(mesh.areas())


@given(st.integers(0, 10**6))
def test_interfaces_are_the_unique_sorted_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = rng.choice([0, 1, 5, 10**9, 2**62], (12, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    faces = np.arange(3 * len(pairs)).reshape(-1, 3)
    mesh = TriangleMesh(rng.normal(size=(3 * len(pairs), 3)), faces, pairs)
    expected, which = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    assert np.array_equal(mesh.interfaces, expected)
    assert np.array_equal(mesh.face_interfaces, which.reshape(-1))


@pytest.mark.parametrize("region", [3, 7])
def test_region_mesh_is_closed_and_outwards(region: int) -> None:
    cube = two_cubes().region_mesh(region)
    assert len(cube.vertices) == 8
    assert cube.volumes() == pytest.approx([1])
    assert cube.is_closed


def test_reversing_faces_and_labels_changes_nothing() -> None:
    mesh = two_cubes()
    turned = TriangleMesh(mesh.vertices, mesh.faces[:, ::-1], mesh.labels[:, ::-1])
    assert turned.volumes() == pytest.approx(mesh.volumes())
    assert turned.is_closed


def test_a_missing_face_opens_only_its_regions() -> None:
    mesh = two_cubes()
    outer_of_three = int(np.flatnonzero((mesh.labels == [3, 0]).all(axis=1))[0])
    keep = np.arange(len(mesh.faces)) != outer_of_three
    opened = TriangleMesh(mesh.vertices, mesh.faces[keep], mesh.labels[keep])
    assert opened.open_regions().tolist() == [3]
    assert not opened.is_closed


def test_a_turned_face_is_not_closed() -> None:
    mesh = box((0, 0, 0), (1, 1, 1))
    faces = mesh.faces.copy()
    faces[0] = faces[0, ::-1]
    assert not TriangleMesh(mesh.vertices, faces).is_closed


def test_concatenate_renumbers_regions_in_turn() -> None:
    joined = concatenate([two_cubes(), icosphere((9, 9, 9), 1.0)])
    assert joined.regions.tolist() == [1, 2, 3]
    assert joined.interfaces.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2]]
    assert joined.volumes()[:2] == pytest.approx([1, 1])
    assert len(concatenate([]).faces) == 0


def test_arrays_cannot_be_written_and_do_not_alias_the_input() -> None:
    vertices = np.array(TETRAHEDRON, dtype=float)
    mesh = TriangleMesh(vertices, TETRAHEDRON_FACES)
    with pytest.raises(ValueError, match="read-only"):
        mesh.vertices[0] = 1
    vertices[0] = 5
    assert mesh.vertices[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("vertices", "faces", "labels", "message"),
    [
        ([(0, 0)], [], None, "vertices: expected shape"),
        ([(0, 0, np.nan)], np.empty((0, 3)), None, "not finite"),
        (TETRAHEDRON, [(0, 1)], None, "faces: expected shape"),
        (TETRAHEDRON, [(0, 1, 4)], None, "must lie in 0..3"),
        (TETRAHEDRON, [(0, 1, -1)], None, "must lie in 0..3"),
        (TETRAHEDRON, [(0, 1, 1.5)], None, "whole numbers"),
        (TETRAHEDRON, [(0, 1, 1)], None, "one vertex twice"),
        (TETRAHEDRON, [(0, 1, 2)], [(1, 0, 0)], "labels: expected shape"),
        (TETRAHEDRON, [(0, 1, 2)], [(1, 1)], "both sides"),
        (TETRAHEDRON, [(0, 1, 2)], [(1, -1)], "0 \\(outside\\) or more"),
    ],
)
def test_bad_arrays_are_refused_by_name(vertices, faces, labels, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TriangleMesh(vertices, faces, labels)


def test_region_mesh_refuses_regions_that_are_not_there() -> None:
    for region in (0, 5):
        with pytest.raises(ValueError, match="not one of the mesh's regions"):
            two_cubes().region_mesh(region)


def test_a_mesh_without_faces_is_not_closed() -> None:
    empty = TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int))
    assert not empty.is_closed
    assert empty.interfaces.shape == (0, 2)
    assert empty.interface_areas().shape == (0,)
    assert len(empty.regions) == 0
