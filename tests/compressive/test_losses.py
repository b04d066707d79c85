import numpy as np
import pytest
import torch
from compressive_cases import discs
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_deltamic.compressive import losses, scores


def pair(seed=0, shape=(3, 1, 24, 30)):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(shape, generator=generator, dtype=torch.float64)
    return truth + 0.2 * torch.randn(shape, generator=generator, dtype=torch.float64), truth


@pytest.mark.parametrize("data_range", [1.0, 3.0])
def test_ssim_is_that_of_scikit_image(data_range):
    image, truth = pair()
    found = losses.structural_similarity(image, truth, data_range)
    for one, a, b in zip(found, image[:, 0].numpy(), truth[:, 0].numpy(), strict=True):
        expected = structural_similarity(
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            data_range=data_range,
        )  # fmt: skip
        assert float(one) == pytest.approx(expected, abs=1e-10)


def test_ssim_of_planes_is_their_mean():
    image, truth = pair(shape=(2, 3, 16, 16))
    planes = losses.structural_similarity(image.flatten(0, 1), truth.flatten(0, 1))
    torch.testing.assert_close(
        losses.structural_similarity(image, truth), planes.reshape(2, 3).mean(1)
    )


def test_ssim_is_differentiable():
    image, truth = pair(shape=(1, 12, 13))
    assert torch.autograd.gradcheck(
        lambda one: losses.structural_similarity(one, truth), image.requires_grad_()
    )


def test_the_segmentation_loss_falls_with_the_error():
    target = discs(4).targets
    sure = 20.0 * (target - 0.5)
    right, wrong = losses.segmentation_loss(sure, target), losses.segmentation_loss(-sure, target)
    assert float(right) < 1e-3
    assert float(wrong) > 5.0


def test_scores_are_those_of_scikit_image():
    image, truth = pair()
    ssim, psnr, l1 = scores.image_scores(image, truth)
    kept = image.clamp(0, 1)
    for i in range(3):
        a, b = kept[i, 0].numpy(), truth[i, 0].numpy()
        assert float(psnr[i]) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1.0))
        assert float(l1[i]) == pytest.approx(np.abs(a - b).mean())
    torch.testing.assert_close(ssim, losses.structural_similarity(kept, truth))


def test_dice_counts_overlap():
    a = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]])
    b = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    assert scores.dice(a, b).tolist() == [0.5, 1.0, 0.0]
