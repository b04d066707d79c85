"""The layers that show a fit: its surface, its outline and its rendering."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.mesh_layers import mesh_metadata, surface_data, surface_options
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.preview import Preview

if TYPE_CHECKING:
    from napari.layers import Image, Layer, Surface
    from napari.viewer import Viewer

    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.spatial import StackSource

MESH_LAYER = "Fitted mesh"
RENDERING_LAYER = "Rendering"


class FitLayers:
    """Keeps the layers of one viewer up to the fit; a next fit uses them again.

    Attributes
    ----------
    outline
        The outline; it also shows seeds, before any fit.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.outline = Outline(viewer)
        self._viewer = viewer
        self._source: StackSource | None = None
        self._surface: Surface | None = None
        self._faces: NDArray[np.int64] | None = None
        self._shading = "smooth"
        self._rendering: Image | None = None
        self._bins: tuple[int, int, int] | None = None

    def close(self) -> None:
        """Let go of the viewer."""
        self.outline.close()
        self._surface = self._rendering = None
        del self._viewer

    def begin(self, source: StackSource, mesh: TriangleMesh) -> list[Callable[[], None]]:
        """Get ready for a fit; return what adds the missing layers, unseen as yet, in steps.

        Adding a layer is slow in napari. Done before the first state arrives, and not all at once,
        it holds up the GUI least.
        """
        self._source, self._faces, self._bins = source, None, None
        self._surface = self._named(MESH_LAYER)
        self._rendering = self._named(RENDERING_LAYER)
        steps: list[Callable[[], None]] = []
        if self._surface is None:
            steps.append(lambda: self._add_surface(mesh, visible=False))
        else:
            self._shading = str(self._surface.shading)
            # Normals cost more to compute than all the rest of an update.
            self._surface.shading = "none"
        if self._rendering is None:
            steps.append(
                lambda: self._add_rendering(np.zeros((2, 2, 2), np.float32), visible=False)
            )
        steps.append(lambda: self.outline.show(mesh, source.placement))
        return steps

    def end(self) -> None:
        """Give the surface its shading back."""
        if self._surface is not None:
            self._surface.shading = self._shading

    def turn(self) -> None:
        """Show the surface in 3D only: in 2D it would show stray triangles beside the outline."""
        if self._surface is not None and self._faces is not None:
            self._surface.visible = self._viewer.dims.ndisplay == 3

    def show_mesh(self, mesh: TriangleMesh) -> None:
        """Show a mesh in its layer and as an outline."""
        surface = self._surface
        if surface is None or surface not in self._viewer.layers:
            self._add_surface(mesh, visible=self._viewer.dims.ndisplay == 3)
        elif self._faces is not None and np.array_equal(mesh.faces, self._faces):
            surface.vertices = mesh.vertices.astype(np.float32)
        else:
            surface.data = surface_data(mesh)
            surface.metadata |= mesh_metadata(mesh)
            if self._faces is None:
                surface.contrast_limits = surface_options(mesh)["contrast_limits"]
                _place(surface, self._stack.placement.layer_options())
        if self._faces is None:
            self._faces = mesh.faces
            self.turn()
        self._faces = mesh.faces
        self.outline.show(mesh, self._stack.placement)

    def show_preview(self, preview: Preview) -> None:
        """Show a rendering where it lies."""
        placement, bins = self._stack.placement, np.array(preview.bins)
        options = placement.layer_options(
            placement.spacing * bins, placement.origin + placement.spacing * (bins - 1) / 2
        )
        rendering = self._rendering
        if rendering is None or rendering not in self._viewer.layers:
            self._add_rendering(preview.image, visible=True, **options)
        else:
            rendering.data = preview.image
            if preview.bins != self._bins:
                _place(rendering, options)
            if self._bins is None:
                rendering.contrast_limits = self._contrast_limits(preview.image)
                rendering.visible = True
        self._bins = preview.bins

    @property
    def _stack(self) -> StackSource:
        assert self._source is not None
        return self._source

    def _named(self, name: str) -> Any:
        return next((layer for layer in self._viewer.layers if layer.name == name), None)

    def _add_surface(self, mesh: TriangleMesh, visible: bool) -> None:
        options = surface_options(mesh) | self._stack.placement.layer_options()
        options |= {"shading": "none", "visible": visible}
        active = self._viewer.layers.selection.active
        self._surface = self._viewer.add_surface(surface_data(mesh), name=MESH_LAYER, **options)
        self._in_order(active)

    def _add_rendering(self, image: NDArray[np.float32], visible: bool, **options: Any) -> None:
        active = self._viewer.layers.selection.active
        self._rendering = self._viewer.add_image(
            image,
            name=RENDERING_LAYER,
            colormap="magenta",
            blending="additive",
            contrast_limits=self._contrast_limits(image),
            visible=visible,
            **(options or self._stack.placement.layer_options(self._stack.placement.spacing)),
        )
        self._in_order(active)

    def _contrast_limits(self, image: NDArray[np.float32]) -> tuple[float, float]:
        """Return the limits of the image that is fitted, so that both look alike."""
        fitted = self._named(self._stack.name)
        if fitted is not None:
            low, high = fitted.contrast_limits
        else:
            low, high = float(image.min()), float(image.max())
        return float(low), max(float(high), float(low) + 1e-6)

    def _in_order(self, active: Layer | None) -> None:
        """Put the mesh above the rendering and the outline above both; leave what was selected."""
        layers = self._viewer.layers
        for name in (MESH_LAYER, Outline.LAYER):
            layer = self._named(name)
            if layer is not None and layers[-1] is not layer:
                layers.move(layers.index(layer), len(layers))
        layers.selection.active = active


def _place(layer: Any, options: dict[str, Any]) -> None:
    for name, value in options.items():
        setattr(layer, name, value)
