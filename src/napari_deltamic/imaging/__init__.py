"""Images: stacks and their files, rendering, noise, seeds from images, samples.

Names load their module on first use, so that reading a stack does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_deltamic.imaging.stack import ImageStack

if TYPE_CHECKING:
    from napari_deltamic.imaging.acquisition import Acquisition as Acquisition
    from napari_deltamic.imaging.acquisition import Camera as Camera
    from napari_deltamic.imaging.acquisition import FullSampling as FullSampling
    from napari_deltamic.imaging.acquisition import PatternedIllumination as PatternedIllumination
    from napari_deltamic.imaging.acquisition import photon_gain as photon_gain
    from napari_deltamic.imaging.embryo_movie import Division as Division
    from napari_deltamic.imaging.embryo_movie import EmbryoMovie as EmbryoMovie
    from napari_deltamic.imaging.embryo_movie import make_embryo_movie as make_embryo_movie
    from napari_deltamic.imaging.embryos import Embryo as Embryo
    from napari_deltamic.imaging.embryos import make_embryo as make_embryo
    from napari_deltamic.imaging.frame_rendering import render_frames as render_frames
    from napari_deltamic.imaging.frame_stack import FrameStack as FrameStack
    from napari_deltamic.imaging.lazy_stack import LazyStack as LazyStack
    from napari_deltamic.imaging.local_data import DATASETS as DATASETS
    from napari_deltamic.imaging.local_data import Dataset as Dataset
    from napari_deltamic.imaging.local_data import data_folder as data_folder
    from napari_deltamic.imaging.local_data import fetch as fetch
    from napari_deltamic.imaging.membranes import automatic_markers as automatic_markers
    from napari_deltamic.imaging.membranes import membrane_labels as membrane_labels
    from napari_deltamic.imaging.noise import estimate_background as estimate_background
    from napari_deltamic.imaging.noise import estimate_noise as estimate_noise
    from napari_deltamic.imaging.noise import gaussian_noise as gaussian_noise
    from napari_deltamic.imaging.noise import poisson_noise as poisson_noise
    from napari_deltamic.imaging.reading import StackInfo as StackInfo
    from napari_deltamic.imaging.reading import open_stack as open_stack
    from napari_deltamic.imaging.reading import read_stack as read_stack
    from napari_deltamic.imaging.reading import stack_info as stack_info
    from napari_deltamic.imaging.reading import write_stack as write_stack
    from napari_deltamic.imaging.rendering import render as render
    from napari_deltamic.imaging.samples import Sample as Sample
    from napari_deltamic.imaging.samples import make_sample as make_sample
    from napari_deltamic.imaging.seeding import label_image as label_image
    from napari_deltamic.imaging.seeding import seed_from_image as seed_from_image

_MODULE_OF = {
    "Acquisition": "acquisition",
    "Camera": "acquisition",
    "FullSampling": "acquisition",
    "PatternedIllumination": "acquisition",
    "photon_gain": "acquisition",
    "Division": "embryo_movie",
    "EmbryoMovie": "embryo_movie",
    "make_embryo_movie": "embryo_movie",
    "Embryo": "embryos",
    "make_embryo": "embryos",
    "FrameStack": "frame_stack",
    "render_frames": "frame_rendering",
    "LazyStack": "lazy_stack",
    "DATASETS": "local_data",
    "Dataset": "local_data",
    "data_folder": "local_data",
    "fetch": "local_data",
    "automatic_markers": "membranes",
    "membrane_labels": "membranes",
    "estimate_background": "noise",
    "estimate_noise": "noise",
    "gaussian_noise": "noise",
    "poisson_noise": "noise",
    "StackInfo": "reading",
    "open_stack": "reading",
    "read_stack": "reading",
    "stack_info": "reading",
    "write_stack": "reading",
    "render": "rendering",
    "Sample": "samples",
    "make_sample": "samples",
    "label_image": "seeding",
    "seed_from_image": "seeding",
}

__all__ = ["ImageStack", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
