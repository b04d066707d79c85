"""How closely a fit should look, judged by the mesh that it starts from; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.fitting.settings import FitSettings

if TYPE_CHECKING:
    from napari_deltamic.imaging import ImageStack

_EDGES_A_RADIUS = 8.0
"""Finer edges show no more of a cell's shape, and cost time and memory."""
_NOT_BELOW = 2.2
"""Voxels; the edge length that a fit takes by itself is rarely longer."""
_SMOOTHING = 1.5
"""Pixels, of the image and of the cell walls that are compared with it."""
_MOSTLY = 0.6
"""Of the variance. Walls of generated embryos explain 0.8 of it, those of real ones 0.25 to 0.5."""


@dataclass(frozen=True)
class Detail:
    """What the settings of a fit should be, from its seed.

    Attributes
    ----------
    edge_length
        In um; None for the length that a fit takes by itself.
    stages
        How many.
    reason
        Why there are fewer stages than usual, as a sentence; "" if there are not.
    """

    edge_length: float | None
    stages: int
    reason: str


def suggested_detail(
    volumes: ArrayLike, spacing: NDArray[np.float64], explained: float | None
) -> Detail:
    """Return what suits a seed.

    Coarse stages find what is far off. Where much of the image is no wall of these cells, they draw
    the walls there instead, and a seed that is near already does better without them.

    Parameters
    ----------
    volumes
        (R,) of the seed's regions in um^3.
    spacing
        (3,) voxel size in um.
    explained
        Part of the image's variance that the seed's walls explain; None if that is not known.
    """
    radius = (0.75 / pi * max(float(np.median(np.asarray(volumes))), 0.0)) ** (1 / 3)
    edge = float(f"{radius / _EDGES_A_RADIUS:.2g}")
    usual = FitSettings().stages
    is_rough = explained is not None and explained < _MOSTLY
    return Detail(
        edge_length=edge if edge > _NOT_BELOW * float(spacing.min()) else None,
        stages=1 if is_rough else usual,
        reason=f"Walls alone explain {explained:.0%} of the image, so one fine stage."
        if is_rough
        else "",
    )


def explained_by_walls(stack: ImageStack, labels: NDArray[np.integer]) -> float:
    """Return the part of an image's variance that the walls between labels explain, 0 to 1.

    Parameters
    ----------
    stack
        The image.
    labels
        (Z, Y, X) cells, 0 outside.
    """
    from scipy.ndimage import gaussian_filter

    walls = np.zeros(stack.shape, dtype=np.float32)
    for axis, step in enumerate(stack.spacing):
        ahead, behind = np.delete(labels, 0, axis), np.delete(labels, -1, axis)
        # As much wall as lies in a voxel, shared by the two that it parts.
        part = (0.5 / step) * (ahead != behind)
        low, high = [(0, 0)] * 3, [(0, 0)] * 3
        low[axis], high[axis] = (0, 1), (1, 0)
        walls += np.pad(part, low) + np.pad(part, high)
    widths = _SMOOTHING * float(stack.spacing.min()) / stack.spacing
    image, model = gaussian_filter(stack.data, widths), gaussian_filter(walls, widths)
    if np.ptp(image) == 0 or np.ptp(model) == 0:
        return 0.0
    return float(np.corrcoef(image.ravel(), model.ravel())[0, 1] ** 2)
