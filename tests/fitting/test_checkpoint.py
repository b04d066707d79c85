"""A fit that is stopped and goes on must end exactly where an undisturbed one does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fitting_cases import QUICK, SHAPE, Scene, ball, two_balls

from napari_deltamic.fitting import FitResult, FitSettings, FitState
from napari_deltamic.fitting.checkpoint import fingerprint, load_checkpoint, save_checkpoint
from napari_deltamic.fitting.prepared_fit import prepare
from napari_deltamic.optics import GaussianPSF

# Legs of at most 12 iterations: renewals of the weights fall within them.
SHORT = FitSettings(stages=2, max_iterations=24)


class Stopper:
    """Stops a fit after an iteration."""

    def __init__(self, after: int) -> None:
        self.after, self.done = after, 0

    def on_state(self, state: FitState) -> None:
        self.done = state.iteration

    def should_stop(self) -> bool:
        return self.done >= self.after


def stopped(scene: Scene, settings: FitSettings, after: int, file: Path) -> FitResult:
    stopper = Stopper(after)
    return scene.fit(
        settings,
        stopper.on_state,
        should_stop=stopper.should_stop,
        checkpoint=file,
        resume=True,
    )


def check_same(one: FitResult, other: FitResult) -> None:
    assert np.array_equal(one.mesh.vertices, other.mesh.vertices)
    assert np.array_equal(one.mesh.faces, other.mesh.faces)
    assert np.array_equal(one.mesh.labels, other.mesh.labels)
    assert one.loss_history == other.loss_history
    assert one.stage_starts == other.stage_starts
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.intensities.membrane, other.intensities.membrane)
    assert np.array_equal(one.intensities.interior, other.intensities.interior)
    assert one.intensities.background == other.intensities.background


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
def test_resuming_is_exact_wherever_it_stopped(noise: str, tmp_path: Path) -> None:
    scene, settings = ball(noise=noise), SHORT.model_copy(update={"noise": noise})
    whole = scene.fit(settings)
    assert whole.stage_starts == [0, 24]
    # Before the first step, within a leg, at a renewal, at the ends of a leg and of a stage.
    for after in (0, 7, 10, 12, 24, 35):
        file = tmp_path / f"{after}.npz"
        part = stopped(scene, settings, after, file)
        assert len(part.loss_history) == after
        assert part.loss_history == whole.loss_history[:after]
        check_same(scene.fit(settings, checkpoint=file, resume=True), whole)


def test_resuming_is_exact_also_where_no_iteration_had_ended(tmp_path: Path) -> None:
    scene, file = ball(), tmp_path / "checkpoint.npz"
    polls = 0

    def count() -> bool:
        nonlocal polls
        polls += 1
        return False

    whole = scene.fit(SHORT, should_stop=count)
    # Half of the polls come while meshes are renewed and the legs prepared.
    assert polls > len(whole.loss_history) + 4 * 20
    for allowed in range(3, polls, 17):
        answers = iter([False] * allowed)
        scene.fit(SHORT, should_stop=lambda: next(answers, True), checkpoint=file)  # noqa: B023
        check_same(scene.fit(SHORT, checkpoint=file, resume=True), whole)


def test_resuming_again_and_again_is_exact(tmp_path: Path) -> None:
    scene, file = two_balls("both"), tmp_path / "checkpoint.npz"
    settings = SHORT.model_copy(update={"label": "both"})
    whole = scene.fit(settings)
    for after in range(5, len(whole.loss_history), 14):
        stopped(scene, settings, after, file)
    check_same(scene.fit(settings, checkpoint=file, resume=True), whole)


def test_resuming_on_masked_voxels_without_remeshing_is_exact(tmp_path: Path) -> None:
    mask = np.ones(SHAPE, bool)
    mask[:, :, 30:] = False
    scene, file = ball("interior").with_stack(mask=mask), tmp_path / "checkpoint.npz"
    settings = SHORT.model_copy(update={"label": "interior", "remesh": False})
    whole = scene.fit(settings)
    stopped(scene, settings, 15, file)
    check_same(scene.fit(settings, checkpoint=file, resume=True), whole)


def test_resuming_what_is_done_changes_nothing(tmp_path: Path) -> None:
    scene, file = ball(), tmp_path / "checkpoint.npz"
    whole = scene.fit(SHORT, checkpoint=file)
    again = scene.fit(SHORT, checkpoint=file, resume=True)
    check_same(again, whole)
    assert again.stop_reason == whole.stop_reason


def test_without_resume_the_fit_starts_afresh(tmp_path: Path) -> None:
    scene, file = ball(), tmp_path / "checkpoint.npz"
    stopped(scene, SHORT, 13, file)
    stopper = Stopper(1)
    fresh = scene.fit(
        SHORT, stopper.on_state, should_stop=stopper.should_stop, checkpoint=file, resume=False
    )
    assert len(fresh.loss_history) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_resume_starts_afresh_where_there_is_no_file(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.npz"
    assert len(stopped(ball(), SHORT, 2, file).loss_history) == 2
    assert file.is_file()


@pytest.mark.parametrize(
    "changed",
    [
        lambda scene: (scene, SHORT.model_copy(update={"tolerance": 2e-3})),
        lambda scene: (scene.with_stack(data=scene.stack.data + 1), SHORT),
        lambda scene: (scene.with_stack(spacing=(0.1, 0.1, 0.11)), SHORT),
        lambda scene: (scene.with_stack(origin=(0, 0, 0.1)), SHORT),
        lambda scene: (scene.with_stack(mask=np.ones(SHAPE, bool)), SHORT),
        lambda scene: (Scene(scene.stack, scene.seed, GaussianPSF(0.16), scene.truth), SHORT),
    ],
    ids=["settings", "data", "spacing", "origin", "mask", "psf"],
)
def test_checkpoint_of_another_fit(
    changed: Callable[[Scene], tuple[Scene, FitSettings]], tmp_path: Path
) -> None:
    scene, file = ball(), tmp_path / "checkpoint.npz"
    stopped(scene, SHORT, 1, file)
    other, settings = changed(scene)
    with pytest.raises(ValueError, match=r"checkpoint: .* belongs to a fit of another"):
        other.fit(settings, checkpoint=file, resume=True)


def test_the_same_voxels_in_another_shape_are_another_fit() -> None:
    scene = ball()
    turned = scene.with_stack(data=scene.stack.data.reshape(SHAPE[::-1]))
    identities = {fingerprint(each.stack, each.seed, each.psf, SHORT) for each in (scene, turned)}
    assert len(identities) == 2


def test_a_fit_that_leaves_stages_out_is_another_fit() -> None:
    scene = ball()
    parts = scene.stack, scene.seed, scene.psf, SHORT
    assert len({fingerprint(*parts, first_stage) for first_stage in (0, 1, 2)}) == 3
    assert fingerprint(*parts, 0) == fingerprint(*parts)


def test_a_checkpoint_of_other_stages(tmp_path: Path) -> None:
    scene, file = ball(), tmp_path / "checkpoint.npz"
    whole = scene.fit(SHORT, first_stage=1, checkpoint=file)
    check_same(scene.fit(SHORT, first_stage=1, checkpoint=file, resume=True), whole)
    with pytest.raises(ValueError, match=r"checkpoint: .* belongs to a fit of another"):
        scene.fit(SHORT, checkpoint=file, resume=True)


def checkpoint_bytes(folder: Path) -> tuple[bytes, str]:
    scene, file = ball(), folder / "sound.npz"
    stopped(scene, SHORT, 3, file)
    return file.read_bytes(), fingerprint(scene.stack, scene.seed, scene.psf, SHORT)


@pytest.mark.parametrize("kind", ["empty", "text", "array", "archive", "half", "almost"])
def test_file_that_is_no_checkpoint(kind: str, tmp_path: Path) -> None:
    sound, _ = checkpoint_bytes(tmp_path)
    file = tmp_path / "damaged.npz"
    if kind in ("array", "archive"):
        with file.open("wb") as stream:
            (np.save if kind == "array" else np.savez)(stream, np.zeros(3))
    else:
        contents = {"empty": b"", "text": b"hello", "half": sound[: len(sound) // 2]}
        file.write_bytes(contents.get(kind, sound[:-1]))
    with pytest.raises(ValueError, match=r"checkpoint: .* cannot be read .*start afresh"):
        ball().fit(SHORT, checkpoint=file, resume=True)


def test_damaged_bytes_are_noticed_or_harmless(tmp_path: Path) -> None:
    sound, identity = checkpoint_bytes(tmp_path)
    whole = load_checkpoint(tmp_path / "sound.npz", identity)
    file, refused = tmp_path / "damaged.npz", 0
    # Where an archive breaks in the most different ways: its own headers, and those of arrays.
    headers = [
        place + offset
        for mark in (b"PK\x03\x04", b"PK\x01\x02", b"\x93NUMPY")
        for place in range(len(sound))
        if sound.startswith(mark, place)
        for offset in range(0, 30, 3)
    ]
    rng = np.random.default_rng(0)
    for place in [*rng.choice(headers, 100), *rng.integers(len(sound), size=40)]:
        damaged = bytearray(sound)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            found = load_checkpoint(file, identity)
        except ValueError:
            refused += 1
        else:
            assert np.array_equal(found.mesh.vertices, whole.mesh.vertices)
            assert found.loss_history == whole.loss_history
    assert refused > 70


def test_sound_archive_with_a_part_missing(tmp_path: Path) -> None:
    _, identity = checkpoint_bytes(tmp_path)
    with np.load(tmp_path / "sound.npz") as archive:
        parts = {name: archive[name] for name in archive.files if name != "interior"}
    np.savez(tmp_path / "partial.npz", **parts)
    with pytest.raises(ValueError, match=r"checkpoint: .*partial.npz is damaged .*start afresh"):
        load_checkpoint(tmp_path / "partial.npz", identity)


def test_nothing_is_left_of_a_checkpoint_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, file = ball(), tmp_path / "checkpoint.npz"
    stopped(scene, SHORT, 1, file)
    sound = file.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    result = stopped(scene, SHORT, 2, file)
    assert any("could not be kept" in warning for warning in result.warnings)
    assert len(result.loss_history) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.npz"]
    assert file.read_bytes() == sound


def test_checkpoint_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "checkpoint.npz"
    monkeypatch.setattr("napari_deltamic.fitting.checkpoint._VERSION", 99)
    stopped(ball(), SHORT, 1, file)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="another version"):
        ball().fit(SHORT, checkpoint=file, resume=True)


def test_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.npz", "")


@pytest.mark.parametrize("place", ["missing/checkpoint.npz", "."])
def test_checkpoint_that_cannot_be_written_is_refused_at_once(place: str, tmp_path: Path) -> None:
    states: list[FitState] = []
    with pytest.raises(ValueError, match=r"checkpoint: .* must be a file in a folder that exists"):
        ball().fit(QUICK, states.append, checkpoint=tmp_path / place)
    assert states == []


def test_an_untouched_progress_survives(tmp_path: Path) -> None:
    scene, file = ball(), tmp_path / "checkpoint.npz"
    _, progress = prepare(scene.stack, scene.seed, scene.psf, QUICK)
    save_checkpoint(file, progress, "identity")
    found = load_checkpoint(file, "identity")
    assert np.array_equal(found.mesh.vertices, progress.mesh.vertices)
    assert found.here is None
    assert found.anchor is None
    assert found.memory.steps == []


def test_resume_needs_a_checkpoint() -> None:
    with pytest.raises(ValueError, match="resume: there is no checkpoint"):
        ball().fit(SHORT, resume=True)
