"""A fit may be left at any yield: yields are close together, and nothing is half done at one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitting_cases import SPACING, Scene, ball, blocks

from napari_deltamic.fitting import FitSettings, brightness, leg, objective, preconditioner
from napari_deltamic.fitting.checkpoint import load_checkpoint, save_checkpoint
from napari_deltamic.fitting.guard import Guard
from napari_deltamic.fitting.lbfgs import Memory
from napari_deltamic.fitting.loop import fit_states
from napari_deltamic.fitting.prepared_fit import PreparedFit, prepare
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.imaging import ImageStack, poisson_noise, render
from napari_deltamic.optics import GaussianPSF

# Legs of at most 12 iterations: a renewal falls within each.
SETTINGS = FitSettings(stages=2, max_iterations=24, noise="poisson")


def cells() -> Scene:
    """Return eight touching cubes: so many interfaces that conjugate gradients solve for them."""
    shape, psf = (24, 26, 28), GaussianPSF(0.12)
    truth = blocks(np.arange(1, 9).reshape(2, 2, 2), 0.8, (0.35, 0.45, 0.55))
    image = render(truth, psf, shape, (SPACING,) * 3, membrane=3.0)
    noisy = poisson_noise(image, 200.0, seed=1, background=10.0)
    seed = truth.with_vertices(truth.vertices + np.array([0.06, -0.05, 0.04]))
    return Scene(ImageStack(noisy, (SPACING,) * 3), seed, psf, truth)


def prepared(scene: Scene, settings: FitSettings = SETTINGS) -> tuple[PreparedFit, Progress]:
    return prepare(scene.stack, scene.seed, scene.psf, settings)


def written(progress: Progress, file: Path) -> bytes:
    save_checkpoint(file, progress, "")
    return file.read_bytes()


def place(progress: Progress) -> tuple[Any, ...]:
    return progress.stage, progress.leg, progress.begun, progress.iteration


SCENES = pytest.mark.parametrize("make", [lambda: ball(noise="poisson"), cells], ids=["one", "8"])


@SCENES
def test_progress_changes_from_step_to_step_only(make: Callable[[], Scene], tmp_path: Path) -> None:
    fit, progress = prepared(make())
    known, before, waits = None, place(progress), 0
    for state in fit_states(fit, progress):
        now = written(progress, tmp_path / "checkpoint.npz")
        if state is None and place(progress) == before and known is not None:
            assert now == known
            waits += 1
        known, before = now, place(progress)
    assert waits > 3 * progress.iteration


@SCENES
def test_who_leaves_anywhere_goes_on_as_if_never_gone(
    make: Callable[[], Scene], tmp_path: Path
) -> None:
    scene, file = make(), tmp_path / "checkpoint.npz"
    fit, whole = prepared(scene)
    yields = sum(1 for _ in fit_states(fit, whole))
    for last in range(2, yields, yields // 7):
        _, progress = prepared(scene)
        states = fit_states(fit, progress)
        for _ in range(last):
            next(states)
        states.close()
        save_checkpoint(file, progress, "")
        resumed = load_checkpoint(file, "")
        for _ in fit_states(fit, resumed):
            pass
        assert resumed.loss_history == whole.loss_history
        assert np.array_equal(resumed.mesh.vertices, whole.mesh.vertices)
        assert np.array_equal(resumed.brightness.membrane, whole.brightness.membrane)


def test_what_misleads_a_step_is_forgotten_with_that_step(tmp_path: Path) -> None:
    fit, progress = prepared(ball(noise="poisson"))
    states, file = fit_states(fit, progress), tmp_path / "checkpoint.npz"
    while progress.iteration < 5:
        next(states)
    memory = progress.memory
    assert memory.smoothed is not None
    # As if the way down were the way up.
    progress.memory = Memory(memory.steps[-1:], memory.changes[-1:], -memory.smoothed)
    known, waits = written(progress, file), 0
    while next(states) is None:
        assert written(progress, file) == known
        waits += 1
    assert waits > 0
    assert len(progress.memory.steps) <= 1


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the long pieces of work of a leg, which grows while they are done."""
    names: list[str] = []

    def noted(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            names.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    for owner, name in (
        (leg, "leg_problem"),
        (leg, "roughness"),
        (preconditioner, "_factorised"),
        (objective, "evaluate"),
        (objective, "model_of_data"),
        (objective, "reweighted"),
        (Guard, "_measured"),
        (Guard, "crossing"),
        (brightness._Light, "_render"),
    ):
        noted(owner, name)
    return names


@SCENES
def test_between_two_yields_one_thing_is_done(make: Callable[[], Scene], done: list[str]) -> None:
    fit, progress = prepared(make())
    seen: set[str] = set()
    for _ in fit_states(fit, progress):
        assert len(done) <= 1, done
        seen |= set(done)
        done.clear()
    assert seen >= {"leg_problem", "_factorised", "evaluate", "model_of_data", "reweighted"}
    assert {"_render", "_measured"} <= seen or not progress.mesh.has_contacts
