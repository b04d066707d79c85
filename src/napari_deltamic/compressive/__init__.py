"""Compressive microscopy: patterns of light that are learned, and images from few large pixels.

Names load their module on first use, so that exporting a mask does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_deltamic.compressive.applying import Simulation as Simulation
    from napari_deltamic.compressive.applying import reconstruct as reconstruct
    from napari_deltamic.compressive.applying import segment as segment
    from napari_deltamic.compressive.applying import simulate as simulate
    from napari_deltamic.compressive.examples import example_patches as example_patches
    from napari_deltamic.compressive.frame_files import read_frames as read_frames
    from napari_deltamic.compressive.frame_files import read_masks as read_masks
    from napari_deltamic.compressive.frame_files import write_masks as write_masks
    from napari_deltamic.compressive.masks import fixed_masks as fixed_masks
    from napari_deltamic.compressive.masks import light_matched as light_matched
    from napari_deltamic.compressive.model import CompressiveModel as CompressiveModel
    from napari_deltamic.compressive.model_files import load_model as load_model
    from napari_deltamic.compressive.model_files import save_model as save_model
    from napari_deltamic.compressive.operators import acquisition_of as acquisition_of
    from napari_deltamic.compressive.patches import Patches as Patches
    from napari_deltamic.compressive.patches import cut_patches as cut_patches
    from napari_deltamic.compressive.scores import Scores as Scores
    from napari_deltamic.compressive.scores import interpolation_scored as interpolation_scored
    from napari_deltamic.compressive.scores import scored as scored
    from napari_deltamic.compressive.scores import volume_scored as volume_scored
    from napari_deltamic.compressive.settings import CompressiveSettings as CompressiveSettings
    from napari_deltamic.compressive.splitting import Split as Split
    from napari_deltamic.compressive.splitting import field_size as field_size
    from napari_deltamic.compressive.splitting import split_planes as split_planes
    from napari_deltamic.compressive.splitting import split_stacks as split_stacks
    from napari_deltamic.compressive.state import TrainingResult as TrainingResult
    from napari_deltamic.compressive.state import TrainingState as TrainingState
    from napari_deltamic.compressive.trainer import camera_of as camera_of
    from napari_deltamic.compressive.training import train as train

_MODULE_OF = {
    "Simulation": "applying",
    "reconstruct": "applying",
    "segment": "applying",
    "simulate": "applying",
    "example_patches": "examples",
    "read_frames": "frame_files",
    "read_masks": "frame_files",
    "write_masks": "frame_files",
    "fixed_masks": "masks",
    "light_matched": "masks",
    "CompressiveModel": "model",
    "load_model": "model_files",
    "save_model": "model_files",
    "acquisition_of": "operators",
    "Patches": "patches",
    "cut_patches": "patches",
    "Scores": "scores",
    "interpolation_scored": "scores",
    "scored": "scores",
    "volume_scored": "scores",
    "CompressiveSettings": "settings",
    "Split": "splitting",
    "field_size": "splitting",
    "split_planes": "splitting",
    "split_stacks": "splitting",
    "TrainingResult": "state",
    "TrainingState": "state",
    "camera_of": "trainer",
    "train": "training",
}

__all__ = [*_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
