"""Where a mesh cuts the plane that the viewer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.section import plane_sections
from napari_deltamic.plugin.preview import IS_RENDERING
from napari_deltamic.plugin.spatial import put

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Vectors
    from napari.viewer import Viewer

    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.spatial import Placement

_NOTHING = np.empty((0, 2, 3), dtype=np.float32)
_WIDTH = 0.35


class Outline:
    """A layer of line segments that follows the slider.

    Surface layers show in 2D only the triangles that lie wholly in the plane, which is not the
    contour that a user wants to compare with the image.

    Parameters
    ----------
    viewer
        Where to show it.
    name, **options
        Of the layer.
    """

    LAYER = "Mesh outline"

    def __init__(self, viewer: Viewer, name: str = LAYER, **options: Any) -> None:
        self._viewer: Viewer | None = viewer
        self._name = name
        self._options = {"edge_color": "yellow", "vector_style": "line", **options}
        self._mesh: TriangleMesh | None = None
        self._placement: Placement | None = None
        self._lines: NDArray[np.float32] = _NOTHING
        self._colours: Callable[[NDArray[np.int64]], NDArray[np.float64]] | None = None
        self._is_plain = True
        self._layer: Vectors | None = None
        self._drawn: tuple[int, float] | None = None
        for event in self._events():
            event.connect(self._update)

    def _events(self) -> list[Any]:
        assert self._viewer is not None
        events = self._viewer.dims.events
        return [events.point, events.order, events.ndisplay]

    @property
    def layer(self) -> Vectors | None:
        """The layer, once there is one."""
        return self._layer

    def show(
        self,
        mesh: TriangleMesh,
        placement: Placement,
        lines: NDArray[np.float32] = _NOTHING,
        width: float | None = None,
        colours: Callable[[NDArray[np.int64]], NDArray[np.float64]] | None = None,
    ) -> None:
        """Show the outline of a mesh in um, placed like the stack it belongs to.

        Parameters
        ----------
        mesh
            What the plane cuts in 2D.
        placement
            Where the layer lies.
        lines
            (N, 2, 3) starts and directions in um of what is shown in 3D instead.
        width
            Of the lines in um; by default a third of the smallest voxel size.
        colours
            Returns (N, 4) the colours of the mesh's faces with these numbers; all segments have
            the layer's one colour if None.
        """
        self._colours = colours
        before, self._placement = self._placement, placement
        self._mesh, self._lines = mesh, lines
        self._drawn = None
        if not self._has_layer():
            self._add_layer(_WIDTH * float(placement.spacing.min()) if width is None else width)
        elif before is not None and before.mesh_unit != placement.mesh_unit:
            self._change_unit(before.mesh_unit)
        self._update()

    def hide(self) -> None:
        """Show nothing until :meth:`show`."""
        self._mesh = None
        if self._has_layer() and len(self._layer.data):  # type: ignore[union-attr]
            self._layer.data = _NOTHING  # type: ignore[union-attr]

    def close(self) -> None:
        """Let go of the viewer."""
        for event in self._events():
            event.disconnect(self._update)
        self._viewer = self._mesh = self._layer = None

    def _has_layer(self) -> bool:
        viewer, layer = self._viewer, self._layer
        return viewer is not None and layer is not None and layer in viewer.layers

    def _add_layer(self, width: float) -> None:
        assert self._viewer is not None
        assert self._placement is not None
        active = self._viewer.layers.selection.active
        self._layer = self._viewer.add_vectors(
            _NOTHING,
            ndim=3,
            name=self._name,
            edge_width=width / self._placement.mesh_unit,
            metadata={IS_RENDERING: True},
            **self._options,
            **self._placement.layer_options(),
        )
        self._viewer.layers.selection.active = active

    def _change_unit(self, before: float) -> None:
        assert self._layer is not None
        assert self._placement is not None
        self._layer.edge_width *= before / self._placement.mesh_unit
        put(self._layer, self._placement.layer_options())

    def _update(self) -> None:
        # Never adds the layer: sliders also move while a closing viewer drops its layers.
        if self._mesh is None or not self._has_layer():
            return
        assert self._viewer is not None
        assert self._layer is not None
        assert self._placement is not None
        dims = self._viewer.dims
        across = [axis - dims.ndim for axis in dims.not_displayed if axis >= dims.ndim - 3]
        if dims.ndisplay == 3 or len(across) != 1:
            plane, vectors, faces = None, self._lines, None
        else:
            axis = across[0] + 3
            plane = axis, float(dims.point[across[0]]) * float(self._placement.um_per_unit[axis])
            if plane == self._drawn:
                return
            vectors, faces = _vectors(self._mesh, *plane)
        self._drawn = plane
        if len(vectors) or len(self._layer.data):
            self._layer.data = vectors / np.float32(self._placement.mesh_unit)
        if faces is not None and len(faces) and self._colours is not None:
            self._layer.edge_color = self._colours(faces)
            self._is_plain = False
        elif not self._is_plain:
            self._layer.edge_color = self._options["edge_color"]
            self._is_plain = True


def _vectors(
    mesh: TriangleMesh, axis: int, position: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return (N, 2, 3) starts and directions of the segments in a plane, and (N,) their faces."""
    found = plane_sections(mesh.vertices, mesh.faces, axis, [position])
    # A vertex in the plane gives a segment of no length.
    is_long = (found.segments[:, 0] != found.segments[:, 1]).any(axis=1)
    ends = np.insert(found.segments[is_long], axis, position, axis=2)
    vectors = np.stack([ends[:, 0], ends[:, 1] - ends[:, 0]], axis=1).astype(np.float32)
    return vectors, found.faces[is_long]
