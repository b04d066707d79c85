from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.mesh import measures as module
from napari_deltamic.mesh.measures import measure, measures_table, write_measures_csv
from napari_deltamic.mesh.shapes import box, bumpy_sphere, dumbbell, icosphere
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
    assert path.read_text().strip().split(",") == module._columns()
    with pytest.raises(ValueError, match="expected the columns"):
        write_measures_csv(path, [*table, {"region": 1}])
