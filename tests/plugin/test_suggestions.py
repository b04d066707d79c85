"""What an image says of itself: generated ones, whose truth is known, and real ones."""

import numpy as np
import pytest
import tifffile

from napari_deltamic.imaging import fetch, make_embryo, poisson_noise, render
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin.suggestions import (
    has_background,
    middle,
    suggest,
    suggested_marks,
    suggested_noise,
)


@pytest.fixture(scope="module")
def photons():
    return make_embryo(cells=4, seed=2).stack.data


@pytest.fixture(scope="module")
def nucleus():
    spacing, shape = (0.6, 0.3, 0.3), (24, 48, 48)
    ball = icosphere((6.9, 7.0, 7.0), 4.0, 3)
    return render(ball, GaussianPSF(spacing), shape, spacing, membrane=0.0, interior=1.0)


def test_photons_of_an_embryo(photons):
    assert suggest(photons) == suggest(photons.astype(np.uint16))
    assert suggest(photons).marks == "membrane"
    assert suggest(photons).noise == "poisson"


def test_a_filled_body(nucleus):
    counts = poisson_noise(nucleus, 200.0, 1, 2.0)
    assert suggested_marks(counts) == "interior"
    assert suggested_noise(counts) == "poisson"


def test_an_offset_or_read_noise_makes_it_gaussian(photons, nucleus):
    assert suggested_noise(photons + 100.0) == "gaussian"
    noise = np.random.default_rng(0).normal(0.0, 2.0, nucleus.shape)
    assert suggested_noise(50.0 * nucleus + noise) == "gaussian"


def test_an_image_without_structure_says_nothing():
    assert suggested_marks(np.zeros((8, 16, 16))) is None
    assert suggest(np.zeros((8, 16, 16))).noise == "gaussian"


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("celegans_dub_t33_membrane.tif", "membrane"),
        ("mouse_embryo_nuclei_8cell.tif", "interior"),
        # Saturated walls leave a doubt, and the user is asked.
        ("ovule_membrane.tif", None),
    ],
)
def test_real_stacks(name, marks):
    try:
        file = fetch(name, download=False)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert suggested_marks(tifffile.imread(file)) == marks


def test_a_background_is_worth_solving_for_unless_the_dark_is_black(photons, nucleus):
    assert has_background(photons)
    assert has_background(poisson_noise(nucleus, 200.0, 1, 2.0))
    assert has_background(-0.1 + nucleus)
    black = nucleus - nucleus.min()
    assert not has_background(np.where(black < 0.01 * black.max(), 0.0, black))


def test_of_a_large_image_the_middle_is_looked_at():
    shape = (100, 2000, 3000)
    kept = middle(shape)
    for part, size in zip(kept, shape, strict=True):
        assert abs((part.start + part.stop) - size) <= 1
    assert 2_000_000 < np.prod([part.stop - part.start for part in kept]) <= 4_100_000
    assert middle((10, 20, 30)) == (slice(0, 10), slice(0, 20), slice(0, 30))
