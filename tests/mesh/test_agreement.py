import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deltamic.mesh.agreement import (
    best_boundary_offset,
    dice_scores,
    variation_of_information,
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


def slow_variation(labels, reference):
    """Sums of -p log p over all pairs, straight from the definition."""
    count, split, merged = labels.size, 0.0, 0.0
    for ours in np.unique(labels):
        for theirs in np.unique(reference):
            both = ((labels == ours) & (reference == theirs)).sum() / count
            if both > 0:
                split -= both * np.log(both / ((reference == theirs).sum() / count))
                merged -= both * np.log(both / ((labels == ours).sum() / count))
    return split, merged


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5))
@settings(deadline=None)
def test_variation_of_information_is_that_of_the_definition(seed, ours, theirs):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, ours, (2, 3, 4)) * 7
    reference = rng.integers(0, theirs, (2, 3, 4)).astype(np.uint16)
    split, merged = variation_of_information(labels, reference)
    assert (split, merged) == pytest.approx(slow_variation(labels, reference), abs=1e-12)
    assert variation_of_information(reference, labels) == pytest.approx((merged, split), abs=1e-12)
    kept = reference != 0
    if kept.any():
        assert variation_of_information(labels, reference, ignore=0) == pytest.approx(
            slow_variation(labels[kept], reference[kept]), abs=1e-12
        )


def test_splitting_and_merging_are_told_apart_in_nats():
    whole = np.ones((2, 2, 2), int)
    halves = whole + (np.indices((2, 2, 2))[0] > 0)
    assert variation_of_information(halves, whole) == pytest.approx((np.log(2), 0.0))
    assert variation_of_information(whole, halves) == pytest.approx((0.0, np.log(2)))
    assert variation_of_information(5 - halves, halves) == (0.0, 0.0)


def test_variation_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^labels:"):
        variation_of_information(np.zeros((2, 2, 2), int), np.zeros((2, 2, 3), int))
    with pytest.raises(ValueError, match=r"^reference: no voxel counts"):
        variation_of_information(np.zeros((2, 2, 2), int), np.zeros((2, 2, 2), int), ignore=0)
