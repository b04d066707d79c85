"""How finely an image must be sampled for a PSF to lose nothing."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.optics.microscope import MicroscopePSF
from napari_deltamic.optics.psf import PSF

# What a PSF without a limit passes of a frequency that is not worth sampling.
_FAINT = 0.01
_STEPS = 400


def nyquist_spacing(psf: PSF) -> NDArray[np.float64]:
    """Return (3,) the largest voxel size in um, (z, y, x), that keeps all that a PSF passes.

    Of a microscope, half the shortest period that its aperture and its wavelengths allow; of any
    other PSF, half the period at which the OTF has fallen to a hundredth for good.
    """
    if isinstance(psf, MicroscopePSF):
        return _of_aperture(psf)
    return np.array([_of_axis(psf, axis) for axis in range(3)])


def _of_aperture(psf: MicroscopePSF) -> NDArray[np.float64]:
    objective = psf.objective()
    aperture, index = (
        float(part.detach()) for part in (objective.aperture, objective.immersion_index)
    )
    cosine = float(np.sqrt(max(1.0 - (aperture / index) ** 2, 0.0)))
    waves = sum(1.0 / float(wavelength.detach()) for wavelength in psf.beams())
    along = waves * index * (1.0 - cosine)
    sheet = psf.sheet()
    if sheet is not None:
        # Where the transform of the sheet's Gaussian profile has fallen to a hundredth.
        along += 2.0 * float(np.sqrt(np.log(2.0) * -np.log(_FAINT))) / (np.pi * sheet)
    across = waves * 2.0 * aperture
    return 0.5 / np.array([along, across, across])


def _of_axis(psf: PSF, axis: int) -> float:
    """Return half the period of the highest frequency along an axis that passes."""
    highest = 20.0 / float(psf.extent()[axis])
    for _ in range(2):
        k = torch.linspace(0.0, highest, _STEPS, dtype=torch.float64)
        frequencies = torch.zeros(_STEPS, 3, dtype=torch.float64)
        frequencies[:, axis] = k
        with torch.no_grad():
            passed = psf.otf(frequencies).abs() > _FAINT
        highest = float(k[min(int(passed.nonzero().max()) + 1, _STEPS - 1)])
    return 0.5 / highest
