"""Fewer voxels, and the blur that they see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.imaging import LazyStack, render
from napari_deltamic.imaging.decimation import (
    DecimatedPSF,
    average_width,
    decimated_part,
    decimation_for,
    whole_averages,
)
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF

SPACING = np.array([0.3, 0.15, 0.15])
NOWHERE = (0, 0, 0)


@pytest.mark.parametrize("factors", [(2, 2, 3), (1, 4, 1)])
def test_the_rendering_on_fewer_voxels_is_the_decimated_rendering(
    factors: tuple[int, int, int],
) -> None:
    psf, shape, kept = GaussianPSF((0.6, 0.3, 0.3)), (40, 64, 66), np.array(factors)
    ball = icosphere(0.5 * SPACING * shape, 2.5, 3)
    light = {"membrane": 1.0, "interior": 2.0, "tolerance": 1e-6}
    fine = render(ball, psf, shape, SPACING, **light)
    part = decimated_part(LazyStack(fine, SPACING), NOWHERE, shape, kept)
    seen = DecimatedPSF(psf, SPACING, kept)
    coarse = render(ball, seen, part.shape, part.spacing, part.origin, **light)
    np.testing.assert_allclose(coarse, part.data, atol=1e-4 * fine.max())


@settings(max_examples=50, deadline=None)
@given(
    factors=st.tuples(*[st.integers(1, 4)] * 3),
    start=st.tuples(*[st.integers(-3, 6)] * 3),
    length=st.tuples(*[st.integers(11, 24)] * 3),
    plane=st.tuples(*[st.floats(-2, 2)] * 3),
)
def test_a_plane_is_where_it_was(
    factors: tuple[int, ...],
    start: tuple[int, ...],
    length: tuple[int, ...],
    plane: tuple[float, ...],
) -> None:
    origin, whole = np.array([1.0, 2.0, 3.0]), (30, 30, 30)
    index = np.stack(np.meshgrid(*map(np.arange, whole), indexing="ij"), axis=-1)
    data = (origin + SPACING * index) @ plane
    part = decimated_part(
        LazyStack(data, SPACING, origin), start, np.add(start, length), np.array(factors)
    )
    first, last = np.maximum(start, 0), np.minimum(np.add(start, length), whole)
    assert part.shape == tuple((last - first) // factors)
    np.testing.assert_allclose(part.spacing, SPACING * factors)
    index = np.stack(np.meshgrid(*map(np.arange, part.shape), indexing="ij"), axis=-1)
    place = part.origin + part.spacing * index
    # Where all of the weights lie in the stack: symmetric, so the middle's value.
    reach = (1.5 * np.array(factors) - 1.5 + 1e-9) * SPACING
    whole_of = (place - reach >= origin) & (place + reach <= origin + SPACING * (29, 29, 29))
    inside = whole_of.all(axis=-1)
    np.testing.assert_allclose(part.data[inside], (place @ plane)[inside], atol=1e-4)


def test_flat_stacks_stay_flat_up_to_their_border() -> None:
    stack = LazyStack(np.full((11, 12, 13), 7, np.uint16), SPACING)
    part = decimated_part(stack, NOWHERE, stack.shape, np.array([3, 2, 4]))
    assert part.shape == (3, 6, 3)
    np.testing.assert_allclose(part.data, 7.0, rtol=1e-6)


def test_less_noise_folds_back_than_by_leaving_voxels_out() -> None:
    noise = np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32)
    part = decimated_part(LazyStack(noise, SPACING), NOWHERE, noise.shape, np.array([1, 1, 2]))
    # The sum of the squared weights 1, 3, 3, 1 over 8.
    assert part.data[:, :, 1:-1].var() == pytest.approx(20 / 64, rel=0.05)


def test_a_part_of_few_voxels_keeps_two_at_least() -> None:
    stack = LazyStack(np.arange(3 * 8 * 8).reshape(3, 8, 8), SPACING)
    part = decimated_part(stack, NOWHERE, (3, 8, 8), np.array([3, 2, 2]))
    assert part.shape == (3, 4, 4)
    np.testing.assert_allclose(part.spacing, [0.3, 0.3, 0.3])


@pytest.mark.parametrize(
    ("value", "start", "message"),
    [
        (1.0, (20, 0, 0), "data: needs at least two voxels"),
        (np.nan, NOWHERE, "data: NaN or infinite"),
    ],
)
def test_parts_that_make_no_sense_are_refused(
    value: float, start: tuple[int, int, int], message: str
) -> None:
    stack = LazyStack(np.full((8, 8, 8), value), SPACING)
    with pytest.raises(ValueError, match=message):
        decimated_part(stack, start, (30, 8, 8), np.array([2, 2, 2]))


def test_as_many_voxels_are_left_out_as_the_finest_wave_allows() -> None:
    # Half a wave along z is 0.65 um, which two voxels of 0.3 um fit into.
    finest = np.array([1 / 1.3, 1.0, 9.0])
    stack = LazyStack(np.zeros((50, 80, 80), np.uint8), SPACING)
    assert decimation_for(stack, finest).tolist() == [2, 3, 1]
    thin = LazyStack(np.zeros((40, 60, 80), np.uint8), SPACING)
    assert decimation_for(thin, finest).tolist() == [1, 2, 1]


def test_averages_that_lack_voxels_are_told() -> None:
    stack = LazyStack(np.zeros((12, 20, 20), np.uint8), SPACING)
    factors = np.array([3, 2, 1])
    part = decimated_part(stack, NOWHERE, (12, 10, 20), factors)
    whole = whole_averages(stack, part, factors)
    assert whole[:, 2, 2].tolist() == [False, True, True, False]
    assert whole[1, :, 2].tolist() == [False, True, True, True, True]
    assert whole[1, 2].all()


def test_keeping_every_voxel_changes_nothing() -> None:
    psf, every = GaussianPSF(0.3), np.ones(3, int)
    seen = DecimatedPSF(psf, SPACING, every)
    frequencies = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(seen.otf(frequencies), psf.otf(frequencies))
    np.testing.assert_array_equal(seen.extent(), psf.extent())
    assert average_width(SPACING, every).tolist() == [0.0, 0.0, 0.0]
    data = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    part = decimated_part(LazyStack(data, SPACING), NOWHERE, data.shape, every)
    np.testing.assert_array_equal(part.data, data)
