"""The spreading kernel: its transform, its error estimate, and the choice of the grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.meshft.kernel import (
    narrowest_kernel,
    relative_error,
    spreading_kernel,
)

WIDTHS = st.sampled_from([6, 8, 16])
UPSAMPLINGS = st.sampled_from([1.15, 1.25, 1.5, 2.0, 2.5])
ROUNDING = {
    6: np.finfo(np.float32).eps / 2,
    8: np.finfo(np.float32).eps / 2,
    16: np.finfo(np.float64).eps / 2,
}


def spread_point(kernel, position: float, size: int) -> np.ndarray:
    """Spread a unit mass on a periodic line as the module's docstring says."""
    start = position - kernel.width / 2
    first = int(np.ceil(start))
    s = 2 * (first - start) - 1
    weights = s ** np.arange(len(kernel.coefficients)) @ kernel.coefficients
    line = np.zeros(size)
    np.add.at(line, (first + np.arange(kernel.width)) % size, weights)
    return line


def measured_error(kernel, band: int) -> float:
    """Return the relative error of one axis, over positions within a grid step."""
    size = round(kernel.upsampling * (2 * band + 1))
    modes = np.arange(band + 1)
    scale = kernel.transform(modes, size)
    errors = []
    for position in np.linspace(3.0, 4.0, 21):
        found = np.fft.fft(spread_point(kernel, position, size))[: band + 1] / scale
        errors.append(found - np.exp(-2j * np.pi * modes * position / size))
    return float(np.sqrt(np.mean(np.abs(errors) ** 2)))


@given(WIDTHS, UPSAMPLINGS)
def test_the_error_estimate_is_the_measured_error(width: int, upsampling: float) -> None:
    kernel = spreading_kernel(width, upsampling)
    # Three axes add in the square; with no rounding only aliasing is left to estimate.
    estimate = relative_error(kernel, 0.0)
    measured = np.sqrt(3.0) * measured_error(kernel, 32)
    assert estimate == pytest.approx(measured, rel=0.25, abs=5e-15)


@given(WIDTHS, UPSAMPLINGS, st.floats(0, 1, exclude_max=True))
def test_the_transform_is_that_of_the_polynomials(width, upsampling, offset) -> None:
    kernel = spreading_kernel(width, upsampling)
    size = 64
    # Mode zero of a spread point is the sum of its weights: the transform, but for aliases.
    total = spread_point(kernel, 20 + offset, size).sum()
    expected = kernel.transform(np.array([0]), size)[0]
    assert total == pytest.approx(expected, rel=relative_error(kernel, 0.0) + 1e-14)


@given(WIDTHS, UPSAMPLINGS)
def test_the_kernel_is_symmetric_and_positive(width: int, upsampling: float) -> None:
    line = spread_point(spreading_kernel(width, upsampling), 20.5, 64)
    np.testing.assert_allclose(line, np.roll(line[::-1], 42 - 64), atol=1e-13)
    assert line[20 : 20 + width // 2].min() > 0
    assert np.count_nonzero(line) == width


@pytest.mark.parametrize("width", [8, 16])
def test_the_transform_does_not_vanish_in_the_band(width: int) -> None:
    for upsampling in (1.15, 1.5, 2.5):
        kernel = spreading_kernel(width, upsampling)
        assert kernel.transform(np.arange(33), round(upsampling * 65)).min() > 0


@pytest.mark.parametrize("width", [8, 16])
def test_a_finer_tolerance_asks_for_a_finer_grid(width: int) -> None:
    tolerances = 10.0 ** -np.arange(2, 7 if width == 8 else 13)
    kernels = [narrowest_kernel(float(t), ROUNDING[width], (width,)) for t in tolerances]
    chosen = [kernel.upsampling for kernel in kernels]
    assert chosen == sorted(chosen)
    assert chosen[0] < chosen[-1]
    for tolerance, kernel in zip(tolerances, kernels, strict=True):
        assert relative_error(kernel, ROUNDING[width]) <= tolerance


def test_a_tolerance_out_of_reach_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tolerance: this precision reaches 2e-07 at best"):
        narrowest_kernel(1e-9, ROUNDING[8], (8,))


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6, 1e-9, 1e-12])
def test_the_narrowest_kernel_reaches_the_tolerance_and_no_narrower_does(tolerance: float) -> None:
    rounding = ROUNDING[16]
    kernel = narrowest_kernel(tolerance, rounding)
    assert relative_error(kernel, rounding) <= tolerance
    assert kernel.upsampling <= 1.6
    if kernel.width > 4:
        for upsampling in (1.15, 1.3, 1.5, 1.6):
            narrower = spreading_kernel(kernel.width - 1, upsampling)
            assert relative_error(narrower, rounding) > tolerance


def test_a_tolerance_beyond_every_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tolerance: this precision reaches .* at best"):
        narrowest_kernel(1e-8, ROUNDING[8])
    assert narrowest_kernel(5e-7, ROUNDING[8]).upsampling > 1.6
