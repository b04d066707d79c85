"""A full disk, or a GPU that is too small, while a tissue is fitted."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from full_disk import full_disk
from napari_deltamic.meshft import backends, transform
from napari_deltamic.tissue import fit_tissue
from tissue_cases import QUICK, row


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_a_full_disk_ends_no_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    case, file = row(2), tmp_path / "tissue.npz"
    settings = QUICK.model_copy(update={"max_iterations": 2, "stages": 1})
    request = case.stack, case.seed, case.psf, settings
    with full_disk(1000):
        result = fit_tissue(*request, cells=1, checkpoint=file)
    lost = f"the progress could not be kept in {file} (File too large)"
    assert lost in result.warnings
    assert caplog.text.count(lost) == 1
    assert list(tmp_path.iterdir()) == []
    whole = fit_tissue(*request, cells=1, checkpoint=file)
    assert result.stop_reason == whole.stop_reason
    np.testing.assert_array_equal(result.mesh.vertices, whole.mesh.vertices)


def test_where_the_gpu_is_too_small_the_cpu_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    choose, calls = backends.choose_backend, 0

    class Small(backends.CpuBackend):
        def forward(self, *mesh: torch.Tensor):
            nonlocal calls
            calls += 1
            if calls > 5:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return super().forward(*mesh)

    def choice(name: str, device: object = None) -> backends.Choice:
        if name == "cpu":
            return choose("cpu")
        return backends.Choice(Small, "CUDA: a small one", torch.device("cpu"))

    case = row(3)
    settings = QUICK.model_copy(update={"max_iterations": 4})
    on_cpu = settings.model_copy(update={"backend": "cpu"})
    whole = fit_tissue(case.stack, case.seed, case.psf, on_cpu, cells=1)
    monkeypatch.setattr(transform, "choose_backend", choice)
    result = fit_tissue(case.stack, case.seed, case.psf, settings, cells=1)
    # Once is enough: the blocks after it do not try again.
    (warning,) = result.warnings
    assert warning.startswith("block 1: the GPU ran out of memory; the CPU went on")
    np.testing.assert_allclose(result.mesh.vertices, whole.mesh.vertices, atol=1e-3)
