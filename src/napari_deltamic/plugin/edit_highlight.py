"""The regions that are chosen for a correction, drawn over the mesh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.plugin.outline import Outline

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.plugin.spatial import Placement

CHOSEN_OUTLINE = "Chosen regions"
# In 2D it is as wide as the outline beneath; in 3D, of the mesh's longest side.
_LINE_WIDTH = 0.003


class EditHighlight:
    """Outlines regions in 2D and draws their edges in 3D.

    Parameters
    ----------
    viewer
        Where to show them.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._outline = Outline(
            viewer, CHOSEN_OUTLINE, edge_color="white", blending="translucent_no_depth"
        )
        self._is_shown = False

    def show(self, mesh: TriangleMesh, regions: Sequence[int], placement: Placement) -> None:
        """Highlight some regions of a mesh in um; none for nothing."""
        chosen = np.isin(mesh.labels, list(regions)).any(axis=1)
        if not chosen.any():
            self.hide()
            return
        faces = mesh.faces[chosen]
        part = TriangleMesh(mesh.vertices, faces, mesh.labels[chosen])
        ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        start, stop = mesh.vertices[np.unique(np.sort(ends, axis=1), axis=0)].transpose(1, 0, 2)
        lines = np.stack([start, stop - start], axis=1).astype(np.float32)
        width = _LINE_WIDTH * float(np.ptp(mesh.vertices, axis=0).max())
        self._outline.show(part, placement, lines, width)
        self._is_shown = True

    def hide(self) -> None:
        """Highlight nothing."""
        if self._is_shown:
            self._outline.hide()
            self._is_shown = False

    def close(self) -> None:
        """Let go of the viewer."""
        self._outline.close()
