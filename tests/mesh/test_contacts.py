from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_cases import crumpled_grid, rotation, shuffled

from napari_deltamic.mesh.bubbles import cut_ball, double_bubble
from napari_deltamic.mesh.contacts import COLUMNS, contacts_table, measure_contacts
from napari_deltamic.mesh.measures import measure
from napari_deltamic.mesh.shapes import box, box_grid, icosphere
from napari_deltamic.mesh.tables import write_table_csv
from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    "body",
    [double_bubble((3, 3)), double_bubble((4, 2)), double_bubble((2, 4)), cut_ball(3, 1)],
)
def test_bubbles_converge_to_their_closed_forms(body) -> None:
    errors = []
    for edge_length in (0.4, 0.2):
        contacts = measure_contacts(body.mesh((1, 2, 3), edge_length))
        found = np.array(
            [(one.area, one.mean_curvature * body.rim_radius, one.perimeter) for one in contacts]
        )
        exact = np.stack(
            [
                body.areas,
                np.multiply(body.curvatures, body.rim_radius),
                np.full(3, body.rim_length),
            ],
            axis=1,
        )
        assert [one.pieces for one in contacts] == [1, 1, 1]
        errors.append(np.abs(found - exact).max(axis=0) / exact.max(axis=0))
    assert (errors[1] < 0.3 * errors[0]).all()
    assert (errors[1] < 0.003).all()


def test_a_contact_bulges_out_of_the_smaller_bubble() -> None:
    curvatures = {
        radii: measure_contacts(double_bubble(radii).mesh((0, 0, 0), 0.4))[2].mean_curvature
        for radii in ((2, 4), (4, 2))
    }
    assert curvatures[4, 2] == pytest.approx(0.25, rel=0.01)
    assert curvatures[2, 4] == pytest.approx(-0.25, rel=0.01)


@pytest.mark.parametrize("boxes", [(1, 1, 2), (1, 2, 2), (2, 2, 2)])
def test_walls_of_cut_boxes_have_their_areas(boxes) -> None:
    size = np.array([1.0, 2.0, 3.0])
    contacts = measure_contacts(box_grid((0, 0, 0), size * boxes, boxes, 2))
    walls = [one for one in contacts if one.region_a > 0]
    expected = []
    for axis in range(3):
        pairs = np.prod(boxes) // boxes[axis] * (boxes[axis] - 1)
        sides = np.delete(size, axis)
        expected += [(sides.prod(), 2 * sides.sum())] * pairs
    assert sorted((one.area, one.perimeter) for one in walls) == [
        pytest.approx(one) for one in sorted(expected)
    ]
    assert all(one.mean_curvature == pytest.approx(0, abs=1e-12) for one in walls)
    assert all(one.pieces == 1 for one in contacts)


@given(seeds)
def test_a_sum_over_faces_and_edges_gives_the_same(seed: int) -> None:
    mesh = crumpled_grid(seed, divisions=2)
    _, face_areas = mesh.face_normals_and_areas()
    use = edge_use(mesh.faces)
    at_edge = [[] for _ in use.edges]
    for face, edges in enumerate(use.face_edges.tolist()):
        for edge in edges:
            at_edge[edge].append(mesh.face_interfaces[face])
    for row, contact in enumerate(measure_contacts(mesh)):
        assert [contact.region_a, contact.region_b] == mesh.interfaces[row].tolist()
        assert contact.area == pytest.approx(face_areas[mesh.face_interfaces == row].sum())
        ends = [
            np.linalg.norm(np.subtract(*mesh.vertices[edge]))
            for edge, interfaces in zip(use.edges, at_edge, strict=True)
            if row in interfaces and (len(interfaces) != 2 or interfaces[0] != interfaces[1])
        ]
        assert contact.perimeter == pytest.approx(sum(ends))


def test_free_and_shared_areas_make_up_the_regions() -> None:
    mesh = crumpled_grid(0, (2, 3, 2))
    contacts = measure_contacts(mesh)
    for region in measure(mesh):
        own = [one for one in contacts if region.region in (one.region_a, one.region_b)]
        assert region.area == pytest.approx(sum(one.area for one in own))
        assert region.free_area == pytest.approx(own[0].area)
        assert own[0].region_a == 0
        assert region.neighbours == len(own) - 1


@given(seeds)
def test_numbers_windings_and_place_do_not_matter(seed: int) -> None:
    mesh = double_bubble((4, 2)).mesh((0, 0, 0), 1.0)
    other = shuffled(mesh.with_vertices(mesh.vertices @ rotation(seed).T - 50), seed)
    for one, same in zip(contacts_table(mesh), contacts_table(other), strict=True):
        assert one == pytest.approx(same)


def test_pieces_of_an_interface_are_counted() -> None:
    apart = concatenate([icosphere((0, 0, 0), 1.0), icosphere((0, 0, 5), 1.0)])
    one_region = TriangleMesh(apart.vertices, apart.faces)
    assert measure_contacts(one_region)[0].pieces == 2
    # Three boxes in a row, the outer two one region: it touches the middle one at two walls.
    row = box_grid((0, 0, 0), (1, 1, 3), (1, 1, 3))
    joined = TriangleMesh(row.vertices, row.faces, np.where(row.labels == 3, 1, row.labels))
    assert [(one.region_a, one.region_b, one.pieces) for one in measure_contacts(joined)] == [
        (0, 1, 2),
        (0, 2, 1),
        (1, 2, 2),
    ]


def test_a_border_ends_an_interface_and_lone_faces_have_no_curvature() -> None:
    ball = icosphere((0, 0, 0), 1.0, 4)
    (holed,) = measure_contacts(TriangleMesh(ball.vertices, ball.faces[1:]))
    corners = ball.vertices[ball.faces[0]]
    assert holed.perimeter == pytest.approx(
        np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1).sum()
    )
    assert holed.mean_curvature == pytest.approx(1, rel=0.01)
    (lone,) = measure_contacts(TriangleMesh(np.eye(3), [[0, 1, 2]]))
    assert np.isnan(lone.mean_curvature)
    assert lone.perimeter == pytest.approx(3 * 2**0.5)


def test_table_takes_brightness_and_goes_to_csv(tmp_path) -> None:
    mesh = cut_ball(2, 0).mesh((0, 0, 0), 0.5)
    assert [tuple(row) for row in contacts_table(mesh)] == [COLUMNS] * 3
    table = contacts_table(mesh, brightness=[1.0, 2.0, 4.0])
    assert [row["brightness"] for row in table] == [1, 2, 4]
    with pytest.raises(ValueError, match="brightness: expected one for each of 3 rows"):
        contacts_table(mesh, brightness=[1.0, 2.0])
    path = tmp_path / "contacts.csv"
    write_table_csv(path, table)
    with path.open(newline="") as file:
        read = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert read == table
    write_table_csv(path, [], COLUMNS)
    assert path.read_text().strip() == ",".join(COLUMNS)


def test_an_empty_mesh_has_an_empty_table() -> None:
    assert contacts_table(TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int))) == []
    assert len(contacts_table(box((0, 0, 0), (1, 1, 1)))) == 1
