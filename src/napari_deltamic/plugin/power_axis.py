"""The axis of a plot of logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph


class PowerAxis(pyqtgraph.AxisItem):
    """An axis of logarithms that shows the numbers themselves."""

    def tickValues(  # noqa: N802
        self, lowest: float, highest: float, size: float
    ) -> list[tuple[float, Sequence[float]]]:
        """Return ticks at powers of ten, over a short range at 2 and 5 times them too."""
        if highest - lowest < 0.7:
            return super().tickValues(lowest, highest, size)
        factors = [0.0] if highest - lowest > 2.0 else [0.0, *np.log10((2.0, 5.0))]
        powers = np.arange(np.floor(lowest), np.ceil(highest) + 1.0)
        ticks = np.add.outer(powers, factors).ravel()
        return [(1.0, ticks[(ticks >= lowest) & (ticks <= highest)].tolist())]

    def tickStrings(  # noqa: N802
        self, values: Sequence[float], scale: float, spacing: float
    ) -> list[str]:
        """Return the texts beside the ticks."""
        return [f"{10.0**value:.3g}" for value in values]
