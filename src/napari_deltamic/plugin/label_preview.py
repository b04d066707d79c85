"""A layer of labels that were found, for the user to look at and to mend."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_deltamic.plugin.spatial import Placement

PREVIEW_LAYER = "Found cells"


class LabelPreview:
    """Keeps one Labels layer up to date and knows whether the user painted in it."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._found: NDArray[np.integer] | None = None
        self._image: Hashable = None
        self._settings: Hashable = None

    @property
    def layer(self) -> Labels | None:
        """The layer, if it is there."""
        return self._layer if self._layer in self._viewer.layers else None

    def show(
        self,
        labels: NDArray[np.integer],
        placement: Placement,
        image: Hashable,
        settings: Hashable,
    ) -> None:
        """Show labels, in the layer that there is.

        Parameters
        ----------
        labels
            (Z, Y, X) what was found.
        placement
            Where the image lies.
        image, settings
            What they were found in, and how.
        """
        options = placement.layer_options(placement.spacing, placement.origin)
        self._found, self._image, self._settings = labels.copy(), image, settings
        layer = self.layer
        if layer is None:
            active = self._viewer.layers.selection.active
            self._layer = self._viewer.add_labels(labels, name=PREVIEW_LAYER, **options)
            self._viewer.layers.selection.active = active
            return
        layer.data = labels
        for name, value in options.items():
            setattr(layer, name, value)
        layer.visible = True

    def is_painted(self, image: Hashable) -> bool:
        """Return whether the user changed the labels that were found in an image."""
        layer, found = self.layer, self._found
        if layer is None or found is None or image != self._image:
            return False
        return not np.array_equal(np.asarray(layer.data), found)

    def labels(self, image: Hashable, settings: Hashable) -> NDArray[np.integer] | None:
        """Return the labels as shown, if they are of this image, and so found or painted."""
        layer = self.layer
        if layer is None or image != self._image:
            return None
        if settings != self._settings and not self.is_painted(image):
            return None
        return np.array(layer.data)

    def hide(self) -> None:
        """Hide the layer, which stays."""
        if self.layer is not None:
            self.layer.visible = False
