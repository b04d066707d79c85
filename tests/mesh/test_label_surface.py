from __future__ import annotations

import warnings
from itertools import product
from math import erf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from napari_deltamic.mesh.consistency import inconsistencies
from napari_deltamic.mesh.intersection import self_intersections
from napari_deltamic.mesh.label_fields import label_fields
from napari_deltamic.mesh.label_image import tidied
from napari_deltamic.mesh.label_surface import label_surface
from napari_deltamic.mesh.lattice_pieces import in_one_piece
from napari_deltamic.mesh.seeds import seed_from_labels
from napari_deltamic.mesh.topology import edge_use, vertex_components
from napari_deltamic.mesh.triangle_mesh import TriangleMesh
from napari_deltamic.mesh.volume_matching import with_volumes

CUBIC = (1.0, 1.0, 1.0)


def block(shape, *boxes) -> np.ndarray:
    """Return labels of boxes (z0, z1, y0, y1, x0, x1, value), later ones on top."""
    labels = np.zeros(shape, dtype=np.int32)
    for z0, z1, y0, y1, x0, x1, value in boxes:
        labels[z0:z1, y0:y1, x0:x1] = value
    return labels


def positions(shape, spacing) -> np.ndarray:
    return np.moveaxis(np.indices(shape), 0, -1) * np.asarray(spacing)


def voronoi(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a random label image without numbers in sequence, and its voxel size."""
    rng = np.random.default_rng(seed)
    count, shape, spacing = rng.integers(2, 9), rng.integers(6, 15, 3), rng.uniform(0.5, 2.0, 3)
    points = rng.uniform(0, 1, (count, 3)) * shape * spacing
    names = np.concatenate([[0], rng.choice(1000, count - 1, replace=False) + 1])
    return names[cKDTree(points).query(positions(shape, spacing))[1]], spacing


def pieces_of(mesh: TriangleMesh, region: int) -> int:
    surface = mesh.region_mesh(region)
    return len(np.unique(vertex_components(surface.faces, len(surface.vertices))))


def characteristic(mesh: TriangleMesh, region: int) -> int:
    surface = mesh.region_mesh(region)
    edges = edge_use(surface.faces).edges
    return len(surface.vertices) - len(edges) + len(surface.faces)


def assert_sound(mesh: TriangleMesh) -> None:
    assert inconsistencies(mesh) == []
    assert mesh.is_closed
    assert len(self_intersections(mesh)) == 0
    for region in mesh.regions:
        assert edge_use(mesh.region_mesh(int(region)).faces).face_count.max() == 2


def voxel_volumes(labels, spacing) -> np.ndarray:
    values, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape).astype(np.int32) + np.int32(values[0] > 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.bincount(tidied(compact, values[values > 0]).ravel())[1:] * np.prod(spacing)


def random_lattice(seed: int):
    """Return fields on a small lattice and labels that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    image = np.array([[[1, 2], [3, 3]]], dtype=np.int32)
    fields = label_fields(image, np.ones(3), np.zeros(3), np.full(3, 0.5), 1.0)
    labels = np.zeros((2, *fields.shape), dtype=np.int32)
    core = labels[:, 2:5, 2:5, 2:5]
    core[...] = rng.integers(0, 4, core.shape)
    return labels.reshape(-1), fields


def test_fields_are_the_boxes_convolved_with_a_gaussian() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, (3, 4, 2)).astype(np.int32)
    spacing, origin, sigma = np.array([2.0, 0.5, 1.0]), np.array([5.0, -3.0, 1.0]), [1.5, 0.7, 0.9]
    fields = label_fields(labels, spacing, origin, np.array(sigma), 0.8)
    points = rng.integers(0, 2 * np.prod(fields.shape), 60)
    for number in (1, 2):
        expected = np.zeros(len(points))
        for voxel in np.argwhere(labels == number):
            away = fields.positions(points) - (origin + spacing * voxel)
            for row, offset in enumerate(away):
                share = 1.0
                for d, width, s in zip(offset, spacing, sigma, strict=True):
                    ends = ((d + width / 2) / (s * sqrt(2)), (d - width / 2) / (s * sqrt(2)))
                    share *= 0.5 * (erf(ends[0]) - erf(ends[1]))
                expected[row] += share
        found = fields.values(np.full(len(points), number), points)
        # Fields are cut off where they count as nothing.
        assert found == pytest.approx(expected, abs=3e-3)
        assert found[found > 0] == pytest.approx(expected[found > 0], abs=1e-6)
    everywhere = np.arange(2 * np.prod(fields.shape))
    total = sum(fields.values(np.full(len(everywhere), n), everywhere) for n in range(3))
    assert total == pytest.approx(1.0, abs=1e-5)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**6))
def test_any_labels_of_a_lattice_give_a_sound_surface(seed: int) -> None:
    labels, fields = random_lattice(seed)
    mesh = label_surface(labels, fields)
    assert mesh.regions.tolist() == [1, 2, 3]
    assert_sound(mesh)
    for region in mesh.regions:
        surface = mesh.region_mesh(int(region))
        corners = np.sort(surface.faces, axis=1)
        assert len(np.unique(corners, axis=0)) == len(corners)


def test_every_lattice_point_lies_within_the_region_of_its_label() -> None:
    labels, fields = random_lattice(5)
    mesh = label_surface(labels, fields)
    points = fields.positions(np.arange(len(labels)))
    v = mesh.vertices[mesh.faces]
    inner = np.flatnonzero(np.random.default_rng(0).random(len(labels)) < 0.1)
    for point in inner:
        a, b, c = (v - points[point]).transpose(1, 0, 2)
        la, lb, lc = (np.linalg.norm(x, axis=1) for x in (a, b, c))
        dot = lambda x, y: np.einsum("ij,ij->i", x, y)  # noqa: E731
        volume = dot(a, np.cross(b, c))
        angle = np.arctan2(volume, la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb)
        for region in mesh.regions:
            sign = (mesh.labels[:, 0] == region).astype(int) - (mesh.labels[:, 1] == region)
            winding = float((sign * angle).sum()) / (2 * np.pi)
            assert winding == pytest.approx(float(labels[point] == region), abs=1e-6)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**6))
def test_every_label_is_left_with_one_piece(seed: int) -> None:
    labels, fields = random_lattice(seed)
    whole = in_one_piece(labels, np.zeros_like(labels), fields.shape)
    mesh = label_surface(whole, fields)
    places = fields.positions(np.arange(len(whole)))
    for region in (1, 2, 3):
        own = np.flatnonzero(whole == region)
        reached = {int(own[0])}
        front = [int(own[0])]
        tree = cKDTree(places[own])
        while front:
            near = own[tree.query_ball_point(places[front.pop()], 1.01 * fields.step)]
            front.extend(set(near.tolist()) - reached)
            reached.update(near.tolist())
        assert reached == set(own.tolist())
        # Nothing is lost but what was apart.
        assert (labels[own] == region).any()
    assert inconsistencies(mesh) == []


@pytest.mark.parametrize("spacing", [CUBIC, (3.0, 1.0, 1.0)])
@pytest.mark.parametrize(
    ("boxes", "pairs", "junctions"),
    [
        ([(4, 16, 4, 10, 4, 16, 5), (4, 16, 10, 16, 4, 16, 900)], {(5, 900)}, 0),
        (
            [(4, 16, 4, 10, 4, 16, 1), (4, 16, 10, 16, 4, 10, 2), (4, 16, 10, 16, 10, 16, 3)],
            {(1, 2), (1, 3), (2, 3)},
            2,
        ),
        (
            [
                (4, 10, 4, 16, 4, 16, 1),
                (10, 16, 4, 10, 4, 16, 2),
                (10, 16, 10, 16, 4, 10, 3),
                (10, 16, 10, 16, 10, 16, 4),
            ],
            {(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)},
            5,
        ),
    ],
)
def test_touching_boxes_share_interfaces_lines_and_junctions(
    spacing, boxes, pairs, junctions: int
) -> None:
    labels = block((20, 20, 20), *boxes)
    mesh = seed_from_labels(labels, spacing)
    assert_sound(mesh)
    assert mesh.volumes() == pytest.approx(voxel_volumes(labels, spacing), rel=1e-6)
    outer = {(0, int(region)) for region in mesh.regions}
    assert {(int(a), int(b)) for a, b in mesh.interfaces} == pairs | outer
    at_lines, count = np.unique(mesh.triple_edges, return_counts=True)
    assert edge_use(mesh.faces).face_count.max() == 3
    # A vertex inside a line has two of its edges, one where four regions meet has four.
    assert np.isin(count, (2, 4)).all()
    assert (count == 4).sum() == junctions
    assert len(at_lines) > 12
    for region in mesh.regions:
        assert pieces_of(mesh, int(region)) == 1
        assert characteristic(mesh, int(region)) == 2


@pytest.mark.parametrize("spacing", [CUBIC, (2.0, 1.0, 1.0)])
@pytest.mark.parametrize("shift", [0.3, 0.8])
def test_half_balls_meet_in_a_flat_disc_at_its_place(spacing, shift: float) -> None:
    shape = (int(28 / spacing[0]), 28, 28)
    points = positions(shape, spacing) - (13.3, 14.2, 13.6)
    # An oblique cut, so that the plane passes between voxels in every way there is.
    normal = np.array([1.0, 2.0, 2.0]) / 3.0
    side = points @ normal - shift
    labels = np.where(np.linalg.norm(points, axis=3) < 10.0, 1 + (side > 0), 0)
    mesh = seed_from_labels(labels, spacing)
    assert_sound(mesh)
    between = (np.sort(mesh.labels, axis=1) == [1, 2]).all(axis=1)
    inner = np.setdiff1d(mesh.faces[between], mesh.triple_edges)
    height = (mesh.vertices[inner] - (13.3, 14.2, 13.6)) @ normal - shift
    # The voxels only say that the plane lies between the nearest ones on either side.
    middle = 0.5 * (side[labels == 1].max() + side[labels == 2].min())
    assert height.mean() == pytest.approx(middle, abs=0.05)
    assert height.std() < 0.1
    # Smoothing rounds the outer edge of the disc off.
    assert mesh.interface_areas()[2] == pytest.approx(np.pi * (100 - shift**2), rel=0.15)
    at_line, count = np.unique(mesh.triple_edges, return_counts=True)
    assert (count == 2).all()
    line = mesh.triple_edges[:, [0, 1, 1]]
    assert len(np.unique(vertex_components(line, len(mesh.vertices))[at_line])) == 1


def test_a_ball_in_thick_planes_is_round() -> None:
    center, spacing = np.array([20.4, 20.2, 19.7]), (3.0, 1.0, 1.0)
    points = positions((14, 40, 40), spacing)
    labels = (np.linalg.norm(points - center, axis=3) < 10.0).astype(int)
    mesh = seed_from_labels(labels, spacing)
    assert mesh.volumes() == pytest.approx([4 / 3 * np.pi * 1000], rel=0.02)
    distance = np.linalg.norm(mesh.vertices - center, axis=1)
    assert distance.std() < 0.25
    assert np.abs(distance - 10.0).max() < 1.2


def test_a_label_in_another_is_a_shell_round_a_body() -> None:
    labels = block((20, 20, 20), (3, 17, 3, 17, 3, 17, 8), (8, 13, 8, 12, 8, 12, 3))
    mesh = seed_from_labels(labels, CUBIC)
    assert_sound(mesh)
    assert mesh.interfaces.tolist() == [[0, 8], [3, 8]]
    assert mesh.neighbours(3).tolist() == [8]
    assert len(mesh.triple_edges) == 0
    assert [pieces_of(mesh, region) for region in (3, 8)] == [1, 2]
    assert mesh.volumes() == pytest.approx(voxel_volumes(labels, CUBIC), rel=1e-6)


@pytest.mark.parametrize("spacing", [CUBIC, (3.0, 1.0, 1.0)])
@pytest.mark.parametrize(
    ("boxes", "neighbours"),
    [
        ([(4, 16, 4, 16, 4, 16, 1)], [1]),
        ([(4, 16, 4, 10, 4, 16, 1), (4, 16, 10, 16, 4, 16, 2)], [1, 2]),
    ],
)
def test_a_single_voxel_among_others_keeps_its_volume(spacing, boxes, neighbours) -> None:
    labels = block((20, 20, 20), *boxes, (10, 11, 10, 11, 10, 11, 7))
    mesh = seed_from_labels(labels, spacing)
    assert_sound(mesh)
    assert mesh.neighbours(7).tolist() == neighbours
    assert mesh.volumes() == pytest.approx(voxel_volumes(labels, spacing), rel=1e-3)
    middle = np.array([10.0, 10.0, 10.0]) * spacing
    assert mesh.region_mesh(7).vertices.mean(axis=0) == pytest.approx(middle, abs=1.0)


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("spacing", [CUBIC, (3.0, 1.0, 1.0)])
def test_a_sheet_of_one_voxel_between_blocks_survives(spacing, axis: int) -> None:
    labels = block(
        (18, 20, 20), (3, 9, 3, 17, 3, 17, 1), (9, 10, 3, 17, 3, 17, 2), (10, 16, 3, 17, 3, 17, 3)
    )
    labels = np.moveaxis(labels, 0, axis)
    mesh = seed_from_labels(labels, spacing)
    assert_sound(mesh)
    assert mesh.volumes() == pytest.approx(voxel_volumes(labels, spacing), rel=1e-6)
    assert [1, 3] not in mesh.interfaces.tolist()
    extent = np.ptp(mesh.region_mesh(2).vertices, axis=0) / spacing
    assert np.delete(extent, axis).min() > 11


@pytest.mark.parametrize("corner", [4, 10])
def test_labels_that_touch_at_an_edge_or_a_corner_only(corner: int) -> None:
    labels = block((20, 20, 20), (4, 10, 4, 10, 4, 10, 1), (10, 16, 10, 16, corner, corner + 6, 2))
    mesh = seed_from_labels(labels, CUBIC)
    assert_sound(mesh)
    assert mesh.volumes() == pytest.approx([216, 216], rel=1e-6)
    if mesh.interfaces.tolist() != [[0, 1], [0, 2]]:
        assert mesh.interface_areas()[2] < 6 * 1.5


@settings(deadline=None, max_examples=12, derandomize=True)
@given(st.integers(0, 10**6))
def test_random_foams_keep_numbers_and_volumes(seed: int) -> None:
    labels, spacing = voronoi(seed)
    if labels.max() == 0:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mesh = seed_from_labels(labels, spacing)
    assert inconsistencies(mesh) == []
    assert mesh.is_closed
    assert mesh.regions.tolist() == np.unique(labels[labels > 0]).tolist()
    error = np.abs(mesh.volumes() / voxel_volumes(labels, spacing) - 1.0)
    # Where more would fold the surface, a region may miss its volume by a little.
    assert np.median(error) < 1e-6
    assert error.max() < 0.04


def test_regions_at_the_border_go_on_beyond_it() -> None:
    labels = block((10, 20, 20), (0, 6, 3, 10, 3, 17, 1), (0, 6, 10, 17, 3, 17, 2))
    spacing = (2.0, 1.0, 1.0)
    capped = seed_from_labels(labels, spacing)
    assert -2.5 < capped.vertices[:, 0].min() < -0.3
    mesh = seed_from_labels(labels, spacing, beyond=(5.0, 0.0, 3.0))
    assert_sound(mesh)
    assert -8.0 < mesh.vertices[:, 0].min() < -5.0
    assert mesh.vertices[:, 2].min() > 1.0
    # Three planes of 2 um more, and no other voxel.
    assert mesh.volumes() == pytest.approx(1.5 * capped.volumes(), rel=1e-6)
    inside = np.abs(mesh.vertices[:, 0] - 5.0) < 3.0
    assert np.ptp(mesh.vertices[inside], axis=0)[1:] == pytest.approx((14, 14), abs=1.0)


@pytest.mark.parametrize("beyond", [-1.0, (1.0, 2.0), np.nan])
def test_a_bad_margin_is_refused(beyond) -> None:
    with pytest.raises(ValueError, match="beyond"):
        seed_from_labels(np.ones((4, 4, 4), int), CUBIC, beyond=beyond)


def test_stray_pieces_go_to_what_surrounds_them() -> None:
    labels = block((20, 20, 30), (4, 16, 4, 16, 4, 14, 1), (4, 16, 4, 16, 14, 26, 2))
    labels[8:11, 8:11, 18:21] = 1
    whole = tidied(labels, np.array([1, 2]))
    assert (
        whole.tolist()
        == block((20, 20, 30), (4, 16, 4, 16, 4, 14, 1), (4, 16, 4, 16, 14, 26, 2)).tolist()
    )
    labels[10, 10, 8] = 0
    assert tidied(labels, np.array([1, 2]))[10, 10, 8] == 1


def test_a_pocket_between_several_labels_stays_outside() -> None:
    labels = block((20, 20, 20), (3, 17, 3, 10, 3, 17, 1), (3, 17, 10, 17, 3, 17, 2))
    labels[7:13, 7:13, 7:13] = 0
    mesh = seed_from_labels(labels, CUBIC)
    assert_sound(mesh)
    assert mesh.volumes() == pytest.approx(voxel_volumes(labels, CUBIC), rel=1e-6)
    assert mesh.volumes().sum() == pytest.approx(14**3 - 6**3, rel=1e-6)


@given(st.floats(-0.06, 0.06), st.floats(-0.06, 0.06))
@settings(deadline=None, max_examples=10)
def test_volumes_are_reached_with_the_least_motion(first: float, second: float) -> None:
    mesh = seed_from_labels(
        block((14, 14, 20), (3, 11, 3, 11, 3, 10, 1), (3, 11, 3, 11, 10, 17, 2)), CUBIC
    )
    goal = mesh.volumes() * (1.0 + np.array([first, second]))
    moved = with_volumes(mesh, goal)
    assert moved.volumes() == pytest.approx(goal, rel=1e-9)
    assert np.array_equal(moved.faces, mesh.faces)
    # A layer over the whole surface would do; so nothing moves by much more than that.
    layer = np.abs(goal - mesh.volumes()).sum() / mesh.interface_areas().sum()
    assert np.linalg.norm(moved.vertices - mesh.vertices, axis=1).max() <= 6 * layer + 1e-9


def test_every_combination_of_four_labels_is_cut_conformingly() -> None:
    """All partitions of a tetrahedron's corners occur in a lattice with all pairs of labels."""
    _, fields = random_lattice(0)
    size = int(np.prod(fields.shape))
    middle = np.ravel_multi_index([n // 2 for n in fields.shape], fields.shape)
    strides = np.array([fields.shape[1] * fields.shape[2], fields.shape[2], 1])
    corners = [size + middle, size + middle + strides[0], middle + strides[0]]
    corners.append(middle + strides[0] + strides[2])
    for values in product(range(4), repeat=4):
        labels = np.zeros(2 * size, dtype=np.int32)
        labels[corners] = values
        if labels.any():
            mesh = label_surface(labels, fields)
            assert mesh.is_closed
            assert inconsistencies(mesh) == []
