"""What a microscope records of a density: operators with their transposes, and a camera's noise."""

from napari_deltamic.imaging.acquisition.camera import Camera, photon_gain
from napari_deltamic.imaging.acquisition.operators import (
    Acquisition,
    FullSampling,
    PatternedIllumination,
)

__all__ = ["Acquisition", "Camera", "FullSampling", "PatternedIllumination", "photon_gain"]
