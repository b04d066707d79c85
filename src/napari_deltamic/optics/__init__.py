"""PSF models: what a point of light looks like through the microscope."""

from napari_deltamic.optics.gaussian import GaussianPSF
from napari_deltamic.optics.psf import PSF

__all__ = ["PSF", "GaussianPSF"]
