"""A layer of what the rendering leaves unexplained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deltamic.plugin.preview import IS_RENDERING
from napari_deltamic.plugin.region_colours import dark_diverging_colormap
from napari_deltamic.plugin.steady_limits import steady_limit

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_deltamic.plugin.preview import Preview
    from napari_deltamic.plugin.spatial import Placement

RESIDUAL_LAYER = "Residual"
LEAST_LIMIT = 5.0
"""In units of the noise: weaker colours for what may well be noise."""
_PERCENTILE = 99.8
# Enough of them tell the limits, and all would take longer than the rest of an update.
_MOST_VALUES = 50_000


class ResidualLayer:
    """Shows residuals: red where the image is brighter than its rendering, blue where darker.

    Attributes
    ----------
    is_wanted
        Whether anything is to be shown.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.is_wanted = False
        self._layer: Image | None = None
        self._limit: float | None = None

    def show(self, preview: Preview, placement: Placement) -> None:
        """Show the residual of a preview, if it has one, where it lies."""
        residual = preview.residual
        if residual is None or not self.is_wanted:
            return
        options = placement.layer_options(*preview.place(placement))
        values = np.abs(residual.ravel()[:: 1 + residual.size // _MOST_VALUES])
        before, largest = self._limit, float(np.percentile(values, _PERCENTILE))
        self._limit = steady_limit(largest, before, LEAST_LIMIT)
        limits = (-self._limit, self._limit)
        layer = self._layer
        if layer is None or layer not in self._viewer.layers:
            self._add(preview, limits, options)
            return
        layer.data = residual
        for name, value in options.items():
            setattr(layer, name, value)
        # Limits that the user has set stay.
        if before is None or np.allclose(layer.contrast_limits, (-before, before)):
            layer.contrast_limits_range = layer.contrast_limits = limits
        if before is None:
            layer.visible = True

    def hide(self) -> None:
        """Show nothing until :meth:`show`."""
        self._limit = None
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.visible = False

    def close(self) -> None:
        """Let go of the viewer."""
        self._layer = None
        del self._viewer

    def _add(
        self, preview: Preview, limits: tuple[float, float], options: dict[str, object]
    ) -> None:
        layers = self._viewer.layers
        active = layers.selection.active
        self._layer = self._viewer.add_image(
            preview.residual,
            name=RESIDUAL_LAYER,
            colormap=dark_diverging_colormap(),
            # In 3D behind the mesh, and without the bias of the brightest voxel of each ray.
            blending="translucent_no_depth",
            rendering="average",
            contrast_limits=limits,
            metadata={IS_RENDERING: True},
            **options,
        )
        # Below the mesh and its outline.
        layers.move(layers.index(self._layer), _above_images(self._viewer))
        layers.selection.active = active


def _above_images(viewer: Viewer) -> int:
    """Return the place above the uppermost image, but for the newest layer."""
    from napari.layers import Image

    return 1 + max(
        (k for k, layer in enumerate(viewer.layers[:-1]) if isinstance(layer, Image)), default=-1
    )
