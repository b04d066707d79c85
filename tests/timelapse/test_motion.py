import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from movie_cases import PSF, SPACING, photographed

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.mesh import box_grid, concatenate, icosphere
from napari_deltamic.mesh.steps import at_once
from napari_deltamic.timelapse.motion import (
    BENDING,
    FOLLOWING,
    moving_with_image,
    touching_groups,
)
from napari_deltamic.timelapse.steps import told

SHAPE = (16, 30, 44)
MIDDLE = 0.5 * np.array(SPACING) * (np.array(SHAPE) - 1)


def moved(mesh, truth, stack=None, rounds=FOLLOWING):
    brightness = Intensities(np.ones(len(mesh.interfaces)), np.empty(0), 0.0)
    stack = stack or ImageStack(render(truth, PSF, SHAPE, SPACING), SPACING)
    return at_once(moving_with_image(mesh, brightness, stack, PSF, rounds=rounds)).mesh


@settings(max_examples=8, deadline=None)
@given(st.tuples(*[st.floats(-1.5, 1.5)] * 3))
def test_a_shift_of_up_to_a_voxel_and_a_half_is_undone(shift):
    ball = icosphere(MIDDLE, 1.2, 3)
    truth = ball.with_vertices(ball.vertices + np.array(shift) * SPACING)
    found = moved(ball, truth)
    assert np.abs((found.vertices - truth.vertices) / SPACING).max() < 0.2


def test_touching_cells_turn_and_shear_together():
    cells = box_grid(MIDDLE - (1.2, 1.5, 2.2), MIDDLE + np.array((1.2, 1.5, 2.2)), (1, 1, 2), 5)
    change = np.array([[1.0, 0.03, 0.0], [-0.04, 1.0, 0.08], [0.0, -0.06, 1.0]])
    place = cells.vertices - MIDDLE
    bent = place @ change.T + np.outer(0.04 * place[:, 2] ** 2, (0, 1, 0)) + (0.1, 0.1, -0.2)
    truth = cells.with_vertices(bent + MIDDLE)
    found = moved(cells, truth)
    before = np.linalg.norm(cells.vertices - truth.vertices, axis=1).max()
    assert np.linalg.norm(found.vertices - truth.vertices, axis=1).max() < 0.1 * before


def block():
    """Return three touching cells in a row."""
    half = np.array((1.6, 1.5, 3.0))
    return box_grid(MIDDLE - half, MIDDLE + half, (1, 1, 3), 6)


def test_each_cell_bends_its_own_way():
    cells = block()
    place = cells.vertices - MIDDLE
    waves = np.sin(2.0 * np.pi * place[:, 2] / 3.0)
    truth = cells.with_vertices(cells.vertices + np.outer(waves, (0.15, 0.15, 0.1)))
    found = moved(cells, truth, rounds=(*FOLLOWING, *BENDING))
    before = np.abs(cells.volumes() / truth.volumes() - 1.0).max()
    assert np.abs(found.volumes() / truth.volumes() - 1.0).max() < 0.2 * before
    as_a_whole = moved(cells, truth)
    away = [np.linalg.norm(one.vertices - truth.vertices) for one in (found, as_a_whole)]
    assert away[0] < 0.7 * away[1]


def test_a_contact_that_is_off_goes_back_and_volumes_with_it():
    truth = block()
    place = truth.vertices - MIDDLE
    # The middle cell takes a tenth from its neighbour; the ends stay.
    push = 0.2 * np.exp(-np.square((place[:, 2] - 1.0) / 0.7))
    off = truth.with_vertices(truth.vertices + np.outer(push, (0.0, 0.0, 1.0)))
    assert np.abs(off.volumes() / truth.volumes() - 1.0).max() > 0.09
    found = moved(off, truth, rounds=BENDING)
    assert np.abs(found.volumes() / truth.volumes() - 1.0).max() < 0.02


def test_where_nothing_is_lacking_nothing_moves():
    cells = block()
    found = moved(cells, cells, rounds=(*FOLLOWING, *BENDING))
    np.testing.assert_allclose(found.vertices, cells.vertices, atol=1e-3)


@pytest.mark.parametrize("way", [-20.0, 20.0])
def test_what_lies_outside_of_the_stack_stays(way):
    inside = icosphere(MIDDLE, 1.0, 3)
    pair = concatenate([inside, icosphere(MIDDLE + way, 1.0, 3)])
    found = moved(pair, inside.with_vertices(inside.vertices + 0.1), rounds=(*FOLLOWING, *BENDING))
    count = len(inside.vertices)
    np.testing.assert_allclose(found.vertices[:count], inside.vertices + 0.1, atol=0.03)
    np.testing.assert_array_equal(found.vertices[count:], pair.vertices[count:])


def test_separate_objects_move_apart():
    one, other = (
        icosphere(MIDDLE - (0, 0, 1.8), 1.0, 3),
        icosphere(MIDDLE + np.array((0, 0, 1.8)), 1.0, 3),
    )
    start = concatenate([one, other])
    truth = concatenate(
        [one.with_vertices(one.vertices - 0.15), other.with_vertices(other.vertices + 0.15)]
    )
    found = moved(start, truth)
    for region in (1, 2):
        center = found.region_mesh(region).vertices.mean(axis=0)
        true = truth.region_mesh(region).vertices.mean(axis=0)
        np.testing.assert_allclose(center, true, atol=0.03)


def test_motion_that_explains_nothing_is_undone():
    ball = icosphere(MIDDLE, 1.0, 3)
    noise = np.random.default_rng(0).poisson(3.0, SHAPE)
    found = moved(ball, ball, ImageStack(noise, SPACING))
    assert np.linalg.norm(found.vertices - ball.vertices, axis=1).max() < 3.0


def test_untrusted_voxels_do_not_count():
    ball = icosphere(MIDDLE, 1.2, 3)
    truth = ball.with_vertices(ball.vertices + np.array((0.0, 0.1, 0.2)))
    data = render(truth, PSF, SHAPE, SPACING)
    mask = np.ones(SHAPE, dtype=bool)
    mask[:, :6], data[:, :6] = False, 1e6
    found = moved(ball, truth, ImageStack(data, SPACING, mask=mask))
    np.testing.assert_allclose(found.vertices, truth.vertices, atol=0.03)


def test_regions_that_touch_are_one_group():
    cells = box_grid((0, 0, 0), (1, 1, 3), (1, 1, 3))
    away = icosphere((0, 0, 9), 1.0, 1)
    groups = touching_groups(concatenate([cells, away]))
    assert set(groups[: len(cells.vertices)]) == {0}
    assert set(groups[len(cells.vertices) :]) == {1}


def test_noise_hardly_moves_a_still_mesh():
    ball = icosphere(MIDDLE, 1.2, 3)
    image = render(ball, PSF, SHAPE, SPACING)
    stack = photographed(ball, SHAPE, 3)
    gain = 30.0 / image.max()
    brightness = Intensities(np.array([gain]), np.empty(0), 1.0)
    found = at_once(moving_with_image(ball, brightness, stack, PSF)).mesh
    assert np.sqrt(np.mean(np.square((found.vertices - ball.vertices) / SPACING))) < 0.25


def test_a_generator_closed_outside_is_closed_inside():
    closed = []

    def inner():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    steps = told(inner(), str)
    assert next(steps) == "1"
    steps.close()
    assert closed == [True]
    with pytest.raises(StopIteration):
        next(steps)
