"""Objectives and dyes that many laboratories have, with the numbers that a PSF needs of them."""

from __future__ import annotations

from typing import NamedTuple

OIL, SILICONE, WATER, AIR = 1.515, 1.406, 1.333, 1.0


class ObjectivePreset(NamedTuple):
    """An objective as its maker describes it."""

    name: str
    na: float
    magnification: float
    immersion: float
    """Refractive index of what it is made for."""
    working_distance: float
    """In um."""
    coverslip: bool = True
    """False for one that is dipped into the sample's medium, with no glass between."""

    def arguments(self) -> dict[str, float]:
        """Return the numbers that a PSF of this objective takes.

        Without a coverslip the glass is replaced by as much immersion, which leaves no trace.
        """
        glass = 1.515 if self.coverslip else self.immersion
        return {
            "na": self.na,
            "immersion_index": self.immersion,
            "immersion_design_index": self.immersion,
            "coverslip_index": glass,
            "coverslip_design_index": glass,
            "coverslip_thickness": 170.0,
            "coverslip_design_thickness": 170.0,
            "working_distance": self.working_distance,
        }


class DyePreset(NamedTuple):
    """A dye, the laser line that usually excites it, and the peak of what it emits, in um."""

    name: str
    excitation: float
    emission: float


OBJECTIVES = (
    ObjectivePreset("100x/1.45 oil, Nikon Plan Apo Lambda", 1.45, 100, OIL, 130),
    ObjectivePreset("60x/1.40 oil, Nikon Plan Apo Lambda", 1.40, 60, OIL, 130),
    ObjectivePreset("60x/1.27 water, Nikon Plan Apo IR", 1.27, 60, WATER, 170),
    ObjectivePreset("40x/1.25 silicone, Nikon Plan Apo Lambda S", 1.25, 40, SILICONE, 300),
    ObjectivePreset("20x/0.75 air, Nikon Plan Apo Lambda", 0.75, 20, AIR, 1000),
    ObjectivePreset("10x/0.45 air, Nikon Plan Apo Lambda", 0.45, 10, AIR, 4000),
    ObjectivePreset("63x/1.40 oil, Zeiss Plan-Apochromat", 1.40, 63, OIL, 190),
    ObjectivePreset("40x/1.20 water, Zeiss C-Apochromat", 1.20, 40, WATER, 280),
    ObjectivePreset("20x/0.80 air, Zeiss Plan-Apochromat", 0.80, 20, AIR, 550),
    ObjectivePreset("20x/1.0 dipping, Zeiss W Plan-Apochromat", 1.00, 20, WATER, 1800, False),
    ObjectivePreset("63x/1.0 dipping, Zeiss W Plan-Apochromat", 1.00, 63, WATER, 2100, False),
    ObjectivePreset("60x/1.30 silicone, Evident UPLSAPO", 1.30, 60, SILICONE, 300),
    ObjectivePreset("30x/1.05 silicone, Evident UPLSAPO", 1.05, 30, SILICONE, 800),
    ObjectivePreset("25x/1.05 dipping, Evident XLPLN", 1.05, 25, WATER, 2000, False),
    ObjectivePreset("63x/1.40 oil, Leica HC PL APO", 1.40, 63, OIL, 140),
)

DYES = (
    DyePreset("DAPI, Hoechst", 0.405, 0.461),
    DyePreset("GFP", 0.488, 0.509),
    DyePreset("Alexa Fluor 488", 0.488, 0.519),
    DyePreset("mNeonGreen", 0.488, 0.517),
    DyePreset("tdTomato", 0.561, 0.581),
    DyePreset("mScarlet", 0.561, 0.594),
    DyePreset("Alexa Fluor 568", 0.561, 0.603),
    DyePreset("mCherry", 0.561, 0.610),
    DyePreset("Alexa Fluor 647", 0.640, 0.665),
)
