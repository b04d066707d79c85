from types import SimpleNamespace

import numpy as np
import pytest

from napari_deltamic.compressive import example_patches, examples


def plain_embryos(count, cache):
    """Stand in for embryos, which take seconds each: one disc in each, at a place of its own."""
    y, x = np.indices((128, 128))
    found = []
    for number in range(count):
        disc = np.hypot(y - 64, x - 30 - 6 * number) < 20
        image = np.where(disc, 1.0, 0.01 * number).astype(np.float32)
        # Odd ones have a nucleus: region N + i of cell i.
        labels = np.where(disc, 2 if number % 2 else 1, 0).astype(np.int32)
        found.append((np.stack(6 * [image]), np.stack(6 * [labels]), 1))
    return found


@pytest.mark.parametrize("labelled", [False, True])
def test_no_test_patch_was_trained_on(data_folder, monkeypatch, labelled):
    monkeypatch.setattr(examples, "_embryos", plain_embryos)
    split = example_patches(labelled=labelled, embryos=5)
    planes = [{patch.numpy().tobytes() for patch in part.images} for part in split]
    assert all(len(one) >= 8 for one in planes)
    assert not planes[0] & planes[1]
    assert not planes[0] & planes[2]
    assert not planes[1] & planes[2]
    for part in split:
        assert part.field == (1, 128, 128)
        assert float(part.images.min()) >= 0.0
        assert float(part.images.max()) <= 1.0
        assert (part.targets is not None) == labelled
        assert float(part.images.std(dim=(1, 2, 3)).min()) > 0.05
    if labelled:
        shares = split.test.targets.mean((1, 2, 3))
        assert float(shares.min()) > 0.0
        assert float(shares.max()) < 0.5


def test_embryos_are_kept_in_their_file(tmp_path, monkeypatch):
    made = []

    def quick_embryo(cells, shape, spacing, seed, nuclei, label):
        made.append(seed)
        light = np.random.default_rng(seed).random((3, 8, 8))
        return SimpleNamespace(expected=light, labels=light.argsort(-1), cells=cells)

    monkeypatch.setattr(examples, "make_embryo", quick_embryo)
    file = tmp_path / "embryos.npz"
    first = examples._embryos(2, file)
    again = examples._embryos(3, file)
    assert made == [0, 1, 2]
    for one, other in zip(first, again, strict=False):
        for before, after in zip(one, other, strict=True):
            np.testing.assert_array_equal(before, after)


def test_too_few_embryos_cannot_be_split():
    with pytest.raises(ValueError, match="embryos"):
        example_patches(embryos=4)
