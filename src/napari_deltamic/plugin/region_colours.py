"""Colours of regions, told apart from those of other regions, and of amounts."""

from __future__ import annotations

import colorsys
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from napari.utils import Colormap

# As many as anybody can tell apart, and more; then they begin anew.
COLOURS = 64
CONTRAST_LIMITS = 0.5, COLOURS + 0.5
"""With these each whole number from 1 to COLOURS lies in the middle of its colour."""


def colour_values(regions: ArrayLike) -> NDArray[np.float32]:
    """Return the values that give regions their colours: their numbers, from 65 on 1 again."""
    return ((np.asarray(regions, dtype=np.int64) - 1) % COLOURS + 1).astype(np.float32)


@cache
def bright_colormap() -> Colormap:
    """Return a colormap for amounts that is seen on a dark image, from light blue to red."""
    from napari.utils import Colormap

    return Colormap(["#4cc9ff", "#fff27a", "#ff3b1f"], name="blue to red, bright")


@cache
def dark_diverging_colormap() -> Colormap:
    """Return a colormap for amounts with a sign: blue below zero, black at it, red above."""
    from napari.utils import Colormap

    return Colormap(["#5ab4ff", "#000000", "#ff5a4a"], name="blue, black, red")


@cache
def region_colormap() -> Colormap:
    """Return a colormap of one colour per region, with steps and no transitions between them."""
    from napari.utils import Colormap

    # Hues a golden section apart never come back, and those of successive numbers differ.
    hues = (0.53 + 0.6180339887 * np.arange(COLOURS)) % 1.0
    values = 1.0 - 0.25 * (np.arange(COLOURS) // 8 % 2)
    colours = [
        colorsys.hsv_to_rgb(hue, 0.58, value)
        for hue, value in zip(hues.tolist(), values.tolist(), strict=True)
    ]
    return Colormap(colours, name="regions", interpolation="zero")
