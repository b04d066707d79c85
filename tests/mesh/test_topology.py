from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.mesh.closing import closed
from napari_deltamic.mesh.orientation import (
    consistently_wound,
    oriented_bodies,
    oriented_outwards,
    with_sides_from_geometry,
)
from napari_deltamic.mesh.shapes import box, icosphere
from napari_deltamic.mesh.topology import edge_use, vertex_components
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate

SPHERE = icosphere((0, 0, 0), 2.0, 2)


def test_edges_are_opposite_their_corners() -> None:
    use = edge_use(SPHERE.faces)
    for corner in range(3):
        others = np.sort(np.delete(SPHERE.faces, corner, axis=1), axis=1)
        assert np.array_equal(use.edges[use.face_edges[:, corner]], others)


def test_a_closed_surface_has_euler_number_two() -> None:
    use = edge_use(SPHERE.faces)
    assert len(SPHERE.vertices) - len(use.edges) + len(SPHERE.faces) == 2
    assert (use.face_count == 2).all()
    assert use.balanced


def test_a_border_has_one_face_and_no_balance() -> None:
    use = edge_use(SPHERE.faces[1:])
    assert (use.face_count == 1).sum() == 3
    assert not use.balanced


def test_no_faces_have_no_edges() -> None:
    use = edge_use(np.empty((0, 3), np.int64))
    assert len(use.edges) == 0
    assert use.balanced


def test_components_follow_the_faces() -> None:
    faces = np.array([[0, 1, 2], [4, 5, 6]])
    component = vertex_components(faces, 7)
    assert len(set(component[[0, 1, 2]])) == len(set(component[[4, 5, 6]])) == 1
    assert len(set(component)) == 3


@given(st.integers(0, 2**32 - 1))
def test_turned_faces_are_turned_back(seed: int) -> None:
    turned = np.random.default_rng(seed).random(len(SPHERE.faces)) < 0.5
    turned[0] = False
    mixed = np.where(turned[:, None], SPHERE.faces[:, ::-1], SPHERE.faces)
    assert np.array_equal(consistently_wound(mixed), SPHERE.faces)


def test_a_moebius_strip_has_no_winding() -> None:
    strip = np.array([(i, (i + 1) % 5, (i + 2) % 5) for i in range(5)])
    with pytest.raises(ValueError, match="one side only"):
        consistently_wound(strip)


def test_only_the_inside_out_region_is_turned() -> None:
    ball = icosphere((9, 0, 0), 1.0, 1)
    inside_out = TriangleMesh(ball.vertices, ball.faces[:, ::-1])
    mesh = concatenate([SPHERE, inside_out])
    assert (mesh.volumes() < 0).tolist() == [False, True]
    outwards = oriented_outwards(mesh)
    assert (outwards.volumes() > 0).all()
    assert np.array_equal(outwards.faces[: len(SPHERE.faces)], SPHERE.faces)
    assert oriented_outwards(SPHERE) is SPHERE


def shell_and_core(core_inwards: bool) -> tuple[np.ndarray, np.ndarray]:
    core = icosphere((0.1, 0, 0), 1.0, 2)
    core_faces = core.faces[:, ::-1] if core_inwards else core.faces
    vertices = np.concatenate([SPHERE.vertices, core.vertices])
    return vertices, np.concatenate([SPHERE.faces, core_faces + len(SPHERE.vertices)])


def test_an_inward_piece_within_another_is_a_cavity() -> None:
    vertices, faces = shell_and_core(core_inwards=True)
    oriented, body = oriented_bodies(vertices, faces)
    assert np.array_equal(oriented, faces)
    assert set(body) == {1}


def test_an_outward_piece_within_another_is_a_body() -> None:
    vertices, faces = shell_and_core(core_inwards=False)
    oriented, body = oriented_bodies(vertices, faces)
    assert np.array_equal(oriented, faces)
    assert set(body) == {1, 2}


def test_a_file_that_is_inside_out_as_a_whole_keeps_its_cavity() -> None:
    vertices, faces = shell_and_core(core_inwards=True)
    oriented, body = oriented_bodies(vertices, faces[:, ::-1])
    assert np.array_equal(oriented, faces)
    assert set(body) == {1}


def test_an_inward_piece_outside_all_others_is_turned() -> None:
    cube = box((5, 5, 5), (6, 6, 6))
    vertices = np.concatenate([SPHERE.vertices, cube.vertices])
    faces = np.concatenate([SPHERE.faces, cube.faces[:, ::-1] + len(SPHERE.vertices)])
    oriented, body = oriented_bodies(vertices, faces)
    assert np.array_equal(oriented[-12:, ::-1], faces[-12:])
    assert body.max() == 2


def test_labels_go_to_the_side_where_the_region_lies() -> None:
    mesh = concatenate([SPHERE, icosphere((9, 0, 0), 1.0, 1)])
    shuffled = np.random.default_rng(1).random(len(mesh.faces)) < 0.5
    labels = np.where(shuffled[:, None], mesh.labels[:, ::-1], mesh.labels)
    unsided = TriangleMesh(mesh.vertices, mesh.faces, labels)
    assert not unsided.is_closed
    assert np.array_equal(with_sides_from_geometry(unsided).labels, mesh.labels)


def test_closing_fills_holes_and_keeps_the_shape() -> None:
    rng = np.random.default_rng(0)
    damaged = TriangleMesh(SPHERE.vertices, SPHERE.faces[rng.random(len(SPHERE.faces)) > 0.1])
    whole = closed(damaged)
    assert whole.is_closed
    assert whole.volumes() == pytest.approx(SPHERE.volumes(), rel=0.05)


def test_closing_joins_loose_triangles() -> None:
    corners = SPHERE.vertices[SPHERE.faces].reshape(-1, 3)
    loose = TriangleMesh(corners, np.arange(len(corners)).reshape(-1, 3))
    whole = closed(loose)
    assert len(whole.vertices) == len(SPHERE.vertices)
    assert whole.is_closed
    assert whole.volumes() == pytest.approx(SPHERE.volumes())


def test_closing_cuts_fins_strays_and_twins() -> None:
    tip = len(SPHERE.vertices)
    a, b, _ = SPHERE.faces[0]
    vertices = np.concatenate(
        [SPHERE.vertices, [(9, 9, 9), (20, 20, 20), (20, 20, 20.5), (20, 20.5, 20)]]
    )
    extra = [(a, b, tip), (tip + 1, tip + 2, tip + 3), SPHERE.faces[5]]
    whole = closed(TriangleMesh(vertices, np.concatenate([SPHERE.faces, extra])))
    assert whole.is_closed
    assert np.abs(whole.vertices).max() <= 2.0
    assert whole.volumes() == pytest.approx(SPHERE.volumes(), rel=0.05)


def test_closing_leaves_a_sound_mesh_alone() -> None:
    assert closed(SPHERE).volumes() == pytest.approx(SPHERE.volumes(), rel=1e-12)
    assert len(closed(SPHERE).faces) == len(SPHERE.faces)


def test_closing_says_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="no faces"):
        closed(TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int)))
    with pytest.raises(ValueError, match="2 regions"):
        closed(concatenate([SPHERE, SPHERE]))
    with pytest.raises(ValueError, match="stray_fraction"):
        closed(SPHERE, stray_fraction=2.0)


@pytest.mark.parametrize("name", ["gastruloid.ply", "branchoid.ply"])
@pytest.mark.filterwarnings("ignore:.*is not closed")
def test_real_surfaces_become_closed(data_folder, name: str) -> None:
    from napari_deltamic.mesh.files import read_mesh

    path = data_folder / name
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    given_mesh = read_mesh(path)
    whole = closed(given_mesh)
    assert whole.is_closed
    assert whole.volumes()[0] > 0
    assert whole.areas() == pytest.approx(given_mesh.areas(), rel=1e-3)
    assert (edge_use(whole.faces).face_count == 2).all()
