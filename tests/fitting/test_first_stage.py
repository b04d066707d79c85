"""A fit of a mesh that is nearly right may leave coarse stages out."""

import numpy as np
import pytest

from napari_deltamic.fitting import FitSettings, fit
from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF

PSF = GaussianPSF(sigma=0.4)
TRUTH = icosphere((4.0, 4.0, 4.0), 2.5)
STACK = ImageStack(render(TRUTH, PSF, (21, 21, 21), (0.4, 0.4, 0.4)), (0.4, 0.4, 0.4))
START = icosphere((4.0, 4.1, 4.0), 2.3)
SETTINGS = FitSettings(stages=3, max_iterations=30)


@pytest.mark.parametrize(("first_stage", "expected"), [(0, [0, 1, 2]), (1, [1, 2]), (7, [2])])
def test_it_begins_at_the_stage_asked_for(first_stage, expected):
    stages = []
    result = fit(
        STACK, START, PSF, SETTINGS, lambda s: stages.append(s.stage), first_stage=first_stage
    )
    assert sorted(set(stages)) == expected
    assert len(result.stage_starts) == len(expected)
    np.testing.assert_allclose(result.mesh.volumes(), TRUTH.volumes(), rtol=0.02)


def test_a_stage_before_the_first_is_refused():
    with pytest.raises(ValueError, match="first_stage"):
        fit(STACK, START, PSF, SETTINGS, first_stage=-1)
