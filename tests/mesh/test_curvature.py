from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_cases import crumpled_grid, rotation, shuffled, slow_wedges

from napari_deltamic.mesh.bubbles import cut_ball, double_bubble
from napari_deltamic.mesh.curvature import face_curvature, vertex_curvature
from napari_deltamic.mesh.fans import UNKNOWN, edge_fans
from napari_deltamic.mesh.shapes import ellipsoid, icosphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_fans_are_those_of_one_edge_after_another(seed: int) -> None:
    mesh = crumpled_grid(seed, (1, 2, 2), 1)
    fans = edge_fans(mesh)
    for (low, high), expected in slow_wedges(mesh).items():
        (edge,) = np.flatnonzero((fans.edges == (low, high)).all(axis=1))
        here = slice(fans.start[edge], fans.start[edge] + fans.face_count[edge])
        found = zip(fans.wedge_regions[here], fans.wedge_angles[here], strict=True)
        assert [region for region, _ in sorted(found)] == sorted(r for r, _ in expected)
        np.testing.assert_allclose(
            sorted(fans.wedge_angles[here]), sorted(angle for _, angle in expected)
        )
        assert sum(fans.wedge_angles[here]) == pytest.approx(2 * np.pi)


@given(seeds, st.lists(st.integers(0, 47), max_size=3))
def test_open_regions_are_those_of_the_mesh(seed: int, holes: list[int]) -> None:
    mesh = crumpled_grid(seed, divisions=1)
    holed = TriangleMesh(
        mesh.vertices, np.delete(mesh.faces, holes, axis=0), np.delete(mesh.labels, holes, axis=0)
    )
    assert edge_fans(holed).open_regions.tolist() == holed.open_regions().tolist()


def test_wedges_beside_a_border_or_a_flat_face_are_unknown() -> None:
    ball = icosphere((0, 0, 0), 1.0, 1)
    border = edge_fans(TriangleMesh(ball.vertices, ball.faces[1:]))
    assert ((border.wedge_regions == UNKNOWN) == (border.face_count[border.wedge_edges] == 1)).all()
    vertices = ball.vertices.copy()
    a, b, c = ball.faces[0]
    vertices[c] = 0.5 * (vertices[a] + vertices[b])
    flat = edge_fans(TriangleMesh(vertices, ball.faces))
    assert (flat.wedge_regions == UNKNOWN).sum() == 6
    assert np.isfinite(vertex_curvature(TriangleMesh(vertices, ball.faces))).all()


@pytest.mark.parametrize("body", [double_bubble((3, 3)), double_bubble((2, 4)), cut_ball(3, 1)])
def test_faces_have_the_curvature_of_their_cap(body) -> None:
    worst = []
    for edge_length in (0.4, 0.2):
        mesh = shuffled(body.mesh((1, 2, 3), edge_length, axis=1), 0)
        expected = np.array(body.curvatures)[mesh.face_interfaces]
        worst.append(np.abs(face_curvature(mesh) - expected).max())
    assert worst[0] < 0.01
    assert worst[1] < 0.35 * worst[0]


def test_vertices_of_an_ellipsoid_have_its_curvature() -> None:
    axes = np.array([3.0, 4.0, 5.0])
    mesh = ellipsoid((0, 0, 0), axes, 4)
    squares = (mesh.vertices**2).sum(axis=1)
    gradient = np.linalg.norm(mesh.vertices / axes**2, axis=1)
    exact = ((axes**2).sum() - squares) / (2 * axes.prod() ** 2 * gradient**3)
    error = vertex_curvature(mesh) / exact - 1
    assert np.sqrt(np.mean(error**2)) < 0.005
    assert np.abs(error).max() < 0.04


def test_vertices_on_a_rim_have_the_average_and_loose_ones_none() -> None:
    body = cut_ball(2.0, 0.0)
    mesh = body.mesh((0, 0, 0), 0.2)
    loose = TriangleMesh([*mesh.vertices, (9, 9, 9)], mesh.faces, mesh.labels)
    curvature = vertex_curvature(loose)
    assert curvature[-1] == 0
    # The rim is numbered first: two parts of the ball and a flat disc.
    rim = slice(0, round(2 * np.pi * 2 / 0.2))
    assert curvature[rim].mean() == pytest.approx(2 / 3 * 0.5, rel=0.05)
    assert curvature[rim].min() > 0.3
    assert curvature[rim].max() < 0.45
    inside = (np.abs(mesh.vertices[:, 2]) < 1e-12) & (np.hypot(*mesh.vertices.T[:2]) < 1.9)
    np.testing.assert_allclose(curvature[:-1][inside], 0, atol=1e-12)


@given(seeds)
def test_curvature_does_not_depend_on_numbers_windings_or_place(seed: int) -> None:
    mesh = double_bubble((4, 2)).mesh((0, 0, 0), 1.0)
    other = shuffled(mesh.with_vertices(mesh.vertices @ rotation(seed).T + 7), seed)
    np.testing.assert_allclose(np.sort(face_curvature(other)), np.sort(face_curvature(mesh)))
    np.testing.assert_allclose(np.sort(vertex_curvature(other)), np.sort(vertex_curvature(mesh)))


def test_lone_faces_are_flat() -> None:
    mesh = TriangleMesh(np.eye(3), [[0, 1, 2]])
    assert (vertex_curvature(mesh) == 0).all()
    assert (face_curvature(mesh) == 0).all()
