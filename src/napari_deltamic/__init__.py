"""Physically grounded segmentation of 3D fluorescence microscopy.

The public API on one screen. Names load their module on first use, so that importing the package
stays fast and torch, numba and trimesh come in only when they are needed.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_deltamic import meshft as meshft
    from napari_deltamic.fitting import FitResult as FitResult
    from napari_deltamic.fitting import FitSettings as FitSettings
    from napari_deltamic.fitting import FitState as FitState
    from napari_deltamic.fitting import fit as fit
    from napari_deltamic.fitting import iter_fit as iter_fit
    from napari_deltamic.imaging import FrameStack as FrameStack
    from napari_deltamic.imaging import ImageStack as ImageStack
    from napari_deltamic.imaging import LazyStack as LazyStack
    from napari_deltamic.imaging import PatternedIllumination as PatternedIllumination
    from napari_deltamic.imaging import open_stack as open_stack
    from napari_deltamic.imaging import read_stack as read_stack
    from napari_deltamic.imaging import render as render
    from napari_deltamic.imaging import seed_from_image as seed_from_image
    from napari_deltamic.mesh import TriangleMesh as TriangleMesh
    from napari_deltamic.mesh import read_mesh as read_mesh
    from napari_deltamic.mesh import seed_from_labels as seed_from_labels
    from napari_deltamic.mesh import seed_spheres as seed_spheres
    from napari_deltamic.mesh import write_mesh as write_mesh
    from napari_deltamic.meshft import MeshFourierTransform as MeshFourierTransform
    from napari_deltamic.optics import PSF as PSF
    from napari_deltamic.optics import ConfocalPSF as ConfocalPSF
    from napari_deltamic.optics import GaussianPSF as GaussianPSF
    from napari_deltamic.optics import GibsonLanniPSF as GibsonLanniPSF
    from napari_deltamic.optics import LightSheetPSF as LightSheetPSF
    from napari_deltamic.optics import MeasuredPSF as MeasuredPSF
    from napari_deltamic.optics import PupilPSF as PupilPSF
    from napari_deltamic.optics import RichardsWolfPSF as RichardsWolfPSF
    from napari_deltamic.optics import SpinningDiscPSF as SpinningDiscPSF
    from napari_deltamic.optics import TwoPhotonPSF as TwoPhotonPSF
    from napari_deltamic.optics import WidefieldPSF as WidefieldPSF
    from napari_deltamic.optics import load_psf as load_psf
    from napari_deltamic.optics import match_psf as match_psf
    from napari_deltamic.optics import measure_psf as measure_psf
    from napari_deltamic.optics import save_psf as save_psf
    from napari_deltamic.timelapse import TimelapseResult as TimelapseResult
    from napari_deltamic.timelapse import fit_timelapse as fit_timelapse
    from napari_deltamic.tissue import TissueResult as TissueResult
    from napari_deltamic.tissue import fit_tissue as fit_tissue

__version__ = version("napari-deltamic")

_MODULE_OF = {
    "TriangleMesh": "mesh",
    "read_mesh": "mesh",
    "write_mesh": "mesh",
    "seed_spheres": "mesh",
    "seed_from_labels": "mesh",
    "seed_from_image": "imaging",
    "PSF": "optics",
    "GaussianPSF": "optics",
    "WidefieldPSF": "optics",
    "GibsonLanniPSF": "optics",
    "PupilPSF": "optics",
    "RichardsWolfPSF": "optics",
    "ConfocalPSF": "optics",
    "SpinningDiscPSF": "optics",
    "LightSheetPSF": "optics",
    "TwoPhotonPSF": "optics",
    "MeasuredPSF": "optics",
    "load_psf": "optics",
    "match_psf": "optics",
    "measure_psf": "optics",
    "save_psf": "optics",
    "MeshFourierTransform": "meshft",
    "ImageStack": "imaging",
    "FrameStack": "imaging",
    "LazyStack": "imaging",
    "PatternedIllumination": "imaging",
    "open_stack": "imaging",
    "read_stack": "imaging",
    "render": "imaging",
    "FitResult": "fitting",
    "FitSettings": "fitting",
    "FitState": "fitting",
    "fit": "fitting",
    "iter_fit": "fitting",
    "TimelapseResult": "timelapse",
    "fit_timelapse": "timelapse",
    "TissueResult": "tissue",
    "fit_tissue": "tissue",
}
_SUBPACKAGES = (
    "mesh",
    "optics",
    "meshft",
    "imaging",
    "fitting",
    "timelapse",
    "tissue",
    "compressive",
)

__all__ = [*_MODULE_OF, *_SUBPACKAGES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f"{__name__}.{name}")
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
