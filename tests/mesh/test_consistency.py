from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.mesh.consistency import inconsistencies, unmatched_edges
from napari_deltamic.mesh.shapes import box, icosphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# A fan of half-planes' triangles round the edge from (0, 0, 0) to (1, 0, 0), closed by a far rim.
AXIS = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)]


def fan(angles, labels) -> TriangleMesh:
    spokes = [(0.5, np.cos(angle), np.sin(angle)) for angle in angles]
    faces = [(0, 1, 2 + k) for k in range(len(angles))]
    return TriangleMesh(AXIS + spokes, faces, labels)


def axis_is_matched(mesh: TriangleMesh) -> bool:
    return [0, 1] not in unmatched_edges(mesh).tolist()


def two_cubes() -> TriangleMesh:
    """Return cubes side by side along z, regions 3 and 7, with one shared square."""
    lower, upper = box((0, 0, 0), (1, 1, 1)), box((1, 0, 0), (2, 1, 1))
    vertices = np.concatenate([lower.vertices, upper.vertices])
    vertices, inverse = np.unique(vertices, axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[np.concatenate([lower.faces, upper.faces + 8])]
    labels = np.repeat([[3, 0], [7, 0]], 12, axis=0)
    shared = (vertices[faces][:, :, 0] == 1).all(axis=1)
    labels[shared & (labels[:, 0] == 3), 1] = 7
    keep = ~(shared & (labels[:, 0] == 7))
    return TriangleMesh(vertices, faces[keep], labels[keep])


def test_sound_meshes_have_nothing_wrong() -> None:
    assert inconsistencies(two_cubes()) == []
    assert inconsistencies(icosphere((1, 2, 3), 2.0)) == []


def test_a_mesh_without_faces_is_named() -> None:
    assert inconsistencies(TriangleMesh(np.zeros((3, 3)), np.empty((0, 3), int))) == [
        "the mesh has no faces"
    ]


def test_an_open_region_is_named() -> None:
    mesh = two_cubes()
    outer = int(np.flatnonzero((mesh.labels == [3, 0]).all(axis=1))[0])
    keep = np.arange(len(mesh.faces)) != outer
    found = inconsistencies(TriangleMesh(mesh.vertices, mesh.faces[keep], mesh.labels[keep]))
    assert "not closed is region 3" in found
    assert any(line.startswith("the regions do not match round 3 edges") for line in found)


def test_unused_flat_and_twin_parts_are_named() -> None:
    mesh = icosphere((0, 0, 0), 1.0)
    vertices = np.concatenate([mesh.vertices, [[9, 9, 9], [9, 9, 10], [9, 9, 11], [5, 5, 5]]])
    first = len(mesh.vertices)
    extra = [(first, first + 1, first + 2), mesh.faces[0]]
    found = inconsistencies(TriangleMesh(vertices, np.concatenate([mesh.faces, extra])))
    assert f"no face uses vertex {first + 3}" in found
    assert f"no area has face {len(mesh.faces)}" in found
    assert f"the same vertices as an earlier one has face {len(mesh.faces) + 1}" in found


def test_long_lists_are_cut() -> None:
    mesh = icosphere((0, 0, 0), 1.0)
    vertices = np.concatenate([mesh.vertices, np.full((9, 3), 4.0)])
    first = len(mesh.vertices)
    (line,) = inconsistencies(TriangleMesh(vertices, mesh.faces))
    shown = ", ".join(str(first + k) for k in range(5))
    assert line == f"no face uses 9 vertices: {shown} and 4 more"


@settings(deadline=None)
@given(
    regions=st.lists(st.integers(0, 4), min_size=2, max_size=6).filter(
        lambda found: all(a != b for a, b in zip(found, found[1:] + found[:1], strict=True))
    ),
    seed=st.integers(0, 10**6),
)
def test_labels_round_an_edge_close_up_in_any_order_and_winding(regions, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = len(regions)
    # Sectors of at least 0.3 rad, the k-th region between faces k and k + 1.
    gaps = 0.3 + rng.dirichlet(np.ones(count)) * (2 * np.pi - 0.3 * count)
    angles = np.cumsum(gaps)
    mesh = fan(angles, [(regions[k - 1], regions[k]) for k in range(count)])
    # By the right-hand rule the face (0, 1, spoke) has its normal towards larger angles.
    normal = mesh.face_normals_and_areas()[0][0]
    assert normal @ (0, -np.sin(angles[0]), np.cos(angles[0])) == pytest.approx(1.0)
    order = rng.permutation(count)
    turned = rng.random(count) < 0.5
    faces = np.where(turned[:, None], mesh.faces[:, ::-1], mesh.faces)[order]
    labels = np.where(turned[:, None], mesh.labels[:, ::-1], mesh.labels)[order]
    assert axis_is_matched(TriangleMesh(mesh.vertices, faces, labels))
    wrong = labels.copy()
    wrong[0] = wrong[0, ::-1]
    assert not axis_is_matched(TriangleMesh(mesh.vertices, faces, wrong))


def test_faces_in_the_wrong_order_are_found_though_every_region_is_closed() -> None:
    labels = [(1, 2), (2, 3), (3, 1)]
    assert axis_is_matched(fan([0.0, 2.0, 4.0], labels))
    assert not axis_is_matched(fan([0.0, 4.0, 2.0], labels))
