"""The layers of the Measures dock: coloured cells and what is selected of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.picking import face_near, first_face, region_at
from napari_deltamic.plugin.preview import IS_RENDERING
from napari_deltamic.plugin.region_colours import CONTRAST_LIMITS, colour_values, region_colormap
from napari_deltamic.plugin.spatial import put

if TYPE_CHECKING:
    from napari.layers import Surface
    from napari.viewer import Viewer

    from napari_deltamic.plugin.colourings import Colouring
    from napari_deltamic.plugin.measured_mesh import MeasuredMesh
    from napari_deltamic.plugin.spatial import Placement

CELLS_LAYER, SELECTED_LAYER, SELECTED_OUTLINE = "Measured cells", "Selected", "Selected outline"
_LEFT_BUTTON = 1
# Of what is selected, as a part of the longest side of the whole mesh.
_LINE_WIDTH = 0.008


class MeasureLayers:
    """Shows a measured mesh in one viewer and tells what is clicked there.

    In 3D each cell has a surface of its own, so that contacts can have colours of their own and
    cells can be moved apart; in 2D only what is selected is outlined.
    """

    picked = Signal(int, int)
    """Emits region and interface (an index, or -1) under a click; 0 and -1 beside the mesh."""
    came_forward = Signal()
    """Emits that something was to be shown here, though the layers were set aside."""

    def __init__(self, viewer: Viewer, cover: Callable[[str, Surface | None], None]) -> None:
        self._viewer = viewer
        self._cover = cover
        self._outline = Outline(
            viewer, SELECTED_OUTLINE, edge_color="white", blending="translucent_no_depth"
        )
        self._source: Surface | None = None
        self._surface: Surface | None = None
        self._selected: Surface | None = None
        self._measured: MeasuredMesh | None = None
        self._placement: Placement | None = None
        self._separation = 0.0
        self.is_closed = False
        self._is_aside = False
        self._chosen = np.empty(0, dtype=np.int64)
        self._chosen_lines: tuple[int, ...] = ()
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.dims.events.ndisplay.connect(self._turn)

    def close(self) -> None:
        """Let go of the viewer."""
        self.is_closed = True
        self._viewer.mouse_drag_callbacks.remove(self._on_press)
        self._viewer.dims.events.ndisplay.disconnect(self._turn)
        self._outline.close()
        self._source = self._surface = self._selected = self._measured = None
        del self._viewer

    @property
    def surface(self) -> Surface | None:
        """The layer of the coloured cells, once there is one."""
        return self._surface

    def show(self, measured: MeasuredMesh, placement: Placement, source: Surface) -> None:
        """Show a measured mesh in place of the layer that it was taken from."""
        self._come_forward()
        self._measured, self._placement, self._source = measured, placement, source
        values = colour_values(measured.surfaces.vertex_regions)
        data = self._vertices(), measured.surfaces.faces, values
        if self._is_there(self._surface):
            assert self._surface is not None
            self._surface.data = data
            put(self._surface, placement.layer_options())
        else:
            options = {"colormap": region_colormap(), "contrast_limits": CONTRAST_LIMITS}
            self._surface = self._add(CELLS_LAYER, data, shading="smooth", **options)
        self.select(np.empty(0, dtype=np.int64))
        self._cover("measures", source)
        self._turn()

    def hide(self) -> None:
        """Show nothing until :meth:`show`, and give way to the layer that was covered."""
        self._measured = self._source = None
        self._is_aside = False
        self._outline.hide()
        self._cover("measures", None)
        for layer in (self._surface, self._selected):
            if self._is_there(layer):
                layer.visible = False  # type: ignore[union-attr]

    def set_aside(self, aside: bool) -> None:
        """Give way to the layer that was measured, or take its place again."""
        if self._measured is not None and aside != self._is_aside:
            self._is_aside = aside
            self._cover("measures", None if aside else self._source)
            self._turn()

    def _come_forward(self) -> None:
        if self._is_aside:
            self.set_aside(False)
            self.came_forward.emit()

    def colour(self, colouring: Colouring) -> None:
        """Colour the cells."""
        self._come_forward()
        if self._is_there(self._surface):
            assert self._surface is not None
            self._surface.vertex_values = colouring.values
            self._surface.colormap = colouring.colormap
            self._surface.contrast_limits = colouring.limits

    def separate(self, separation: float) -> None:
        """Move the cells apart by so many of their distances from the middle."""
        self._come_forward()
        self._separation = separation
        if self._measured is not None and self._is_there(self._surface):
            assert self._surface is not None
            self._surface.vertices = self._vertices()
            self.select(self._chosen, self._chosen_lines)

    def select(self, faces: NDArray[np.int64], lines: tuple[int, ...] = ()) -> None:
        """Highlight a part of the mesh.

        Parameters
        ----------
        faces
            Numbers of faces of the cells' surfaces; none for no highlight.
        lines
            Regions; the lines along which just these meet are drawn in 3D instead of the faces.
        """
        if len(faces):
            self._come_forward()
        self._chosen, self._chosen_lines = faces, lines
        measured, placement = self._measured, self._placement
        if measured is None or placement is None or len(faces) == 0:
            self._outline.hide()
            if self._is_there(self._selected):
                self._selected.visible = False  # type: ignore[union-attr]
            return
        chosen = np.unique(measured.surfaces.face_of[faces])
        part = TriangleMesh(
            measured.mesh.vertices, measured.mesh.faces[chosen], measured.mesh.labels[chosen]
        )
        vectors = _lines(measured, lines, self._separation)
        width = _LINE_WIDTH * float(np.ptp(measured.mesh.vertices, axis=0).max())
        self._outline.show(part, placement, vectors, width)
        if not lines:
            self._show_selected(measured, faces)
        self._turn()

    def _show_selected(self, measured: MeasuredMesh, faces: NDArray[np.int64]) -> None:
        corners = measured.surfaces.faces[faces]
        used, numbers = np.unique(corners, return_inverse=True)
        data = self._vertices()[used], numbers.reshape(-1, 3), np.ones(len(used), dtype=np.float32)
        if self._is_there(self._selected):
            assert self._selected is not None
            assert self._placement is not None
            self._selected.data = data
            put(self._selected, self._placement.layer_options())
            return
        self._selected = self._add(
            SELECTED_LAYER,
            data,
            colormap="gray",
            contrast_limits=(0.0, 1.0),
            shading="none",
            opacity=0.45,
            # Seen through the cells in front of it.
            blending="translucent_no_depth",
        )

    def _vertices(self) -> NDArray[np.float32]:
        """Return the cells' vertices where they are shown, as a layer's data."""
        assert self._measured is not None
        assert self._placement is not None
        vertices = self._measured.surfaces.vertices(self._separation)
        return vertices / np.float32(self._placement.mesh_unit)

    def _add(self, name: str, data: Any, **options: Any) -> Surface:
        assert self._placement is not None
        with self._kept_selection():
            return self._viewer.add_surface(
                data,
                name=name,
                visible=self._viewer.dims.ndisplay == 3,
                metadata={IS_RENDERING: True},
                **options,
                **self._placement.layer_options(),
            )

    @contextmanager
    def _kept_selection(self) -> Iterator[None]:
        active = self._viewer.layers.selection.active
        yield
        self._viewer.layers.selection.active = active

    def _is_there(self, layer: Surface | None) -> bool:
        return layer is not None and layer in self._viewer.layers

    def _turn(self) -> None:
        if self._measured is None:
            return
        is_solid = self._viewer.dims.ndisplay == 3 and not self._is_aside
        if is_solid and self._is_there(self._source):
            self._source.visible = False  # type: ignore[union-attr]
        if self._is_there(self._surface):
            self._surface.visible = is_solid  # type: ignore[union-attr]
        if self._is_there(self._selected):
            has_faces = len(self._chosen) > 0 and not self._chosen_lines
            self._selected.visible = is_solid and has_faces  # type: ignore[union-attr]

    def _on_press(self, viewer: Viewer, event: Any) -> Iterator[None]:
        """Pick what is clicked, unless the click is a drag or for a drawing tool."""
        active = viewer.layers.selection.active
        drawing = active is not None and str(active.mode) != "pan_zoom"
        if self._is_aside:
            return
        if event.button != _LEFT_BUTTON or event.modifiers or drawing or self._measured is None:
            return
        yield
        if event.type == "mouse_move":
            return
        self.picked.emit(*self._under(event))

    def _in_um(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a place in the viewer as one of the mesh."""
        assert self._surface is not None
        assert self._placement is not None
        return np.asarray(self._surface.world_to_data(position)) * self._placement.mesh_unit

    def _under(self, event: Any) -> tuple[int, int]:
        """Return region and interface under the cursor."""
        assert self._measured is not None
        if not self._is_there(self._surface):
            return 0, -1
        surfaces = self._measured.surfaces
        position = np.asarray(event.position, dtype=np.float64)
        point = self._in_um(position)
        if self._viewer.dims.ndisplay == 3:
            direction = self._in_um(position + np.asarray(event.view_direction)) - point
            vertices = surfaces.vertices(self._separation)
            face = first_face(vertices, surfaces.faces, point, direction)
            if face is None:
                return 0, -1
            return int(surfaces.face_regions[face]), int(surfaces.face_interfaces[face])
        dims = self._viewer.dims
        across = [axis - dims.ndim + 3 for axis in dims.not_displayed if axis >= dims.ndim - 3]
        if len(across) != 1:
            return 0, -1
        mesh = self._measured.mesh
        face = face_near(mesh, across[0], point)
        interface = -1 if face is None else int(mesh.face_interfaces[face])
        return region_at(mesh, point), interface


def _lines(
    measured: MeasuredMesh, regions: tuple[int, ...], separation: float
) -> NDArray[np.float32]:
    """Return (N, 2, 3) starts and directions of the lines along which just these regions meet."""
    if not regions:
        return np.empty((0, 2, 3), dtype=np.float32)
    mesh = measured.mesh
    touches = np.isin(mesh.labels, regions).all(axis=1)
    faces, labels = mesh.faces[touches], mesh.labels[touches]
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges, which = np.unique(ends, axis=0, return_inverse=True)
    labels = np.concatenate([labels] * 3)
    has_all = np.ones(len(edges), dtype=bool)
    for region in regions:
        present = np.zeros(len(edges), dtype=bool)
        present[which.reshape(-1)[(labels == region).any(axis=1)]] = True
        has_all &= present
    ends = mesh.vertices[edges[has_all]]
    shifts = measured.surfaces.shifts(separation)
    cells = [region for region in regions if region > 0]
    if separation == 0.0:
        cells = cells[:1]
    copies = [ends + shifts[np.searchsorted(mesh.regions, region)] for region in cells]
    ends = np.concatenate(copies)
    return np.stack([ends[:, 0], ends[:, 1] - ends[:, 0]], axis=1).astype(np.float32)
