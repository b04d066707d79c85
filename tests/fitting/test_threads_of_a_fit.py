"""A fit does not depend on which thread runs it, nor on what others do with torch meanwhile."""

from threading import Thread

import numpy as np
import torch

from napari_deltamic.fitting import FitResult, FitSettings, fit
from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.torch_threads import torch_threads

PSF = GaussianPSF(sigma=0.4)
TRUTH = icosphere((6.0, 6.0, 6.0), 4.0, subdivisions=4)
STACK = ImageStack(render(TRUTH, PSF, (51, 51, 51), (0.25, 0.25, 0.25)), (0.25,) * 3)
START = icosphere((6.0, 6.1, 6.0), 3.6)
# Weighted voxels are added up by torch itself.
SETTINGS = FitSettings(stages=2, max_iterations=16, noise="poisson")


def test_a_thread_born_while_another_holds_torch_fits_the_same() -> None:
    expected = fit(STACK, START, PSF, SETTINGS)
    results: list[FitResult] = []
    counts: list[int] = []

    def run() -> None:
        torch.ones(8).sum()
        results.append(fit(STACK, START, PSF, SETTINGS))
        counts.append(torch.get_num_threads())

    with torch_threads(1):
        thread = Thread(target=run)
        thread.start()
        thread.join()
    assert counts == [1], "what the thread was given is given back"
    np.testing.assert_array_equal(results[0].mesh.vertices, expected.mesh.vertices)
