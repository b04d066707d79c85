"""A GPU that runs out of memory: the CPU goes on from the same state, or a sentence says so."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from fitting_cases import Scene, ball

from napari_deltamic.fitting import FitSettings, FitState, loop
from napari_deltamic.meshft import backends, transform

SETTINGS = FitSettings(stages=2, max_iterations=16)
AFTER = 30


@pytest.fixture
def small_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every choice but the CPU's run out of memory after some calls."""
    choose = backends.choose_backend
    calls = 0

    class Small(backends.CpuBackend):
        def forward(self, *mesh: torch.Tensor):
            nonlocal calls
            calls += 1
            if calls > AFTER:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return super().forward(*mesh)

    def choice(name: str, device: object = None) -> backends.Choice:
        if name == "cpu":
            return choose("cpu")
        return backends.Choice(Small, "CUDA: a small one", torch.device("cpu"))

    monkeypatch.setattr(transform, "choose_backend", choice)


def fitted(scene: Scene, backend: str):
    return scene.fit(SETTINGS.model_copy(update={"backend": backend}))


def test_the_cpu_goes_on_from_the_same_state(small_gpu: None) -> None:
    scene = ball()
    result, whole = fitted(scene, "auto"), fitted(scene, "cpu")
    (warning,) = result.warnings
    assert warning.startswith("the GPU ran out of memory; the CPU went on from iteration ")
    switched = int(warning.split()[-1])
    assert 5 < switched < len(result.loss_history)
    assert result.loss_history[:switched] == whole.loss_history[:switched]
    assert result.loss_history == pytest.approx(whole.loss_history, rel=1e-3)
    assert result.mesh.vertices == pytest.approx(whole.mesh.vertices, abs=1e-3)
    assert np.allclose(result.image, whole.image, rtol=1e-3)


def test_who_insists_on_the_gpu_is_told(small_gpu: None) -> None:
    with pytest.raises(RuntimeError, match=r"backend: the GPU ran out of memory at .*auto"):
        fitted(ball(), "cuda")


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*mesh: object) -> None:
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr(backends.CpuBackend, "forward", fail)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        fitted(ball(), "cpu")


@pytest.mark.parametrize("fails", [False, True])
def test_memory_is_given_back_however_a_fit_ends(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back = []
    monkeypatch.setattr(loop, "release_memory", lambda: given_back.append(True))

    def on_state(state: FitState) -> None:
        if fails:
            raise KeyError("the caller's own")

    with pytest.raises(KeyError) if fails else nullcontext():
        ball().fit(SETTINGS, on_state)
    assert given_back == [True]
