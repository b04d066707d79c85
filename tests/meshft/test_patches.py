"""Faces are cut without gaps, and tiles of one colour never touch the same node."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.mesh.shapes import bumpy_sphere
from napari_deltamic.meshft.cpu import CpuTransform
from napari_deltamic.meshft.patches import Patches, cut_faces, nodes_reached, part_corners, tiling
from napari_deltamic.meshft.quadrature import RULES, expand
from napari_deltamic.meshft.spreading import spread


def all_parts(cuts: int) -> np.ndarray:
    parts = np.empty((cuts * cuts, 3, 3))
    for part in range(cuts * cuts):
        part_corners(part, cuts, parts[part])
    return parts


@given(st.integers(1, 40))
def test_parts_fill_the_triangle(cuts: int) -> None:
    parts = all_parts(cuts)
    assert parts.min() > -1e-14
    np.testing.assert_allclose(parts.sum(axis=2), 1.0, atol=1e-14)
    # Equal areas, and integrals of monomials add up to the whole's: no gap, no overlap.
    np.testing.assert_allclose(np.abs(np.linalg.det(parts)), 1 / cuts**2, rtol=1e-9)
    barycentric, weights = expand(RULES[-1])
    points = np.einsum("qj,pji->pqi", barycentric, parts)
    for powers, moment in (((1, 0, 0), 1 / 3), ((2, 1, 0), 1 / 30), ((2, 2, 2), 1 / 2520)):
        total = np.einsum("q,pq->", weights, np.prod(points**powers, axis=2)) / cuts**2
        assert total == pytest.approx(moment, rel=1e-10)


@pytest.mark.parametrize("cuts", [3, 1000, 94_906_267])
def test_parts_of_fine_cuts_stay_inside(cuts: int) -> None:
    # Square roots of large part numbers round; 94906267 squared is beyond 2^53.
    corners = np.empty((3, 3))
    for row in (0, 1, cuts // 2, cuts - 1):
        for part in (row * row, row * row + 2 * row):
            part_corners(part, cuts, corners)
            assert corners.min() >= -1e-9
            assert corners.sum() == pytest.approx(3.0)


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_faces_are_cut_at_the_least_cost(seed: int, log_size: float) -> None:
    rng = np.random.default_rng(seed)
    vertices = 10**log_size * rng.normal(size=(9, 3))
    faces = np.arange(9).reshape(3, 3)
    scale, spreads = np.array([1.0, 0.5, 2.0]), np.array([0.4, 2.0, 5.0])
    sizes = np.array([1, 6, 16])
    rule_of, cuts_of = np.empty(3, np.int64), np.empty(3, np.int64)
    total, largest = cut_faces(vertices, faces, scale, spreads, sizes, rule_of, cuts_of)
    corners = (vertices * scale)[faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    assert largest == pytest.approx((longest / cuts_of).max())
    assert (longest / cuts_of <= spreads[rule_of] * (1 + 1e-12)).all()
    best = (np.ceil(longest[:, None] / spreads) ** 2 * sizes).min(axis=1)
    assert total == pytest.approx(best.sum())
    assert (cuts_of**2 * sizes[rule_of]).sum() == pytest.approx(total)


def footprints(transform: CpuTransform, mesh) -> tuple[list[list[np.ndarray]], Patches]:
    """Return per colour and tile which (z, y) columns are touched, and the patches."""
    cut = transform.cut(np.array(mesh.vertices), np.array(mesh.faces))
    patches, (size_z, size_y, size_x), halo = cut.patches, transform.sizes, transform.halo
    grid = np.zeros((size_z, size_y + halo, size_x + halo), np.float32)
    masses = np.ones((len(mesh.faces), 1), np.float32)
    colours: list[list[np.ndarray]] = [[], [], [], []]
    for start, stop in zip(patches.tile_starts[:-1], patches.tile_starts[1:], strict=True):
        if start == stop:
            continue
        grid[:] = 0
        spread(start, stop, 0, 1, cut, masses, transform.plan, grid.reshape(-1))
        touched = grid.any(axis=2)
        touched[:, :halo] |= touched[:, size_y:]
        colour = int(np.searchsorted(patches.colour_starts, start, side="right")) - 1
        colours[colour].append(touched[:, :size_y])
    return colours, patches


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    center=st.tuples(*[st.floats(-1, 2)] * 3),
    subdivisions=st.integers(0, 3),
)
def test_tiles_of_one_colour_share_no_node(seed: int, center, subdivisions: int) -> None:
    lengths = np.array([60.0, 90.0, 10.0])
    transform = CpuTransform(lengths, (40, 55, 2), 1e-5, np.float32)
    mesh = bumpy_sphere(lengths * center, 30.0, 0.6, seed=seed, subdivisions=subdivisions)
    colours, patches = footprints(transform, mesh)
    assert min(patches.tiles) >= 4
    for tiles in colours:
        assert not tiles or np.sum(tiles, axis=0).max() <= 1
    touched = np.any([tile for tiles in colours for tile in tiles], axis=0)
    assert (patches.planes | ~touched.any(axis=1)).all()
    assert (patches.rows | ~touched.any(axis=0)).all()


@given(
    st.tuples(*[st.integers(8, 400)] * 3),
    st.floats(0.1, 2.0),
    st.sampled_from([8, 16]),
    st.floats(0.1, 20),
)
def test_tiles_are_one_or_even_and_wide_enough(sizes, step: float, width: int, spread) -> None:
    tiles = tiling(np.array(sizes), nodes_reached(np.full(3, step), width, spread))
    for count, size in zip(tiles, sizes[:2], strict=True):
        assert count == 1 or count % 2 == 0
        # From either side, half a kernel and the patch reach into the tile between.
        assert count == 1 or size / count >= width + 2 * (2 / 3) * spread * step


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_chunks_are_whole_tiles_and_cover_everything(threads: int, monkeypatch) -> None:
    from napari_deltamic.meshft import cpu

    monkeypatch.setattr(cpu, "thread_count", lambda: threads)
    transform = CpuTransform(np.full(3, 100.0), (40, 40, 40), 1e-5, np.float32)
    mesh = bumpy_sphere((50, 50, 50), 30.0, 0.3, subdivisions=4)
    patches = transform.cut(np.array(mesh.vertices), np.array(mesh.faces)).patches
    covered = np.zeros(len(patches.face), int)
    split = 0
    for chunks in cpu._colour_chunks(patches):
        assert len(chunks) <= (cpu._CHUNKS_A_THREAD * threads if threads > 1 else 1)
        split += len(chunks) > 1
        for start, stop, copy in chunks:
            assert copy == 0
            assert {start, stop} <= set(patches.tile_starts.tolist())
            covered[start:stop] += 1
    assert (covered == 1).all()
    assert (split > 0) == (threads > 1)
