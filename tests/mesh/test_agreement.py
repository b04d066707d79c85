import numpy as np
import pytest

from napari_deltamic.mesh.agreement import (
    best_boundary_offset,
    dice_scores,
    with_boundary_offset,
)


def ball(shape, spacing, center, radius):
    grid = np.indices(shape).transpose(1, 2, 3, 0) * np.array(spacing)
    return np.linalg.norm(grid - np.array(center), axis=-1) <= radius


def test_scores_by_hand():
    reference = np.array([[[1, 1, 1, 1, 0, 2, 2, 3]]])
    labels = np.array([[[9, 9, 9, 0, 5, 5, 5, 0]]])
    scores = dice_scores(labels, reference)
    assert scores == pytest.approx({1: 6 / 7, 2: 4 / 5, 3: 0.0})


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"^labels:"):
        dice_scores(np.zeros((2, 2, 2), int), np.zeros((2, 2, 3), int))


@pytest.mark.parametrize("offset", [1.5, -1.0])
def test_offset_is_a_distance_in_um(offset):
    shape, spacing, center = (24, 50, 50), (0.5, 0.25, 0.25), (6.0, 6.0, 6.0)
    labels = ball(shape, spacing, center, 3.0).astype(int) * 4
    moved = with_boundary_offset(labels, spacing, offset)
    radius = np.cbrt((moved > 0).sum() * np.prod(spacing) / (4 / 3 * np.pi))
    assert set(np.unique(moved)) == {0, 4}
    assert radius == pytest.approx(3.0 + offset, abs=0.12)  # half a lateral voxel


def test_growing_labels_meet_halfway():
    labels = np.zeros((3, 3, 9), int)
    labels[1, 1, 0], labels[1, 1, 8] = 1, 2
    grown = with_boundary_offset(labels, (1.0, 1.0, 1.0), 100.0)
    assert grown[1, 1, :4].tolist() == [1] * 4
    assert grown[1, 1, 5:].tolist() == [2] * 4


def test_best_offset_undoes_a_generous_annotation():
    shape, spacing, center = (30, 40, 40), (0.5, 0.4, 0.4), (7.5, 8.0, 8.0)
    labels = ball(shape, spacing, center, 3.0).astype(int)
    reference = ball(shape, spacing, center, 4.2).astype(int)
    offset, scores = best_boundary_offset(labels, reference, spacing, np.arange(-1.0, 2.1, 0.2))
    assert offset == pytest.approx(1.2, abs=0.3)
    assert scores[1] > 0.95 > dice_scores(labels, reference)[1]
