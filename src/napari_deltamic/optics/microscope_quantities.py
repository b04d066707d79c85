"""Which numbers of a microscope may be learned, and how well they are known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deltamic.optics.quantities import Quantity

if TYPE_CHECKING:
    from napari_deltamic.optics.microscope import MicroscopePSF

# Unit, bounds, and one standard deviation, of the logarithm where it is said to be one.
_KNOWN: dict[str, tuple[str, float, float, float, bool]] = {
    "na": ("", 0.05, 1.7, 0.1, False),
    "wavelength": ("um", 0.2, 2.0, 0.02, False),
    "excitation_wavelength": ("um", 0.2, 2.0, 0.01, False),
    "emission_wavelength": ("um", 0.2, 2.0, 0.02, False),
    "polarisation": ("degrees", -360.0, 360.0, 30.0, False),
    "pinhole": ("Airy units", 0.1, 20.0, 0.3, True),
    "pinhole_diameter": ("um", 1.0, 1000.0, 0.2, True),
    "pinhole_pitch": ("um", 10.0, 10000.0, 0.2, True),
    "sheet_thickness": ("um", 0.1, 100.0, 0.5, True),
    "immersion_index": ("", 1.0, 1.8, 0.005, False),
    "sample_index": ("", 1.0, 1.8, 0.03, False),
    "coverslip_index": ("", 1.3, 1.8, 0.01, False),
    "coverslip_thickness": ("um", 1.0, 2000.0, 10.0, False),
    "depth": ("um", 0.0, 5000.0, 10.0, False),
}
_WAVES = 0.15


def quantities_of(psf: MicroscopePSF, noll: tuple[int, ...]) -> list[Quantity]:
    """Return the numbers of a microscope that may be learned."""
    held = dict(psf.named_parameters())
    between = float((held["na"] + held["immersion_index"]).detach()) / 2
    found = []
    for name, (unit, lower, upper, width, logarithmic) in _KNOWN.items():
        if name in held:
            # Each on its side, so that no aperture comes to exceed its immersion's index.
            if name == "na":
                upper = between
            elif name == "immersion_index":
                lower = between
            found.append(Quantity(name, unit, name, None, lower, upper, width, logarithmic))
    found += [
        Quantity(f"zernike_{j}", "waves", "aberrations", i, -1.0, 1.0, _WAVES)
        for i, j in enumerate(noll)
    ]
    return found
