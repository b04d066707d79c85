"""PSF models: what a point of light looks like through the microscope."""

from napari_deltamic.optics.bead_average import BeadMeasurement, measure_psf
from napari_deltamic.optics.beads import FoundBeads, find_beads
from napari_deltamic.optics.comparison import Comparison, compare_psfs
from napari_deltamic.optics.files import load_psf, save_psf
from napari_deltamic.optics.gaussian import GaussianPSF
from napari_deltamic.optics.match_result import Match
from napari_deltamic.optics.matching import match_psf
from napari_deltamic.optics.measured import MeasuredPSF
from napari_deltamic.optics.modalities import (
    ConfocalPSF,
    LightSheetPSF,
    SpinningDiscPSF,
    TwoPhotonPSF,
)
from napari_deltamic.optics.models import (
    GibsonLanniPSF,
    PupilPSF,
    RichardsWolfPSF,
    WidefieldPSF,
)
from napari_deltamic.optics.psf import PSF
from napari_deltamic.optics.sampling import nyquist_spacing
from napari_deltamic.optics.width import fwhm_of

__all__ = [
    "PSF",
    "BeadMeasurement",
    "Comparison",
    "ConfocalPSF",
    "FoundBeads",
    "GaussianPSF",
    "GibsonLanniPSF",
    "LightSheetPSF",
    "Match",
    "MeasuredPSF",
    "PupilPSF",
    "RichardsWolfPSF",
    "SpinningDiscPSF",
    "TwoPhotonPSF",
    "WidefieldPSF",
    "compare_psfs",
    "find_beads",
    "fwhm_of",
    "load_psf",
    "match_psf",
    "measure_psf",
    "nyquist_spacing",
    "save_psf",
]
