"""A disk that gets full while a tissue is fitted."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from full_disk import full_disk
from napari_deltamic.tissue import fit_tissue
from tissue_cases import QUICK, row


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_a_full_disk_ends_no_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    case, file = row(2), tmp_path / "tissue.npz"
    settings = QUICK.model_copy(update={"max_iterations": 2, "stages": 1})
    request = case.stack, case.seed, case.psf, settings
    with full_disk(1000):
        result = fit_tissue(*request, cells=1, checkpoint=file)
    assert f"the progress could not be kept in {file} (File too large)" in caplog.text
    assert list(tmp_path.iterdir()) == []
    whole = fit_tissue(*request, cells=1, checkpoint=file)
    assert result.stop_reason == whole.stop_reason
    np.testing.assert_array_equal(result.mesh.vertices, whole.mesh.vertices)
