"""The PSF of a kind of microscope, an objective and a dye, all else being usual; no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deltamic.plugin.psf_choice import PsfChoice
from napari_deltamic.plugin.psf_numbers import (
    FIELD_MODELS,
    MODALITIES,
    NUMBERS,
    Modality,
    choice_from,
    is_physical,
    usual_followers,
)

if TYPE_CHECKING:
    from napari_deltamic.optics.presets import DyePreset, ObjectivePreset

MICROSCOPES = tuple(modality for modality in MODALITIES if is_physical(modality))


def preset_choice(
    microscope: Modality, objective: ObjectivePreset, dye: DyePreset | None
) -> PsfChoice:
    """Return the PSF of one of ``MICROSCOPES``; without a dye, of light of usual wavelengths."""
    values = {key: number.start for key, number in NUMBERS.items()}
    values |= usual_followers(objective.immersion)
    given = objective.arguments() | {"magnification": objective.magnification}
    if dye is not None:
        given |= {"excitation": dye.excitation, "emission": dye.emission}
    for key, value in given.items():
        values[key] = value * NUMBERS[key].per_um
    return choice_from(microscope, values, next(iter(FIELD_MODELS)), {}, None)
