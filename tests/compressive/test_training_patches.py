from itertools import pairwise

import numpy as np
import pytest
import torch
from compressive_cases import discs

from napari_deltamic.compressive import Patches, cut_patches, field_size, split_planes
from napari_deltamic.compressive.examples import walls
from napari_deltamic.compressive.patches import joined, normalised


@pytest.mark.parametrize(("count", "gap"), [(7, 1), (23, 2), (33, 3), (51, 0)])
def test_parts_of_a_stack_share_no_plane_and_keep_their_distance(count, gap):
    parts = [range(count)[planes] for planes in reversed(split_planes(count, gap))]
    assert all(len(part) for part in parts)
    for before, after in pairwise(parts):
        assert after[0] - before[-1] == gap + 1
    assert parts[-1][-1] == count - 1
    assert parts[0][0] == 0
    assert len(parts[-1]) >= sum(len(part) for part in parts[:-1])


def test_patches_cover_a_plane():
    volume = np.arange(3 * 20 * 33, dtype=np.float32).reshape(3, 20, 33)
    patches = cut_patches(volume, 16, targets=volume > 500)
    assert patches.field == (1, 16, 16)
    assert len(patches) == 3 * 2 * 3
    assert set(np.unique(patches.images.numpy())) == set(volume.ravel())
    torch.testing.assert_close(patches.targets, (patches.images > 500).float())


def test_planes_a_little_small_are_mirrored():
    volume = np.random.default_rng(0).random((2, 12, 16), dtype=np.float32)
    patches = cut_patches(volume, 16)
    assert len(patches) == 2
    np.testing.assert_array_equal(patches.images[:, 0, 2:14], volume)
    np.testing.assert_array_equal(patches.images[:, 0, 1], volume[:, 0])


def test_patches_with_depth_keep_planes_together():
    volume = np.random.default_rng(0).random((5, 8, 8), dtype=np.float32)
    patches = cut_patches(volume, 8, depth=2)
    np.testing.assert_array_equal(patches.images, volume[:4].reshape(2, 2, 8, 8))


def test_targets_turn_with_their_images():
    patches = discs(6)
    generator = torch.Generator().manual_seed(3)
    seen = set()
    for _ in range(20):
        drawn = patches.drawn(4, generator)
        torch.testing.assert_close(drawn.targets, (drawn.images > 0.2).float())
        seen.add(tuple(drawn.images.sum((0, 1, 3)).argmax(0, keepdim=True).tolist()))
    assert len(seen) > 2


def test_an_oblong_field_is_not_turned_over():
    drawn = Patches(torch.rand(3, 1, 8, 16)).drawn(2, torch.Generator().manual_seed(1))
    assert drawn.field == (1, 8, 16)


def test_joined_parts_have_targets_only_if_all_do():
    with_targets, without = discs(2), Patches(discs(3).images)
    assert joined([with_targets, with_targets]).targets.shape == (4, 1, 32, 32)
    both = joined([with_targets, without])
    assert len(both) == 5
    assert both.targets is None


def test_walls_lie_on_both_sides_of_a_change():
    labels = np.zeros((1, 4, 6), np.int32)
    labels[0, :, 3:] = 2
    expected = np.zeros((1, 4, 6), bool)
    expected[..., 2:4] = True
    np.testing.assert_array_equal(walls(labels), expected)


def test_stacks_are_scaled_to_their_contrast():
    volume = np.random.default_rng(1).normal(500.0, 20.0, (4, 50, 50))
    scaled = normalised(volume)
    assert scaled.min() == 0.0
    assert scaled.max() == 1.0
    np.testing.assert_allclose(scaled, normalised(3.0 * volume + 7.0), atol=1e-5)
    assert (normalised(np.ones((2, 3, 3))) == 0.0).all()


def test_arguments_out_of_range_are_named():
    with pytest.raises(ValueError, match="volume"):
        cut_patches(np.zeros((8, 8)), 8)
    with pytest.raises(ValueError, match="size"):
        cut_patches(np.zeros((2, 8, 8)), 32)
    with pytest.raises(ValueError, match="depth"):
        cut_patches(np.zeros((2, 8, 8)), 8, depth=3)
    with pytest.raises(ValueError, match="gap"):
        split_planes(8, 3)
    with pytest.raises(ValueError, match="images"):
        Patches(torch.zeros(4, 8, 8))
    with pytest.raises(ValueError, match="targets"):
        Patches(torch.zeros(4, 1, 8, 8), torch.zeros(3, 1, 8, 8))


def test_fields_are_as_large_as_images_and_binning_allow():
    assert field_size([(20, 200, 300), (9, 130, 140)], 8) == 128
    assert field_size([(20, 100, 300)], 8) == 96
    assert field_size([(20, 100, 300)], 12) == 96
    assert field_size([(20, 300, 300)], 12) == 96
    with pytest.raises(ValueError, match="binning: 64 needs images of at least 64 x 64"):
        field_size([(20, 60, 300)], 64)
