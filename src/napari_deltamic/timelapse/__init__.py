"""Movies: every frame fitted from the one before, regions followed, divisions found.

Names load their module on first use, so that reading a movie does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_deltamic.timelapse.movies import Movie as Movie
    from napari_deltamic.timelapse.results import Division as Division
    from napari_deltamic.timelapse.results import FrameResult as FrameResult
    from napari_deltamic.timelapse.results import TimelapseResult as TimelapseResult
    from napari_deltamic.timelapse.run import fit_timelapse as fit_timelapse
    from napari_deltamic.timelapse.run import iter_timelapse as iter_timelapse
    from napari_deltamic.timelapse.run import later_settings as later_settings
    from napari_deltamic.timelapse.state import TimelapseState as TimelapseState
    from napari_deltamic.timelapse.surfaces import surface_4d as surface_4d

_MODULE_OF = {
    "Movie": "movies",
    "Division": "results",
    "FrameResult": "results",
    "TimelapseResult": "results",
    "TimelapseState": "state",
    "fit_timelapse": "run",
    "iter_timelapse": "run",
    "later_settings": "run",
    "surface_4d": "surfaces",
}

__all__ = [*_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
