from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_cases import crumpled_grid, rotation, shuffled, slow_wedges

from napari_deltamic.mesh.bubbles import cut_ball, double_bubble
from napari_deltamic.mesh.junctions import (
    COLUMNS,
    junctions_table,
    measure_junctions,
    meeting_points,
)
from napari_deltamic.mesh.shapes import box_grid, icosphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate

seeds = st.integers(0, 2**32 - 1)

BODIES = [double_bubble((3, 3)), double_bubble((4, 2)), double_bubble((2, 4)), cut_ball(3, 1)]


@pytest.mark.parametrize("body", BODIES)
def test_angles_of_bubbles_converge(body) -> None:
    errors, face_errors = [], []
    for edge_length in (0.4, 0.2, 0.1):
        (line,) = measure_junctions(body.mesh((1, 2, 3), edge_length))
        assert line.regions == (0, 1, 2)
        assert line.length == pytest.approx(body.rim_length, rel=0.003)
        assert sum(line.angles) == pytest.approx(360)
        assert sum(line.face_angles) == pytest.approx(360)
        assert max(line.angle_spreads) < 0.1
        errors.append(np.abs(np.subtract(line.angles, body.angles)).max())
        face_errors.append(np.abs(np.subtract(line.face_angles, body.angles)).max())
    # Flat faces see the angle to first order, surfaces that curve as they do to second order.
    assert 1.6 * face_errors[2] < face_errors[1] < face_errors[0] / 1.6
    assert 3 * errors[2] < errors[1] < errors[0] / 3
    assert errors[2] < 0.05
    assert errors[0] < 0.5


@given(seeds)
def test_face_angles_are_those_of_one_edge_after_another(seed: int) -> None:
    mesh = crumpled_grid(seed, divisions=1)
    found = {line.regions: line for line in measure_junctions(mesh)}
    lengths, sums = {}, {}
    for (low, high), wedges in slow_wedges(mesh).items():
        regions = tuple(sorted({int(region) for region, _ in wedges}))
        if len(regions) > 2:
            length = np.linalg.norm(mesh.vertices[high] - mesh.vertices[low])
            angles = [sum(angle for region, angle in wedges if region == one) for one in regions]
            lengths[regions] = lengths.get(regions, 0) + length
            sums[regions] = sums.get(regions, 0) + length * np.degrees(angles)
    assert list(found) == sorted(lengths)
    for regions, line in found.items():
        assert line.length == pytest.approx(lengths[regions])
        np.testing.assert_allclose(line.face_angles, sums[regions] / lengths[regions])
        assert sum(line.angles) == pytest.approx(360)


@pytest.mark.parametrize(
    ("boxes", "lines", "points"), [((1, 1, 2), 1, 0), ((1, 2, 2), 5, 2), ((2, 2, 2), 18, 7)]
)
def test_cut_boxes_meet_at_right_angles(boxes, lines: int, points: int) -> None:
    mesh = box_grid((0, 0, 0), (2, 4, 6), boxes, 2)
    junctions = measure_junctions(mesh)
    assert len(junctions) == lines
    for line in junctions:
        expected = [180 if region == 0 else 90 for region in line.regions]
        assert line.face_angles == pytest.approx(expected)
    found = meeting_points(mesh)
    assert len(found) == points
    for point in found:
        assert point.position == tuple(mesh.vertices[point.vertex])
        around = mesh.labels[(mesh.faces == point.vertex).any(axis=1)]
        assert point.regions == tuple(np.unique(around).tolist())


def test_inner_lines_of_cut_boxes_keep_flat_angles() -> None:
    mesh = box_grid((0, 0, 0), (2, 4, 6), (2, 2, 2), 2)
    inner = [line for line in measure_junctions(mesh) if 0 not in line.regions]
    assert sorted(line.length for line in inner) == [1, 1, 2, 2, 3, 3]
    for line in inner:
        assert line.angles == pytest.approx((90,) * 4)
        assert line.angle_spreads == pytest.approx((0,) * 4, abs=1e-9)


def test_means_and_spreads_are_weighted_by_length() -> None:
    # Three fins on a line of two parts, 1 and 3 long, whose second part has one of them turned.
    angles = np.radians([[0, 120, 240], [0, 90, 240]])
    tips = np.stack([[[0.5], [2.5]] + 0 * angles, np.cos(angles), np.sin(angles)], axis=-1)
    vertices = [(0, 0, 0), (1, 0, 0), (4, 0, 0), *tips.reshape(-1, 3)]
    faces = [(0, 1, 3), (0, 1, 4), (0, 1, 5), (1, 2, 6), (1, 2, 7), (1, 2, 8)]
    (line,) = measure_junctions(TriangleMesh(vertices, faces, [(0, 1), (1, 2), (2, 0)] * 2))
    assert line.length == 4
    assert line.angles == pytest.approx((120, 97.5, 142.5))
    assert line.face_angles == pytest.approx(line.angles)
    spread = 30 * np.sqrt(0.25 * 0.75)
    assert line.angle_spreads == pytest.approx((0, spread, spread), abs=1e-6)


@given(seeds)
def test_numbers_windings_and_place_do_not_matter(seed: int) -> None:
    mesh = double_bubble((4, 2)).mesh((0, 0, 0), 1.0)
    other = shuffled(mesh.with_vertices(mesh.vertices @ rotation(seed).T - 50), seed)
    (one,), (same,) = junctions_table(mesh), junctions_table(other)
    assert one == pytest.approx(same, abs=1e-9)


def test_table_has_columns_for_the_largest_set() -> None:
    three = junctions_table(cut_ball(2, 0).mesh((0, 0, 0), 0.5))
    assert [tuple(row) for row in three] == [COLUMNS]
    four = junctions_table(box_grid((0, 0, 0), (1, 1, 1), (1, 2, 2)))
    assert len({tuple(row) for row in four}) == 1
    assert [row["region_d"] for row in four[-1:]] == [4]
    assert four[-1]["face_angle_d"] == pytest.approx(90)
    assert np.isnan(four[0]["region_d"])
    assert np.isnan(four[0]["angle_d"])


def test_separate_bodies_have_no_lines() -> None:
    mesh = concatenate([icosphere((0, 0, 0), 1.0), icosphere((0, 0, 5), 1.0)])
    assert measure_junctions(mesh) == []
    assert junctions_table(mesh) == []
    assert meeting_points(mesh) == []


def test_a_line_whose_faces_contradict_one_another_has_no_angle() -> None:
    mesh = cut_ball(2, 0).mesh((0, 0, 0), 0.5)
    contact = (mesh.labels > 0).all(axis=1)
    swapped = np.where(contact[:, None], mesh.labels[:, ::-1], mesh.labels)
    (line,) = measure_junctions(TriangleMesh(mesh.vertices, mesh.faces, swapped))
    assert line.length == pytest.approx(4 * np.pi, rel=0.01)
    assert np.isnan(line.angles).all()
    assert np.isnan(line.face_angles).all()
