"""The layers that show a fit: its surface, its outline and its rendering."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.fit_colours import face_colours
from napari_deltamic.plugin.mesh_layers import (
    SplitSurface,
    mesh_metadata,
    region_values,
    set_stand_in,
    split_by_interface,
    split_vertices,
    surface_data,
    surface_options,
)
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.preview import IS_RENDERING, Preview
from napari_deltamic.plugin.region_colours import CONTRAST_LIMITS, region_colormap
from napari_deltamic.plugin.residual_layer import ResidualLayer
from napari_deltamic.plugin.spatial import put

if TYPE_CHECKING:
    from napari.layers import Image, Layer, Surface
    from napari.viewer import Viewer

    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.colourings import Colouring
    from napari_deltamic.plugin.fit_region import FitRegion
    from napari_deltamic.plugin.spatial import Placement, StackSource

MESH_LAYER = "Fitted mesh"
RENDERING_LAYER = "Rendering"


class FitLayers:
    """Keeps the layers of one viewer up to the fit; a next fit uses them again.

    Attributes
    ----------
    outline
        Where the slider cuts the mesh.
    residual
        What the rendering leaves unexplained.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.outline = Outline(viewer)
        self.residual = ResidualLayer(viewer)
        self._viewer = viewer
        self._source: StackSource | FitRegion | None = None
        self._surface: Surface | None = None
        self._seed: Surface | None = None
        self._covered: dict[str, Surface] = {}
        self._faces: NDArray[np.int64] | None = None
        self._split: SplitSurface | None = None
        self._colouring: Colouring | None = None
        self._stand_in: TriangleMesh | None = None
        self._shading = "smooth"
        self._rendering: Image | None = None
        self._bins: tuple[int, int, int] | None = None

    def close(self) -> None:
        """Let go of the viewer."""
        self.outline.close()
        self.residual.close()
        self._surface = self._seed = self._rendering = None
        self._covered.clear()
        del self._viewer

    @property
    def surface(self) -> Surface | None:
        """The layer of the fitted mesh, once there is one."""
        return self._surface

    def forget(self) -> None:
        """Leave the layers to the user; what is shown next gets layers of its own."""
        self._surface = self._rendering = None

    def begin(self, source: StackSource | FitRegion) -> None:
        """Get ready for a fit; layers that are missing are added when there is something to show.

        So a fit that fails at its start leaves none behind. To take them away again would be no
        way out: with some graphics drivers napari crashes when layers are removed.
        """
        self._source, self._faces, self._bins = source, None, None
        self._surface = self._kept(self._surface, MESH_LAYER)
        self._rendering = self._kept(self._rendering, RENDERING_LAYER)
        if self._surface is not None:
            self._shading = str(self._surface.shading)
            # Normals cost more to compute than all the rest of an update.
            self._surface.shading = "none"

    def end(self) -> None:
        """Give the surface its shading back."""
        if self._surface is not None:
            self._surface.shading = self._shading

    def show_seed(self, seed: Surface, mesh: TriangleMesh, placement: Placement) -> None:
        """Show the mesh of a user's layer as an outline in 2D, and the layer itself in 3D."""
        self._seed = seed
        self.outline.show(mesh, placement)
        self.turn()

    def cover(self, by: str, surface: Surface | None) -> None:
        """Keep a layer hidden in whose place others are shown; None lets it be seen again.

        Parameters
        ----------
        by
            What is shown instead; each such thing covers one layer.
        surface
            The layer.
        """
        before = self._covered.pop(by, None)
        if surface is not None:
            self._covered[by] = surface
        if before is not None and before != surface:
            self.turn()

    def turn(self) -> None:
        """Show surfaces in 3D only: in 2D they would show stray triangles beside the outline."""
        covered = list(self._covered.values())
        for surface in (self._surface, self._seed):
            if surface is not None:
                surface.visible = self._viewer.dims.ndisplay == 3 and surface not in covered

    def show_mesh(self, mesh: TriangleMesh, colouring: Colouring | None = None) -> None:
        """Show a mesh in its layer and as an outline; see :meth:`show_surface`."""
        self.show_surface(mesh, colouring)
        self.show_outline(mesh, colouring)

    def show_surface(self, mesh: TriangleMesh, colouring: Colouring | None = None) -> None:
        """Show a mesh in its layer.

        Parameters
        ----------
        mesh
            The mesh.
        colouring
            Colours of its vertices, split by interface; those of the regions if None.
        """
        surface, is_first = self._surface, self._faces is None
        is_there = surface is not None and surface in self._viewer.layers
        if self._faces is None or not np.array_equal(mesh.faces, self._faces):
            self._faces, self._split = None, split_by_interface(mesh)
        split, unit = self._split, self.placement.mesh_unit
        assert split is not None
        if surface is None or not is_there:
            self._add_surface(mesh)
            self._colouring = None
        elif self._faces is not None and colouring is None and self._colouring is None:
            surface.vertices = split_vertices(mesh, split, unit)
        else:
            values = region_values(mesh, split) if colouring is None else colouring.values
            surface.data = split_vertices(mesh, split, unit), split.faces, values
            self._set_colours(surface, colouring)
            if self._faces is None:
                surface.metadata = {**surface.metadata, **mesh_metadata(mesh)}
                set_stand_in(surface, self._stand_in)
            if is_first:
                put(surface, self.placement.layer_options())
        if is_first:
            self._seed = None
            self.turn()
        self._faces = mesh.faces

    def _set_colours(self, surface: Surface, colouring: Colouring | None) -> None:
        before, self._colouring = self._colouring, colouring
        if colouring is None and before is not None:
            surface.colormap, surface.contrast_limits = region_colormap(), CONTRAST_LIMITS
        elif colouring is not None:
            if before is None or before.colormap is not colouring.colormap:
                surface.colormap = colouring.colormap
            if before is None or before.limits != colouring.limits:
                surface.contrast_limits_range = surface.contrast_limits = colouring.limits

    @property
    def placement(self) -> Placement:
        """Where the stack of the fit lies."""
        return self._stack.placement

    def stand_in(self, mesh: TriangleMesh | None) -> None:
        """Say which mesh is fitted next, measured or saved while an earlier one is shown."""
        self._stand_in = mesh
        if self._surface is not None and self._surface in self._viewer.layers:
            set_stand_in(self._surface, mesh)

    def keep(self, mesh: TriangleMesh, name: str) -> None:
        """Add a layer of its own for a mesh of the fit."""
        active = self._viewer.layers.selection.active
        options = surface_options(mesh) | self.placement.layer_options()
        data = surface_data(mesh, self.placement.mesh_unit)
        self._viewer.add_surface(data, name=name, visible=False, **options)
        self._viewer.layers.selection.active = active

    def show_outline(self, mesh: TriangleMesh, colouring: Colouring | None = None) -> None:
        """Show where the slider cuts the mesh that its layer shows."""
        split = self._split
        if colouring is None or split is None:
            self.outline.show(mesh, self.placement)
        else:
            colours = partial(face_colours, colouring, split)
            self.outline.show(mesh, self.placement, colours=colours)

    def show_preview(self, preview: Preview) -> None:
        """Show a rendering where it lies, unless the mesh it is of has gone from the viewer.

        Where that happens the window is closing, or the next state brings both back.
        """
        if self._surface is not None and self._surface not in self._viewer.layers:
            return
        placement = self._stack.placement
        options = placement.layer_options(*preview.place(placement))
        rendering = self._rendering
        if rendering is None or rendering not in self._viewer.layers:
            self._add_rendering(preview.image, options)
        else:
            rendering.data = preview.image
            if preview.bins != self._bins:
                put(rendering, options)
            if self._bins is None:
                rendering.contrast_limits = self._contrast_limits(preview.image)
                rendering.visible = True
        self._bins = preview.bins
        self.residual.show(preview, placement)

    @property
    def _stack(self) -> StackSource | FitRegion:
        assert self._source is not None
        return self._source

    def _kept(self, layer: Any, name: str) -> Any:
        """Return the layer of an earlier fit, unless the user took it away or gave it a name."""
        if layer not in self._viewer.layers:
            return None
        # napari puts a number behind a name that is taken.
        return layer if re.sub(r" \[\d+\]$", "", layer.name) == name else None

    def _add_surface(self, mesh: TriangleMesh) -> None:
        options = surface_options(mesh) | self.placement.layer_options()
        options |= {"shading": "none", "visible": self._viewer.dims.ndisplay == 3}
        data = surface_data(mesh, self.placement.mesh_unit)
        active = self._viewer.layers.selection.active
        self._surface = self._viewer.add_surface(data, name=MESH_LAYER, **options)
        self._in_order(active)

    def _add_rendering(self, image: NDArray[np.float32], options: dict[str, Any]) -> None:
        active = self._viewer.layers.selection.active
        self._rendering = self._viewer.add_image(
            image,
            name=RENDERING_LAYER,
            colormap="magenta",
            blending="additive",
            contrast_limits=self._contrast_limits(image),
            metadata={IS_RENDERING: True},
            **options,
        )
        self._in_order(active)

    def _contrast_limits(self, image: NDArray[np.float32]) -> tuple[float, float]:
        """Return the limits of the image that is fitted, so that both look alike."""
        layers = self._viewer.layers
        if self._stack.name in layers:
            low, high = layers[self._stack.name].contrast_limits
        else:
            low, high = float(image.min()), float(image.max())
        return float(low), max(float(high), float(low) + 1e-6)

    def _in_order(self, active: Layer | None) -> None:
        """Put the mesh above the rendering and the outline above both; leave what was selected."""
        layers = self._viewer.layers
        for layer in (self._surface, self.outline.layer):
            if layer in layers and layers[-1] is not layer:
                layers.move(layers.index(layer), len(layers))
        layers.selection.active = active
