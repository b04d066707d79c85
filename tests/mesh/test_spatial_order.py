"""Orders in which what is near in space is near in memory."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.mesh import concatenate, icosphere
from napari_deltamic.mesh.region_boxes import region_boxes
from napari_deltamic.mesh.remeshing import driver, remesh
from napari_deltamic.mesh.spatial_order import spatial_order


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 300),
    size=st.floats(1e-3, 1e9),
    cell=st.floats(1e-3, 1e3),
    seed=st.integers(0, 99),
)
def test_every_point_comes_once(count: int, size: float, cell: float, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-size, size, (count, 3))
    assert np.array_equal(np.sort(spatial_order(points, cell)), np.arange(count))


def test_points_that_follow_one_another_are_near() -> None:
    points = np.random.default_rng(0).uniform(0, 16, (4096, 3))
    points[0] = 0.0
    order = spatial_order(points, 1.0)
    apart = np.linalg.norm(np.diff(points[order], axis=0), axis=1)
    assert np.median(apart) < 2.0 < np.median(np.linalg.norm(np.diff(points, axis=0), axis=1))
    # Those of an eighth of the cube stay together.
    eighth = (points[order] >= 8.0) @ [4, 2, 1]
    assert np.count_nonzero(np.diff(eighth)) == 7


def test_a_mesh_is_remeshed_as_well_in_any_order(monkeypatch) -> None:
    pair = concatenate([icosphere((0, 0, 0), 5.0, 4), icosphere((0, 0, 12.0), 5.0, 4)])
    usual = remesh(pair, 0.5)
    monkeypatch.setattr(driver, "_LARGE", 0)
    sorted_first = remesh(pair, 0.5)
    assert sorted_first.is_closed
    assert sorted_first.regions.tolist() == [1, 2]
    np.testing.assert_allclose(sorted_first.volumes(), usual.volumes(), rtol=1e-4)
    assert abs(len(sorted_first.faces) / len(usual.faces) - 1) < 0.02


def test_boxes_are_those_of_the_regions() -> None:
    pair = concatenate([icosphere((0, 0, 0), 1.0, 2), icosphere((0, 3.0, 4.0), 2.0, 2)])
    lower, upper = region_boxes(pair)
    for region, low, high in zip(pair.regions, lower, upper, strict=True):
        vertices = pair.region_mesh(int(region)).vertices
        np.testing.assert_array_equal(low, vertices.min(axis=0))
        np.testing.assert_array_equal(high, vertices.max(axis=0))
