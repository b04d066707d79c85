"""The blur that data and rendering share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deltamic.fitting.stage_blur import StageBlur

SPACING = np.array([0.5, 0.2, 0.2])


def wave(frequency: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    axes = [step * (np.arange(n) - n // 2) for n, step in zip(shape, SPACING, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return np.cos(2 * np.pi * grid @ frequency)


@pytest.mark.parametrize("sigma", [0.0, 0.04, 0.08, 0.3])
@pytest.mark.parametrize("frequency", [(0.0, 0.0, 0.0), (0.6, 0.0, 0.0), (0.2, 1.0, -2.0)])
def test_the_transfer_function_is_what_becomes_of_a_wave(
    sigma: float, frequency: tuple[float, float, float]
) -> None:
    blur = StageBlur(sigma, SPACING)
    shape = (13, 25, 25)
    middle = tuple(n // 2 for n in shape)
    expected = float(blur.transfer(torch.tensor(frequency, dtype=torch.float64)))
    found = blur.of(wave(np.array(frequency), shape))[middle]
    assert found == pytest.approx(expected, abs=1e-12)


def test_wide_blurs_are_those_of_modes_and_narrow_ones_are_not() -> None:
    frequencies = torch.zeros(20, 3, dtype=torch.float64)
    frequencies[:, 2] = torch.linspace(0.0, 2.5, 20)
    apart = [
        (StageBlur(sigma, SPACING).transfer(frequencies) - StageBlur(sigma).transfer(frequencies))
        .abs()
        .max()
        for sigma in (0.3, 0.08)
    ]
    assert apart[0] < 1e-3
    assert apart[1] > 0.1


def test_voxels_blurred_by_nothing_stay() -> None:
    image = np.random.default_rng(0).normal(size=(4, 5, 6))
    np.testing.assert_array_equal(StageBlur(0.0, SPACING).of(image), image)
