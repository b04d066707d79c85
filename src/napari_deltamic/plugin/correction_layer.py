"""The Labels layer in which a mesh is corrected with the brush."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_deltamic.plugin.spatial import Placement

CORRECTION_LAYER = "Correction"
_BRUSH = 8


class CorrectionLayer:
    """A mesh as labels, and what the user has painted since.

    Attributes
    ----------
    before
        (Z, Y, X) the labels of the mesh; None while nothing is painted.
    placement
        Where they lie.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self.before: NDArray[np.integer] | None = None
        self.placement: Placement | None = None

    @property
    def layer(self) -> Labels | None:
        """The layer, if it is there."""
        return self._layer if self._layer in self._viewer.layers else None

    def open(self, labels: NDArray[np.integer], placement: Placement, region: int) -> None:
        """Show labels, ready to paint with a region's number."""
        options = placement.layer_options(placement.spacing, placement.origin)
        layer = self.layer
        if layer is None:
            layer = self._layer = self._viewer.add_labels(
                labels.copy(), name=CORRECTION_LAYER, opacity=0.5, **options
            )
        else:
            layer.data = labels.copy()
            for name, value in options.items():
                setattr(layer, name, value)
            layer.visible = True
        self.before, self.placement = labels, placement
        # A ball, so that a stroke changes more than one plane.
        layer.n_edit_dimensions, layer.brush_size = 3, _BRUSH
        layer.selected_label = region
        self._viewer.layers.selection.active = layer
        layer.mode = "paint"

    def painted(self) -> NDArray[np.integer]:
        """Return (Z, Y, X) the labels as they are now."""
        if self.layer is None:
            raise ValueError(f"the layer {CORRECTION_LAYER!r} was removed; press Paint again")
        return np.array(self.layer.data)

    def close(self) -> None:
        """Hide the layer, which stays, and give the mouse back."""
        self.before = None
        if self.layer is not None:
            self.layer.mode = "pan_zoom"
            self.layer.visible = False
