"""The mouse in the viewer while a mesh is corrected: choosing, placing and dragging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_deltamic.plugin.picking import faces_on_line, region_at
from napari_deltamic.plugin.spatial import placement_of

if TYPE_CHECKING:
    from napari.layers import Surface
    from napari.viewer import Viewer

    from napari_deltamic.mesh import TriangleMesh

_LEFT_BUTTON = 1
Point = NDArray[np.float64]


class Tool(Enum):
    """What a press of the left button does."""

    CHOOSE = "choose"
    ADD = "add"
    DRAG = "drag"


class EditTools:
    """Turns the mouse in one viewer into places and regions of a mesh.

    Parameters
    ----------
    viewer
        The viewer.
    subject
        Returns the layer whose mesh is corrected, and the mesh in um; None while none is.

    Attributes
    ----------
    tool
        What a press does.
    reach
        How far from a press a drag finds the surface, in um.
    """

    chosen = Signal(int, bool)
    """Emits the region under a click, 0 beside all, and whether it is one more."""
    placed = Signal(object)
    """Emits a place in um, (z, y, x)."""
    dragged = Signal(object, object, bool)
    """Emits where a drag began, how far it is now, both in um, and whether it has ended."""

    def __init__(
        self, viewer: Viewer, subject: Callable[[], tuple[Surface, TriangleMesh] | None]
    ) -> None:
        self._viewer, self._subject = viewer, subject
        self.tool = Tool.CHOOSE
        self.reach = 1.0
        viewer.mouse_drag_callbacks.append(self._on_press)

    def close(self) -> None:
        """Let go of the viewer."""
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, viewer: Viewer, event: Any) -> Iterator[None]:
        subject = self._subject()
        active = viewer.layers.selection.active
        is_drawing = active is not None and str(active.mode) not in ("pan_zoom", "transform")
        if subject is None or event.button != _LEFT_BUTTON or is_drawing:
            return
        modifiers = {str(key) for key in event.modifiers}
        if modifiers - {"Shift"}:
            return
        layer, mesh = subject
        if self.tool is Tool.DRAG and not modifiers:
            yield from self._drag(layer, mesh, event)
            return
        yield
        if event.type == "mouse_move":
            return
        point, direction = self._line(layer, event)
        if self.tool is Tool.ADD:
            place = self._place(mesh, point, direction)
            if place is not None:
                self.placed.emit(place)
        else:
            self.chosen.emit(self._region(mesh, point, direction), bool(modifiers))

    def _drag(self, layer: Surface, mesh: TriangleMesh, event: Any) -> Iterator[None]:
        start, direction = self._line(layer, event)
        taken = self._taken(mesh, start, direction)
        if taken is None:
            return
        camera = self._viewer.scene.camera
        before, camera.mouse_pan = camera.mouse_pan, False
        way = np.zeros(3)
        yield
        try:
            while event.type == "mouse_move":
                way = self._line(layer, event)[0] - start
                if direction is not None:
                    way = way - (way @ direction) * direction
                self.dragged.emit(taken, way, False)
                yield
        finally:
            camera.mouse_pan = before
        if way.any():
            self.dragged.emit(taken, way, True)

    def _line(self, layer: Surface, event: Any) -> tuple[Point, Point | None]:
        """Return where the cursor is in um and, in 3D, the unit vector along which one looks."""
        placement = placement_of(layer)
        position = np.asarray(event.position, dtype=np.float64)

        def in_um(place: Point) -> Point:
            data = np.asarray(layer.world_to_data(place), dtype=np.float64)[-3:]
            return data * placement.spacing + placement.origin

        point = in_um(position)
        if self._viewer.dims.ndisplay != 3:
            return point, None
        direction = in_um(position + np.asarray(event.view_direction)) - point
        return point, direction / np.linalg.norm(direction)

    def _region(self, mesh: TriangleMesh, point: Point, direction: Point | None) -> int:
        if direction is None:
            return region_at(mesh, point)
        met, position, entering = faces_on_line(mesh.vertices, mesh.faces, point, direction)
        if len(met) == 0:
            return 0
        first = int(np.argmin(position))
        inner, outer = mesh.labels[met[first]]
        return int(inner if entering[first] else outer) or int(inner or outer)

    def _place(self, mesh: TriangleMesh, point: Point, direction: Point | None) -> Point | None:
        """Return a place for a new region: in 3D halfway between the surfaces that are seen."""
        if direction is None:
            return point
        _, positions, _ = faces_on_line(mesh.vertices, mesh.faces, point, direction)
        if len(positions) == 0:
            middle = mesh.vertices.mean(axis=0)
            return point + ((middle - point) @ direction) * direction
        return None

    def _taken(self, mesh: TriangleMesh, point: Point, direction: Point | None) -> Point | None:
        """Return the point of the surface that a drag takes hold of."""
        if direction is not None:
            _, positions, _ = faces_on_line(mesh.vertices, mesh.faces, point, direction)
            return point + positions.min() * direction if len(positions) else None
        away = np.linalg.norm(mesh.vertices - point, axis=1)
        return point if away.min() < self.reach else None
