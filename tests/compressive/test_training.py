import sys
import time
from itertools import pairwise

import pytest
import torch
from compressive_cases import discs, quick_model
from pydantic import ValidationError

from full_disk import full_disk
from napari_deltamic.compressive import (
    CompressiveModel,
    CompressiveSettings,
    Patches,
    camera_of,
    save_model,
    scored,
    train,
)
from napari_deltamic.compressive.schedule import rate_at, slope_at
from napari_deltamic.torch_threads import torch_threads

TRAINING, VALIDATION, TEST = discs(40, 1), discs(10, 2), discs(20, 3)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(value, second[name]) for name, value in first.items())


class InterruptionError(Exception):
    pass


def test_training_beats_what_it_starts_from():
    model = quick_model(epochs=6, steps_per_epoch=15)
    before = scored(model, TEST)
    result = train(model, TRAINING, VALIDATION)
    after = scored(result.model, TEST)
    assert after.l1 < 0.7 * before.l1
    assert after.psnr > before.psnr + 1.0
    assert result.epochs[-1].validation_loss < result.epochs[0].validation_loss
    assert not result.stopped
    assert "6 epochs" in result.stop_reason


def test_the_model_has_the_weights_of_its_best_epoch():
    model = quick_model()
    result = train(model, TRAINING, VALIDATION)
    losses = [epoch.validation_loss for epoch in result.epochs]
    assert result.best == 1 + losses.index(min(losses))
    with torch.no_grad():
        images = model(VALIDATION.images)
    found = float((images - VALIDATION.images).abs().mean())
    assert found == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.parametrize("kind", ["learned", "fourier"])
def test_learned_masks_move_and_end_binary(kind):
    model = quick_model(patterns=kind)
    before = model.patterns.binary()
    train(model, TRAINING, VALIDATION)
    assert (model.patterns.binary() != before).any()
    light = model.operator().patterns.detach()
    torch.testing.assert_close(light, model.patterns())
    assert len(light.unique()) == 2
    assert float(light.min()) == 0.0


def test_fixed_masks_stay():
    model = quick_model(patterns="hadamard", upsampling="transposed", loss="ssim")
    before = model.patterns.binary()
    train(model, TRAINING, VALIDATION)
    assert torch.equal(model.patterns.binary(), before)


def test_one_seed_gives_one_result():
    first, second, other = (
        quick_model(seed=seed, epochs=2, photons=100.0, read_noise=1.0) for seed in (0, 0, 1)
    )
    for model in (first, second, other):
        train(model, TRAINING, VALIDATION)
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))


@pytest.mark.parametrize("epochs_before", [1, 2])
def test_a_resumed_training_ends_like_an_undisturbed_one(tmp_path, epochs_before):
    whole, broken = (quick_model(photons=50.0) for _ in range(2))
    expected = train(whole, TRAINING, VALIDATION)

    def interrupt(state):
        if state.step == 6 * epochs_before + 3:
            raise InterruptionError

    file = tmp_path / "training.pt"
    with pytest.raises(InterruptionError):
        train(broken, TRAINING, VALIDATION, on_state=interrupt, checkpoint=file)
    resumed = quick_model(photons=50.0)
    seen = []
    result = train(
        resumed, TRAINING, VALIDATION, on_state=seen.append, checkpoint=file, resume=True
    )
    assert seen[0].epoch == epochs_before + 1
    assert result.epochs == expected.epochs
    assert same(weights(resumed), weights(whole))


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_a_full_disk_ends_no_training(tmp_path, caplog):
    file = tmp_path / "training.pt"
    first = quick_model(epochs=1)
    train(first, TRAINING, VALIDATION, checkpoint=file)
    before = file.read_bytes()
    with full_disk(len(before) // 5):
        train(quick_model(epochs=1), TRAINING, VALIDATION, checkpoint=file)
        with pytest.raises(OSError, match=r"File too large: .*model\.pt"):
            save_model(first, tmp_path / "model.pt")
    assert f"the progress could not be kept in {file} (File too large)" in caplog.text
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"training.pt": before}
    with pytest.raises(ValueError, match="checkpoint: there is no folder"):
        train(first, TRAINING, VALIDATION, checkpoint=tmp_path / "none" / "training.pt")


def test_a_finished_training_is_not_done_again(tmp_path):
    file = tmp_path / "training.pt"
    first = quick_model(epochs=1)
    train(first, TRAINING, VALIDATION, checkpoint=file)
    again = quick_model(epochs=1)
    seen = []
    train(again, TRAINING, VALIDATION, on_state=seen.append, checkpoint=file, resume=True)
    assert seen == []
    assert same(weights(first), weights(again))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    file = tmp_path / "training.pt"
    train(quick_model(epochs=1), TRAINING, VALIDATION, checkpoint=file)
    with pytest.raises(ValueError, match="checkpoint"):
        train(quick_model(epochs=2), TRAINING, VALIDATION, checkpoint=file, resume=True)
    with pytest.raises(ValueError, match="checkpoint"):
        train(quick_model(epochs=1), TEST, VALIDATION, checkpoint=file, resume=True)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ValueError, match="cannot be read"):
        train(quick_model(epochs=1), TRAINING, VALIDATION, checkpoint=file, resume=True)
    with pytest.raises(ValueError, match="resume"):
        train(quick_model(epochs=1), TRAINING, VALIDATION, resume=True)


def test_a_stopped_training_keeps_its_best_epoch():
    model = quick_model(epochs=50)
    seen = []
    result = train(
        model, TRAINING, VALIDATION, on_state=seen.append, should_stop=lambda: len(seen) >= 20
    )
    assert len(seen) == 20
    assert result.stopped
    assert "user" in result.stop_reason
    assert len(result.epochs) == 2
    assert scored(model, TEST).ssim > 0.2


def test_a_training_stopped_at_once_is_still_a_model():
    model = quick_model()
    result = train(model, TRAINING, VALIDATION, should_stop=lambda: True)
    assert (result.best, result.epochs) == (0, [])
    assert scored(model, TEST).psnr > 10.0


def test_stopping_is_asked_often():
    generator = torch.Generator().manual_seed(0)
    large = Patches(torch.rand(8, 1, 256, 256, generator=generator))
    settings = {"epochs": 1, "steps_per_epoch": 2, "batch_size": 8}
    model = CompressiveModel(CompressiveSettings(**settings), (1, 256, 256))
    times = []

    def note(_):
        # Of the processor, so that what else the machine does has no say.
        times.append(time.process_time())

    with torch_threads(1):
        train(model, large, large, on_state=note)
    gaps = [after - before for before, after in pairwise(times)]
    assert len(gaps) >= 12
    # The first one compiles.
    assert max(gaps[1:]) < 0.3


def test_training_ends_when_nothing_improves():
    model = quick_model(epochs=40, patience=1, learning_rate=1e-12, patterns="random")
    result = train(model, TRAINING, VALIDATION)
    assert len(result.epochs) <= 25
    assert not result.stopped
    assert "no better" in result.stop_reason


def test_noise_costs_quality_and_light_buys_it():
    found = []
    for photons in (0.3, 300.0, None):
        model = quick_model(epochs=4, steps_per_epoch=10, photons=photons)
        train(model, TRAINING, VALIDATION)
        found.append(scored(model, TEST, camera_of(model, TRAINING)).psnr)
    assert found[0] + 1.0 < found[1] < found[2] + 0.5


def test_a_segmentation_is_learned_on_what_stays_as_it_is():
    model = quick_model(epochs=4, steps_per_epoch=15)
    train(model, TRAINING, VALIDATION)
    before = weights(model)
    train(model, TRAINING, VALIDATION, "segment")
    moved = {name for name, value in weights(model).items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("segmentation") for name in moved)
    apart = scored(model, TEST)
    assert apart.dice > 0.8
    train(model, TRAINING, VALIDATION, "joint")
    together = scored(model, TEST)
    assert together.dice > apart.dice - 0.01
    assert any(
        not torch.equal(value, before[name])
        for name, value in weights(model).items()
        if name.startswith("patterns")
    )


def test_stacks_are_decoded_plane_by_plane():
    model = quick_model(depth=3, epochs=1)
    stacks = discs(12, 5, depth=3)
    train(model, stacks, stacks)
    with torch.no_grad():
        frames = model.frames(stacks.images, model.patterns())
        assert frames.shape == (12, 4, 3, 4, 4)
        images = model.decoded(frames)
        one = model.decoded(frames[:, :, 1:2])
    assert images.shape == stacks.images.shape
    torch.testing.assert_close(images[:, 1:2], one)


def test_the_schedule_goes_from_soft_to_binary_and_from_fast_to_slow():
    assert slope_at(0.0) == 4.0
    assert slope_at(0.29) > 15.0
    assert slope_at(0.3) is None
    rates = [rate_at(step, 200) for step in range(200)]
    assert max(rates[:20]) < rates[19] + 1e-9
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[-1] < 1e-3


def test_arguments_that_make_no_sense_are_named():
    model = quick_model()
    with pytest.raises(ValueError, match="training"):
        train(model, Patches(torch.zeros(2, 1, 16, 16)), VALIDATION)
    with pytest.raises(ValueError, match=r"validation: .* targets"):
        train(model, TRAINING, Patches(VALIDATION.images), "segment")
    with pytest.raises(ValueError, match="task"):
        train(model, TRAINING, VALIDATION, "both")
    with pytest.raises(ValidationError):
        CompressiveSettings(patterns="speckle")
    with pytest.raises(ValueError, match="binning"):
        quick_model(binning=5, patterns="random")
    with pytest.raises(ValueError, match="field"):
        CompressiveModel(CompressiveSettings(), (1, 40, 32))
