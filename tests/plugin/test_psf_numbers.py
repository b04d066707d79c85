"""The table of the PSF designer agrees with the classes it describes."""

import pytest

from napari_deltamic.optics.presets import DYES, OBJECTIVES
from napari_deltamic.plugin.psf_choice import choice_of, gaussian
from napari_deltamic.plugin.psf_numbers import (
    FIELD_MODELS,
    MODALITIES,
    NUMBERS,
    choice_from,
    in_words,
    keys_of,
    model_of,
    values_from,
)
from napari_deltamic.plugin.psf_words import sampling

START = {key: number.start for key, number in NUMBERS.items()}


@pytest.mark.parametrize("modality", MODALITIES[:-1], ids=lambda one: one.title)
@pytest.mark.parametrize("model", FIELD_MODELS)
def test_numbers_survive_the_way_to_a_psf_and_back(modality, model):
    waves = {5: 0.1, 6: 0.0}
    choice = choice_from(modality, START, model, waves, None)
    again = choice_of(choice.make())
    assert again.class_name == choice.class_name
    values = values_from(again)
    assert values == pytest.approx({key: START[key] for key in keys_of(modality)})
    if modality.title != "Gaussian":
        assert model_of(again) == model
        assert again.arguments["aberrations"] == {5: 0.1}


@pytest.mark.parametrize("preset", OBJECTIVES, ids=lambda one: one.name)
def test_every_objective_makes_a_psf(preset):
    values = START | {key: value * NUMBERS[key].per_um for key, value in preset.arguments().items()}
    values["sample_index"] = max(preset.immersion, 1.333)
    numbers = choice_from(MODALITIES[1], values, "richards_wolf", {}, None).make().arguments()
    assert numbers["na"] < numbers["immersion_index"]
    # The name is what people choose by.
    assert preset.name.startswith(f"{preset.magnification:g}x/")
    assert float(preset.name.split("/")[1].split()[0]) == preset.na


def test_dyes_emit_longer_waves_than_excite_them():
    assert all(0.4 < dye.excitation < dye.emission < 0.7 for dye in DYES)


def test_every_slider_lies_within_the_limits_of_its_number():
    for number in NUMBERS.values():
        assert number.limits[0] <= number.slider[0] < number.slider[1] <= number.limits[1]
        assert number.slider[0] <= number.start <= number.slider[1]
        assert number.tip


def test_messages_speak_of_titles():
    said = in_words("na: 1.4 needs an immersion; set immersion_index (oil 1.515)")
    assert said == "NA: 1.4 needs an immersion; set Immersion index (oil 1.515)"


def test_a_tilted_gaussian_is_shown_by_its_widths():
    from napari_deltamic.optics import GaussianPSF

    tilted = GaussianPSF(covariance=[[0.25, 0.05, 0], [0.05, 0.09, 0], [0, 0, 0.04]])
    choice = choice_of(tilted)
    assert choice.summary().startswith("Gaussian, tilted")
    assert values_from(choice) == pytest.approx({"sigma_z": 0.5, "sigma_y": 0.3, "sigma_x": 0.2})
    assert values_from(gaussian((3, 2, 1))) == {"sigma_z": 3, "sigma_y": 2, "sigma_x": 1}


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        ((0.3, 0.1, 0.1), "Sampled well"),
        ((0.6, 0.1, 0.1), "Undersampled along z: 0.6 µm; Nyquist asks for 0.3 µm"),
        ((0.3, 0.12, 0.12), "Slightly undersampled along y and x"),
        ((1, 1, 1), "Undersampled along z, y and x"),
    ],
)
def test_sampling_names_the_axes_that_are_too_coarse(spacing, words):
    import numpy as np

    verdict = sampling(np.array([0.3, 0.1, 0.1]), np.array(spacing))
    assert verdict.text.startswith(words)
    assert verdict.is_good == words.startswith("Sampled")
