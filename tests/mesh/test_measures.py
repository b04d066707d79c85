from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_cases import crumpled_grid, rotation

from napari_deltamic.mesh.bubbles import cut_ball, double_bubble
from napari_deltamic.mesh.measure_files import write_measure_tables
from napari_deltamic.mesh.measures import COLUMNS, measure, measures_table, write_measures_csv
from napari_deltamic.mesh.moments import region_moments
from napari_deltamic.mesh.shapes import box, box_grid, bumpy_sphere, dumbbell, ellipsoid, icosphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate

lengths = st.floats(0.1, 100)


def test_sphere_has_its_closed_forms() -> None:
    (ball,) = measure(icosphere((1, 2, 3), 2.0, 5))
    assert ball.region == 1
    assert ball.volume == pytest.approx(32 / 3 * np.pi, rel=1e-3)
    assert ball.area == pytest.approx(16 * np.pi, rel=1e-3)
    assert ball.centroid == pytest.approx((1, 2, 3), abs=1e-9)
    assert ball.sphericity == pytest.approx(1, abs=1e-3)
    assert ball.mean_curvature == pytest.approx(0.5, rel=1e-3)


@given(st.tuples(lengths, lengths, lengths))
def test_box_has_its_closed_forms(size) -> None:
    (measured,) = measure(box((0, 0, 0), size))
    z, y, x = size
    area = 2 * (z * y + y * x + x * z)
    assert measured.volume == pytest.approx(z * y * x)
    assert measured.area == pytest.approx(area)
    assert measured.centroid == pytest.approx((z / 2, y / 2, x / 2))
    assert measured.sphericity == pytest.approx(np.cbrt(36 * np.pi * (z * y * x) ** 2) / area)
    # Four edges of each length turn by a right angle: half of 4 * pi / 2 * (z + y + x).
    assert measured.mean_curvature == pytest.approx(np.pi * (z + y + x) / area)


@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_measures_scale_as_lengths_do(seed: int, factor: float) -> None:
    mesh = bumpy_sphere((1, 0, -2), 2.0, 0.4, seed=seed, subdivisions=2)
    (small,), (large,) = measure(mesh), measure(mesh.with_vertices(mesh.vertices * factor))
    assert large.volume == pytest.approx(small.volume * factor**3)
    assert large.area == pytest.approx(small.area * factor**2)
    assert large.sphericity == pytest.approx(small.sphericity)
    assert large.mean_curvature == pytest.approx(small.mean_curvature / factor)
    assert small.sphericity < 1


def test_a_cavity_turns_the_sign_of_the_curvature() -> None:
    ball = icosphere((0, 0, 0), 2.0, 3)
    inside_out = TriangleMesh(ball.vertices, ball.faces[:, ::-1])
    assert measure(inside_out)[0].mean_curvature == pytest.approx(-0.5, rel=0.01)


def test_a_dumbbell_has_its_closed_form_of_curvature() -> None:
    offset, radius, neck = 7.0, 3.0, 0.5
    (measured,) = measure(dumbbell((0, 0, 0), 20.0, radius, neck, subdivisions=6))
    # Half the body: the ball's part, and the concave arc that is turned about the axis.
    arc = (offset**2 + neck**2 - radius**2) / (2 * (radius - neck))
    angle = np.arctan2(offset, neck + arc)
    ball = 2 * np.pi * radius * (1 + np.sin(angle))
    concave = np.pi * (2 * arc * np.sin(angle) - (neck + arc) * angle)
    assert measured.mean_curvature * measured.area == pytest.approx(2 * (ball + concave), rel=0.01)
    assert measured.sphericity < 0.8


def test_regions_keep_their_number_and_order() -> None:
    mesh = concatenate([icosphere((0, 0, 0), 1.0), icosphere((0, 0, 9), 2.0)])
    numbered = TriangleMesh(mesh.vertices, mesh.faces, mesh.labels * 5)
    first, second = measure(numbered)
    assert (first.region, second.region) == (5, 10)
    assert second.volume == pytest.approx(8 * first.volume)
    assert second.centroid == pytest.approx((0, 0, 9), abs=1e-9)


def test_an_open_region_has_an_area_only() -> None:
    ball = icosphere((0, 0, 0), 1.0)
    (measured,) = measure(TriangleMesh(ball.vertices, ball.faces[1:]))
    assert measured.area > 12
    assert np.isnan([measured.volume, measured.sphericity, measured.mean_curvature]).all()
    assert np.isnan(measured.centroid).all()
    assert np.isnan(measured.semi_axes).all()
    assert np.isnan(measured.axes).all()
    assert measured.free_area == measured.area


def test_csv_gives_the_numbers_back(tmp_path) -> None:
    mesh = concatenate([icosphere((0, 0, 0), 1.0), box((5, 5, 5), (6, 7, 8))])
    path = tmp_path / "measures.csv"
    write_measures_csv(path, measure(mesh))
    with path.open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == measures_table(mesh)
    assert list(rows[0])[:3] == ["region", "volume", "area"]


def test_csv_takes_added_columns_and_empty_tables(tmp_path) -> None:
    path = tmp_path / "measures.csv"
    table = [{"frame": 3, **row} for row in measures_table(icosphere((0, 0, 0), 1.0))]
    write_measures_csv(path, table)
    assert path.read_text().startswith("frame,region,volume")
    write_measures_csv(path, [])
    assert path.read_text().strip().split(",") == list(COLUMNS)
    with pytest.raises(ValueError, match="expected the columns"):
        write_measures_csv(path, [*table, {"region": 1}])


@given(st.tuples(lengths, lengths, lengths), st.integers(0, 1000))
def test_axes_of_a_box_are_its_own(size, seed: int) -> None:
    turn = rotation(seed)
    body = box((0, 0, 0), size)
    (measured,) = measure(body.with_vertices(body.vertices @ turn.T + 100))
    # The variance of a box along a side is a^2 / 12, that of an ellipsoid along an axis a^2 / 5.
    expected = np.sort(size)[::-1] * np.sqrt(5 / 12)
    np.testing.assert_allclose(measured.semi_axes, expected, rtol=1e-6)
    axes = np.array(measured.axes)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert (axes[range(3), np.abs(axes).argmax(axis=1)] > 0).all()
    moments = region_moments(body.with_vertices(body.vertices @ turn.T)).covariances[0]
    found = axes @ moments @ axes.T
    np.testing.assert_allclose(found, np.diag(expected**2 / 5), atol=1e-6 * expected[0] ** 2)


def test_axes_of_an_ellipsoid_are_its_own() -> None:
    (measured,) = measure(ellipsoid((5, 5, 5), (2.0, 5.0, 3.0), 5))
    assert measured.semi_axes == pytest.approx((5, 3, 2), rel=1e-3)
    np.testing.assert_allclose(measured.axes, [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_moments_are_those_of_points_inside(seed: int) -> None:
    """A region cut into tetrahedra from its centre, each with its own textbook moments."""
    mesh = crumpled_grid(seed)
    moments = region_moments(mesh)
    for row, region in enumerate(mesh.regions):
        surface = mesh.region_mesh(region)
        apex = surface.vertices.mean(axis=0)
        volume, first, second = 0.0, np.zeros(3), np.zeros((3, 3))
        for corners in surface.vertices[surface.faces]:
            part = np.linalg.det(corners - apex) / 6
            points = np.array([apex, *corners])
            volume += part
            first += part * points.mean(axis=0)
            second += part * (points.T @ points + 16 * np.outer(*[points.mean(axis=0)] * 2)) / 20
        centroid = first / volume
        assert moments.volumes[row] == pytest.approx(volume)
        np.testing.assert_allclose(moments.centroids[row], centroid)
        covariance = second / volume - np.outer(centroid, centroid)
        np.testing.assert_allclose(moments.covariances[row], covariance, atol=1e-12)


def test_a_distant_region_keeps_its_digits() -> None:
    apart = concatenate([box((0, 0, 0), (1, 2, 3)), box((1e6, 0, 0), (1e6 + 1, 2, 3))])
    near, far = measure(apart)
    assert far.volume == pytest.approx(6, rel=1e-9)
    assert far.semi_axes == pytest.approx(near.semi_axes, rel=1e-6)


def test_curvature_of_a_cell_counts_its_rims() -> None:
    body = double_bubble((4, 2))
    for region, measured in enumerate(measure(body.mesh((0, 0, 0), 0.1)), start=1):
        sides = (region - 1, 2)
        caps = sum(
            body.areas[side] * body.curvatures[side] * (-1 if region == 1 and side == 2 else 1)
            for side in sides
        )
        rim = 0.5 * np.radians(180 - body.angles[region]) * body.rim_length
        assert measured.mean_curvature * measured.area == pytest.approx(caps + rim, rel=2e-3)
        assert measured.neighbours == 1
        assert measured.free_area == pytest.approx(body.areas[region - 1], rel=1e-3)


def test_a_region_that_touches_itself_along_an_edge_has_all_its_curvature() -> None:
    grid = box_grid((0, 0, 0), (1, 2, 2), (1, 2, 2))
    # Two boxes at opposite corners are one region, the other two are outside.
    labels = np.array([0, 1, 0, 0, 1])[grid.labels]
    kept = labels[:, 0] != labels[:, 1]
    (measured,) = measure(TriangleMesh(grid.vertices, grid.faces[kept], labels[kept]))
    assert measured.volume == pytest.approx(2)
    assert measured.mean_curvature * measured.area == pytest.approx(2 * 3 * np.pi)


def test_cells_inside_a_grid_have_no_free_area() -> None:
    measured = measure(box_grid((0, 0, 0), (3, 3, 3), (3, 3, 3)))
    assert [one.neighbours for one in measured].count(6) == 1
    assert measured[13].free_area == 0
    assert [measured[0].neighbours, measured[0].free_area] == [3, pytest.approx(3)]


def test_intensities_are_a_column() -> None:
    mesh = cut_ball(2.0, 0.5).mesh((0, 0, 0), 0.5)
    assert [row["intensity"] for row in measures_table(mesh, [3, 5])] == [3, 5]
    with pytest.raises(ValueError, match="intensities: expected one for each of 2 rows"):
        measures_table(mesh, [3])


def test_tables_are_written_side_by_side(tmp_path) -> None:
    mesh = cut_ball(2.0, 0.5).mesh((0, 0, 0), 0.5)
    assert mesh.has_contacts
    files = write_measure_tables(tmp_path, mesh, brightness=[1, 2, 3])
    assert [file.name for file in files] == ["measures.csv", "contacts.csv", "junctions.csv"]
    assert [len(file.read_text().splitlines()) for file in files] == [3, 4, 2]
    assert "brightness" in files[1].read_text()
    alone = icosphere((0, 0, 0), 1.0, 1)
    assert not alone.has_contacts
    (tmp_path / "alone").mkdir()
    assert len(write_measure_tables(tmp_path / "alone", alone)) == 1
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["measures.csv"]
