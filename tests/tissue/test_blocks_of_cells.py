"""Which cells form a block, and what a block needs around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.mesh import TriangleMesh, concatenate, icosphere
from napari_deltamic.tissue.partition import partition, region_centres
from napari_deltamic.tissue.piece import piece_of, within
from napari_deltamic.tissue.window import window_of
from tissue_cases import SPACING, Row, row

REACH = np.array([0.8, 0.5, 0.5])


def scattered(count: int, seed: int) -> TriangleMesh:
    places = np.random.default_rng(seed).uniform(0.0, 20.0, (count, 3))
    return concatenate([icosphere(place, 0.5, 1) for place in places])


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 30), most=st.integers(1, 30), seed=st.integers(0, 99))
def test_every_region_is_in_one_block_and_blocks_are_alike(
    count: int, most: int, seed: int
) -> None:
    mesh = scattered(count, seed)
    blocks = partition(mesh, most)
    assert np.array_equal(np.sort(np.concatenate(blocks)), mesh.regions)
    sizes = [len(block) for block in blocks]
    assert max(sizes) <= most
    assert len(blocks) == -(-count // most)
    assert max(sizes) - min(sizes) <= 1 + int(np.log2(len(blocks)))


def test_blocks_of_a_row_follow_one_another() -> None:
    blocks = partition(row(4).truth, 2)
    assert [block.tolist() for block in blocks] == [[1, 2], [3, 4]]


def test_centres_are_those_of_balls() -> None:
    mesh = scattered(5, 1)
    middles = [mesh.region_mesh(int(one)).vertices.mean(axis=0) for one in mesh.regions]
    np.testing.assert_allclose(region_centres(mesh), middles, atol=1e-9)


def test_blocks_of_no_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="cells: expected 1 or more in a block, got 0"):
        partition(row(4).truth, 0)


def test_a_piece_is_closed_and_knows_what_stays() -> None:
    mesh = row(4).truth
    piece = piece_of(mesh, np.array([1]), REACH)
    assert piece.mesh.regions.tolist() == [1, 2]
    assert piece.mesh.is_closed
    np.testing.assert_array_equal(piece.mesh.vertices, mesh.vertices[piece.vertices])
    # All that bounds region 1 moves, its contact with region 2 too, and nothing else.
    moving = np.unique(mesh.faces[(mesh.labels == 1).any(axis=1)])
    assert np.array_equal(piece.vertices[~piece.held], moving)
    # What lies beyond the neighbours has become the outside.
    assert {(0, 1), (1, 2), (0, 2)} == {tuple(pair) for pair in piece.mesh.interfaces}
    np.testing.assert_allclose(piece.mesh.volumes(), mesh.volumes()[:2])


def test_cells_that_do_not_touch_are_neighbours_if_they_are_near() -> None:
    balls = [icosphere((0.0, 0.0, place), 1.0, 2) for place in (0.0, 2.3, 6.0)]
    piece = piece_of(concatenate(balls), np.array([1]), REACH)
    assert piece.mesh.regions.tolist() == [1, 2]


@pytest.fixture(params=["membrane", "interior"])
def scene(request: pytest.FixtureRequest) -> tuple[Row, dict[str, float]]:
    light = {"membrane": 0.0, "interior": 0.0, request.param: 2.0}
    return row(4), light


def test_what_is_pressed_flat_looks_the_same_in_the_stack(
    scene: tuple[Row, dict[str, float]],
) -> None:
    case, light = scene
    piece = piece_of(case.truth, np.array([1]), REACH)
    part = case.stack.part((0, 0, 0), (18, 30, 20))
    near = within(piece, part, case.psf.extent())
    assert near.vertices[:, 2].max() < piece.mesh.vertices[:, 2].max()
    images = [
        render(mesh, case.psf, part.shape, SPACING, part.origin, **light)
        for mesh in (piece.mesh, near)
    ]
    assert np.abs(images[1] - images[0]).max() < 2e-3 * images[0].max()


def test_a_window_counts_the_block_and_what_is_near() -> None:
    case = row(4)
    piece = piece_of(case.truth, np.array([1]), REACH)
    part, counted = window_of(case.stack, piece, REACH, np.ones(3, int))
    assert isinstance(part, ImageStack)
    assert part.shape[2] < case.stack.shape[2]
    inside = case.truth.region_mesh(1)
    last_of_cell = inside.vertices[:, 2].max()
    columns = part.origin[2] + SPACING[2] * np.flatnonzero(counted.any(axis=(0, 1)))
    assert last_of_cell < columns.max() < last_of_cell + 1.2 * REACH[2]
    # The same voxels as in the whole stack, in their place.
    start = np.rint((part.origin - case.stack.origin) / SPACING).astype(int)
    box = tuple(slice(a, a + n) for a, n in zip(start, part.shape, strict=True))
    np.testing.assert_array_equal(part.data, case.stack.data[box])
