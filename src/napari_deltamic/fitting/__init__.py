"""The fit: a mesh is moved until its rendering explains the image.

The fit itself loads on first use, so that its settings can be shown without torch.
"""

from typing import TYPE_CHECKING, Any

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.state import FitResult, FitState, Intensities

if TYPE_CHECKING:
    from napari_deltamic.fitting.loop import fit as fit
    from napari_deltamic.fitting.loop import iter_fit as iter_fit

__all__ = ["FitResult", "FitSettings", "FitState", "Intensities", "fit", "iter_fit"]


def __getattr__(name: str) -> Any:
    if name not in ("fit", "iter_fit"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from napari_deltamic.fitting import loop

    return getattr(loop, name)
