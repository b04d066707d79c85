"""A model's acquisition for specimens of any depth."""

import torch
from compressive_cases import SIZE, discs, quick_model

from napari_deltamic.compressive import acquisition_of
from napari_deltamic.optics import GaussianPSF


def test_of_the_models_own_depth_it_is_the_models_operator():
    model, density = quick_model(depth=3), discs(1, depth=3).images
    acquisition = acquisition_of(model, 3)
    with torch.no_grad():
        torch.testing.assert_close(acquisition(density), model.frames(density, model.patterns()))


def test_it_has_as_many_planes_as_asked_for_and_blurs_along_z():
    model = quick_model()
    acquisition = acquisition_of(model, 5)
    assert acquisition.frame_shape == (4, 5, SIZE // 8, SIZE // 8)
    point = torch.zeros(5, SIZE, SIZE)
    point[2, 12, 12] = 1.0
    planes = acquisition(point).sum((0, 2, 3)).detach()
    torch.testing.assert_close(planes, planes.flip(0))
    assert 0.0 < planes[1] < planes[2]


def test_another_blur_takes_the_place_of_the_models():
    model, psf = quick_model(), GaussianPSF((2.0, 1.0, 1.0))
    assert acquisition_of(model, 5).emission is model.emission
    acquisition = acquisition_of(model, 5, psf)
    assert acquisition.emission is psf
    assert model.emission is not psf
