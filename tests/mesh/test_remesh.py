from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from napari_deltamic.mesh.distance import surface_distance
from napari_deltamic.mesh.intersection import self_intersections
from napari_deltamic.mesh.remeshing import remesh
from napari_deltamic.mesh.shapes import box, bumpy_sphere, dumbbell, ellipsoid, icosphere
from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate


def edge_lengths(mesh: TriangleMesh) -> NDArray[np.float64]:
    a, b = edge_use(mesh.faces).edges.T
    return np.linalg.norm(mesh.vertices[a] - mesh.vertices[b], axis=1)


def smallest_angles(mesh: TriangleMesh) -> NDArray[np.float64]:
    corners = mesh.vertices[mesh.faces]
    along = np.roll(corners, -1, axis=1) - corners
    along /= np.linalg.norm(along, axis=2, keepdims=True)
    cosine = -(along * np.roll(along, 1, axis=1)).sum(axis=2)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))).min(axis=1)


def euler_number(mesh: TriangleMesh) -> int:
    return len(np.unique(mesh.faces)) - len(edge_use(mesh.faces).edges) + len(mesh.faces)


def line_topology(mesh: TriangleMesh) -> tuple[int, list[int], list[int]]:
    """Return how many pieces the lines where regions meet have, and where they end or branch.

    The pieces, the numbers of edges at vertices that are not two, and the numbers of faces at
    edges of the lines.
    """
    use = edge_use(mesh.faces)
    edges, counts = use.edges[use.face_count != 2], use.face_count[use.face_count != 2]
    used, ends = np.unique(edges, return_inverse=True)
    ends = ends.reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(used), len(used)))
    degree = np.bincount(ends.ravel(), minlength=len(used))
    pieces = connected_components(graph, directed=False)[0] if len(used) else 0
    return pieces, sorted(degree[degree != 2].tolist()), sorted(set(counts.tolist()))


def assert_sound(before: TriangleMesh, after: TriangleMesh) -> None:
    """Assert all that remeshing promises except where the surface is."""
    assert after.is_closed == before.is_closed
    np.testing.assert_array_equal(after.interfaces, before.interfaces)
    assert {tuple(pair) for pair in after.labels} <= {tuple(pair) for pair in before.labels}
    for region in before.regions:
        old, new = before.region_mesh(region), after.region_mesh(region)
        assert euler_number(new) == euler_number(old)
    assert line_topology(after) == line_topology(before)
    assert len(np.unique(np.sort(after.faces, axis=1), axis=0)) == len(after.faces)
    assert (after.face_normals_and_areas()[1] > 0).all()
    assert len(np.unique(after.faces)) == len(after.vertices)


def blocks(labels: NDArray[np.int64]) -> TriangleMesh:
    """Return the faces between the unit cubes of a label volume; regions share their interfaces."""
    labels = np.pad(labels, 1)
    corners: dict[tuple[int, ...], int] = {}
    faces, sides = [], []
    for axis in range(3):
        unit = np.roll(np.eye(3, dtype=int), -axis, axis=0)
        for index in np.argwhere(np.diff(labels, axis=axis)):
            start = index + unit[0]
            ring = [start, start + unit[1], start + unit[1] + unit[2], start + unit[2]]
            a, b, c, d = (corners.setdefault(tuple(corner), len(corners)) for corner in ring)
            faces += [[a, b, c], [a, c, d]]
            sides += [[labels[tuple(index)], labels[tuple(index + unit[0])]]] * 2
    return TriangleMesh(np.array(list(corners)), faces, sides)


def double_bubble(steps: int = 12, turns: int = 40) -> TriangleMesh:
    """Return two unit balls cut off where they meet at 120 degrees, and the disc between them."""
    arc = np.linspace(0, np.pi - np.arccos(0.5), steps + 1)[1:]
    height, width = np.cos(arc) + 0.5, np.sin(arc)
    rim_width = width[-1]
    disc = rim_width * np.arange(1, steps + 1) / steps
    profiles = [(height, width, 1.5, (1, 0)), (-height, width, -1.5, (0, 2))]
    profiles += [(np.zeros(steps), disc, 0.0, (2, 1))]
    angle = 2 * np.pi * np.arange(turns) / turns
    vertices = [np.stack([0 * angle, rim_width * np.cos(angle), rim_width * np.sin(angle)], axis=1)]
    faces, labels, count = [], [], turns
    for heights, widths, tip, sides in profiles:
        rings = [np.full(turns, count)]
        vertices.append(np.array([[tip, 0.0, 0.0]]))
        count += 1
        for z, radius in zip(heights[:-1], widths[:-1], strict=True):
            ring = np.stack([angle * 0 + z, radius * np.cos(angle), radius * np.sin(angle)], axis=1)
            vertices.append(ring)
            rings.append(count + np.arange(turns))
            count += turns
        rings.append(np.arange(turns))
        for place, (inner, outer) in enumerate(pairwise(rings)):
            ahead = np.roll(outer, -1)
            fan = np.stack([inner, outer, ahead], axis=1)
            if place > 0:
                fan = np.concatenate([fan, np.stack([inner, ahead, np.roll(inner, -1)], axis=1)])
            faces.append(fan)
            labels.append(np.tile(sides, (len(fan), 1)))
    return TriangleMesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(labels))


@pytest.mark.parametrize(("subdivisions", "edge_length"), [(4, 0.5), (4, 0.78), (4, 1.6), (3, 0.7)])
def test_edges_get_the_length_asked_for(subdivisions: int, edge_length: float) -> None:
    sphere = icosphere((3, -2, 8), 10.0, subdivisions)
    result = remesh(sphere, edge_length)
    assert_sound(sphere, result)
    ratio = edge_lengths(result) / edge_length
    assert abs(ratio.mean() - 1) < 0.05
    assert ratio.std() < 0.12
    angles = smallest_angles(result)
    assert angles.min() > 25
    assert angles.mean() > 50
    np.testing.assert_allclose(np.linalg.norm(result.vertices - (3, -2, 8), axis=1), 10, rtol=2e-4)


def test_same_edge_length_keeps_the_volume_over_and_over() -> None:
    sphere = icosphere((0, 0, 0), 10.0, 4)
    slid = sphere.vertices + np.random.default_rng(0).normal(0, 0.1, sphere.vertices.shape)
    mesh = sphere.with_vertices(10 * slid / np.linalg.norm(slid, axis=1)[:, None])
    result = mesh
    for _ in range(4):
        result = remesh(result, float(edge_lengths(mesh).mean()))
        np.testing.assert_allclose(result.volumes(), mesh.volumes(), rtol=1e-3)
    assert not np.array_equal(result.faces, mesh.faces)


def test_lengths_may_differ_from_vertex_to_vertex() -> None:
    sphere = icosphere((0, 0, 0), 10.0, 4)
    result = remesh(sphere, 0.5 + 0.1 * np.abs(sphere.vertices[:, 0]))
    middle = result.vertices[edge_use(result.faces).edges].mean(axis=1)
    ratio = edge_lengths(result) / (0.5 + 0.1 * np.abs(middle[:, 0]))
    assert_sound(sphere, result)
    assert abs(ratio.mean() - 1) < 0.05
    assert ratio.std() < 0.13


@pytest.mark.parametrize("edge_length", [0.4, 0.7])
def test_a_thin_neck_and_a_spike_survive(edge_length: float) -> None:
    necked = dumbbell((0, 0, 0), 16.0, 3.0, 0.6)
    sphere = icosphere((0, 0, 0), 3.0, 5)
    angle = np.arccos(np.clip(sphere.vertices[:, 0] / 3, -1, 1))
    spiky = sphere.with_vertices(sphere.vertices * (1 + 2 * np.exp(-((angle / 0.2) ** 2)))[:, None])
    for mesh in (necked, spiky):
        result = remesh(mesh, edge_length)
        assert_sound(mesh, result)
        assert surface_distance(mesh.vertices, result).max() < 0.5 * edge_length
        assert surface_distance(result.vertices, mesh).max() < 0.1 * edge_length
        assert len(self_intersections(result)) == 0
        np.testing.assert_allclose(result.volumes(), mesh.volumes(), rtol=0.05 * edge_length)


def test_a_plate_thinner_than_the_edges_stays_a_plate() -> None:
    plate = ellipsoid((0, 0, 0), (0.8, 10, 10), 4)
    result = remesh(plate, 1.6)
    assert_sound(plate, result)
    np.testing.assert_allclose(result.volumes(), plate.volumes(), rtol=0.12)


def test_creases_and_corners_stay() -> None:
    cube = box((0, 0, 0), (10, 10, 10))
    result = remesh(cube, 1.0)
    assert_sound(cube, result)
    assert surface_distance(cube.vertices, result).max() < 0.03
    np.testing.assert_allclose(result.volumes(), 1000, rtol=5e-3)


@given(
    order=st.integers(2, 5),
    amplitude=st.floats(0.0, 0.3),
    stretch=st.tuples(st.floats(0.4, 2.5), st.floats(0.4, 2.5)),
    edge_length=st.floats(0.5, 1.5),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15)
def test_bumpy_stretched_bodies_stay_sound(
    order: int, amplitude: float, stretch: tuple[float, float], edge_length: float, seed: int
) -> None:
    body = bumpy_sphere((0, 0, 0), 5.0, amplitude, order, seed, 3)
    body = body.with_vertices(body.vertices * (1.0, *stretch))
    result = remesh(body, edge_length)
    assert_sound(body, result)
    np.testing.assert_allclose(result.volumes(), body.volumes(), rtol=0.08)
    assert abs(edge_lengths(result).mean() / edge_length - 1) < 0.1


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(*3 * [st.integers(1, 4)]),
    regions=st.integers(1, 4),
    edge_length=st.floats(0.3, 3.0),
    iterations=st.integers(1, 5),
)
def test_regions_that_touch_in_every_way_keep_their_topology(
    seed: int, shape: tuple[int, int, int], regions: int, edge_length: float, iterations: int
) -> None:
    # Blocks meet at faces, at edges of up to four faces and at single corners.
    labels = np.random.default_rng(seed).integers(0, regions + 1, shape)
    assume(labels.any())
    mesh = blocks(labels)
    assert mesh.is_closed
    assert_sound(mesh, remesh(mesh, edge_length, iterations))


@pytest.mark.parametrize("edge_length", [0.06, 0.12, 0.25])
def test_double_bubble_keeps_volumes_disc_and_rim(edge_length: float) -> None:
    bubble = double_bubble()
    assert bubble.is_closed
    result = remesh(bubble, edge_length)
    assert_sound(bubble, result)
    assert line_topology(result) == (1, [], [3])
    np.testing.assert_allclose(result.volumes(), bubble.volumes(), rtol=0.02 + edge_length**2 / 4)
    use = edge_use(result.faces)
    rim = result.vertices[np.unique(use.edges[use.face_count == 3])]
    np.testing.assert_allclose(rim[:, 0], 0.0, atol=1e-9)
    np.testing.assert_allclose(np.hypot(rim[:, 1], rim[:, 2]), np.sqrt(0.75), rtol=1e-3)
    disc = np.unique(result.faces[result.labels.min(axis=1) > 0])
    np.testing.assert_allclose(result.vertices[disc, 0], 0.0, atol=1e-9)
    assert abs(edge_lengths(result).mean() / edge_length - 1) < 0.05
    assert len(self_intersections(result)) == 0


def test_two_cubes_sharing_a_face_keep_their_corners() -> None:
    mesh = blocks(np.array([[[1]], [[2]]]))
    result = remesh(mesh, 0.1)
    assert_sound(mesh, result)
    np.testing.assert_allclose(result.volumes(), 1.0, rtol=5e-3)
    assert surface_distance(mesh.vertices, result).max() < 3e-3
    shared = result.faces[result.labels.min(axis=1) > 0]
    corners = result.vertices[shared]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert abs(0.5 * np.abs(normals[:, 0]).sum() - 1.0) < 1e-9


def test_windings_of_one_interface_may_be_mixed() -> None:
    sphere = icosphere((0, 0, 0), 5.0, 3)
    turned = np.arange(len(sphere.faces)) % 3 == 1
    faces = np.where(turned[:, None], sphere.faces[:, ::-1], sphere.faces)
    mixed = TriangleMesh(sphere.vertices, faces, np.where(turned[:, None], (0, 1), (1, 0)))
    np.testing.assert_array_equal(remesh(mixed, 0.8).vertices, remesh(sphere, 0.8).vertices)


def test_a_border_stays_where_it_is() -> None:
    sphere = icosphere((0, 0, 0), 5.0, 4)
    upper = (sphere.vertices[sphere.faces, 0] > -1e-9).all(axis=1)
    cap = TriangleMesh(sphere.vertices, sphere.faces[upper])
    result = remesh(cap, 0.5)
    assert_sound(cap, result)
    border = edge_use(result.faces)
    rim = result.vertices[np.unique(border.edges[border.face_count == 1])]
    np.testing.assert_allclose(np.linalg.norm(rim, axis=1), 5.0, rtol=1e-3)
    assert abs(edge_lengths(result).mean() / 0.5 - 1) < 0.05


def test_bodies_smaller_than_an_edge_remain_as_tetrahedra_or_more() -> None:
    mesh = concatenate([icosphere((0, 0, 0), 10.0, 3), icosphere((0, 0, 30), 0.05, 2)])
    result = remesh(mesh, 2.0)
    assert_sound(mesh, result)
    assert len(result.region_mesh(2).faces) >= 4


def test_folded_and_flattened_input_is_survived() -> None:
    sphere = icosphere((0, 0, 0), 5.0, 3)
    vertices = sphere.vertices + np.random.default_rng(2).normal(0, 0.4, sphere.vertices.shape)
    vertices[sphere.faces[::50, 1]] = vertices[sphere.faces[::50, 0]]
    crumpled = sphere.with_vertices(vertices)
    result = remesh(crumpled, 0.7)
    assert result.is_closed
    assert euler_number(result) == 2
    assert np.percentile(smallest_angles(result), 2) > 10


def test_is_repeatable_and_leaves_its_input_alone() -> None:
    bubble = double_bubble()
    vertices, faces = bubble.vertices.copy(), bubble.faces.copy()
    lengths = np.full(len(vertices), 0.1)
    one, two = remesh(bubble, lengths), remesh(bubble, 0.1)
    np.testing.assert_array_equal(one.vertices, two.vertices)
    np.testing.assert_array_equal(one.faces, two.faces)
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(bubble.vertices, vertices)
    np.testing.assert_array_equal(bubble.faces, faces)
    np.testing.assert_array_equal(lengths, 0.1)


def test_unused_vertices_are_dropped() -> None:
    sphere = icosphere((0, 0, 0), 5.0, 2)
    padded = TriangleMesh(np.concatenate([[[9, 9, 9]], sphere.vertices]), sphere.faces + 1)
    np.testing.assert_array_equal(remesh(padded, 1.5).vertices, remesh(sphere, 1.5).vertices)
    assert len(remesh(TriangleMesh(sphere.vertices, np.empty((0, 3))), 1.0).vertices) == 0


@pytest.mark.parametrize(
    ("edge_length", "message"),
    [
        (0.0, "edge_length: expected positive"),
        (float("nan"), "edge_length: expected positive"),
        (float("inf"), "edge_length: expected positive"),
        (np.ones(7), r"edge_length: expected one number or shape \(42,\), got shape \(7,\)"),
        (1e-4, "edge_length: 0.0001 um would give about .* ask for 0.00"),
    ],
)
def test_edge_lengths_that_cannot_be(edge_length: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        remesh(icosphere((0, 0, 0), 1.0, 1), edge_length)


def test_iterations_must_be_positive() -> None:
    with pytest.raises(ValueError, match="iterations: expected 1 or more, got 0"):
        remesh(icosphere((0, 0, 0), 1.0, 1), 0.5, 0)
