"""A model on whole stacks and on measured frames."""

import numpy as np
import pytest
import torch
from compressive_cases import QUICK, SIZE, discs, quick_model

from napari_deltamic.compressive import (
    load_model,
    reconstruct,
    save_model,
    simulate,
    split_stacks,
    train,
)
from napari_deltamic.compressive.patches import normalised


@pytest.fixture(scope="module")
def model():
    made = quick_model(epochs=4)
    train(made, discs(24), discs(8, seed=1))
    return made


def stack(planes=3, rows=2 * SIZE, columns=2 * SIZE):
    """Return planes of four fields each, cut to size."""
    fields = discs(planes * 4, seed=5).images.reshape(planes, 2, 2, SIZE, SIZE)
    whole = fields.permute(0, 1, 3, 2, 4).reshape(planes, 2 * SIZE, 2 * SIZE).numpy()
    return 40.0 * whole[:, :rows, :columns] + 7.0


def test_each_field_is_acquired_by_itself(model):
    volume = stack()
    found = simulate(model, volume)
    truth = normalised(volume)
    np.testing.assert_array_equal(found.truth, truth)
    assert found.frames.shape == (QUICK["frames"], 3, 8, 8)
    corner = torch.from_numpy(truth[1, SIZE:, :SIZE].copy())[None, None]
    with torch.no_grad():
        frames = model.frames(corner, model.patterns())
        image = model(corner)
    np.testing.assert_allclose(found.frames[:, 1, 4:, :4], frames[0, :, 0], atol=1e-6)
    np.testing.assert_allclose(found.reconstruction[1, SIZE:, :SIZE], image[0, 0], atol=1e-5)
    assert found.interpolated.shape == found.truth.shape


def test_what_reaches_beyond_the_fields_is_mirrored(model):
    whole, cut = stack(), stack(rows=50, columns=40)
    found = simulate(model, cut)
    assert found.reconstruction.shape == cut.shape
    assert found.frames.shape == (QUICK["frames"], 3, 8, 8)
    same = simulate(model, whole).reconstruction[:, :SIZE, :SIZE]
    error = np.abs(found.reconstruction[:, :SIZE, :SIZE] - same).mean()
    # The scale from 0 to 1 is that of another part, so not quite the same.
    assert error < 0.02


def test_noise_has_a_seed_and_less_of_it_with_more_light(model):
    volume, errors = stack(), []
    clean = simulate(model, volume).frames
    for photons in (5.0, 500.0):
        noisy = quick_model(photons=photons)
        noisy.load_state_dict(model.state_dict())
        frames = simulate(noisy, volume, seed=3).frames
        np.testing.assert_array_equal(frames, simulate(noisy, volume, seed=3).frames)
        assert not np.array_equal(frames, simulate(noisy, volume, seed=4).frames)
        errors.append(np.abs(frames - clean).mean())
    assert errors[1] < 0.3 * errors[0]


def test_it_can_be_followed_and_stopped(model):
    parts = []
    simulate(model, stack(), on_progress=parts.append)
    assert parts[-1] == 1.0
    assert simulate(model, stack(), should_stop=lambda: True) is None


@pytest.mark.parametrize("gain", [1.0, 800.0])
def test_measured_frames_of_any_gain(model, gain, tmp_path):
    save_model(model, tmp_path / "model.pt")
    loaded = load_model(tmp_path / "model.pt")
    truth = discs(1, seed=9).images
    with torch.no_grad():
        frames = model.frames(truth, model.patterns())[0]
        expected = model(truth * model.get_buffer("frame_level") / frames.mean())[0]
    np.testing.assert_allclose(reconstruct(loaded, gain * frames), expected, atol=1e-4)


def test_planes_are_decoded_one_by_one_at_a_common_scale(model):
    truth = discs(3, seed=9).images.transpose(0, 1)
    with torch.no_grad():
        frames = model.frames(truth.transpose(0, 1), model.patterns())
        scale = model.get_buffer("frame_level") / frames.mean()
        expected = model.decoded(scale * frames)[:, 0]
    stacked = frames[:, :, 0].transpose(0, 1)
    np.testing.assert_allclose(reconstruct(model, 7.0 * stacked), expected, atol=1e-4)


def test_what_cannot_be_reconstructed_is_refused(model):
    with pytest.raises(ValueError, match="frames: expected"):
        reconstruct(model, np.ones((4, 1, 4, 5)))
    with pytest.raises(ValueError, match="frames: their mean is"):
        reconstruct(model, np.zeros((4, 1, 4, 4)))
    with pytest.raises(ValueError, match="volume: expected"):
        simulate(model, np.ones((8, 8)))


def test_stacks_are_split_by_planes_and_scaled():
    volumes = [stack(planes=14), 3.0 * stack(planes=14)]
    targets = [volume > 20 for volume in (volumes[0], volumes[0])]
    split = split_stacks(volumes, SIZE, targets)
    # Of 14 planes 6 train, 2 validate and 2 test, with two gaps of 2; four fields, two stacks.
    assert [len(part) for part in split] == [6 * 8, 2 * 8, 2 * 8]
    np.testing.assert_allclose(split.test.images[:8], split.test.images[8:], atol=1e-6)
    assert split.test.targets is not None
    assert split.test.targets.shape == split.test.images.shape


@pytest.mark.parametrize(
    ("volumes", "message"),
    [
        ([], "volumes: there are none"),
        ([np.ones((20, SIZE, SIZE))], "volumes: there is hardly anything to see"),
        ([np.eye(SIZE)], "volumes: expected stacks"),
        ([stack(planes=6)], "gap: 6 planes leave nothing"),
    ],
)
def test_stacks_that_cannot_train_are_refused(volumes, message):
    with pytest.raises(ValueError, match=message):
        split_stacks(volumes, SIZE)
