"""The layers of a fitted movie: its surfaces over time, tracks, and the outline of each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.mesh_layers import surface_data
from napari_deltamic.plugin.region_colours import CONTRAST_LIMITS, region_colormap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Surface
    from napari.viewer import Viewer

    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.movie_worker import MovieSource
    from napari_deltamic.plugin.outline import Outline
    from napari_deltamic.timelapse import TimelapseResult

MOVIE_LAYER, TRACKS_LAYER = "Fitted movie", "Cell tracks"


class MovieLayers:
    """Shows the result of a movie; the outline follows the time slider as well."""

    def __init__(self, viewer: Viewer, outline: Outline) -> None:
        self._viewer = viewer
        self._outline = outline
        self._movie: MovieSource | None = None
        self._meshes: Sequence[TriangleMesh] = ()
        self._shown = -1
        self.surface: Surface | None = None
        viewer.dims.events.point.connect(self._on_point)

    def close(self) -> None:
        """Let go of the viewer."""
        self._viewer.dims.events.point.disconnect(self._on_point)
        self.forget()
        self.surface = None
        del self._viewer

    def forget(self) -> None:
        """Leave the layers, and the outline to others."""
        self._movie, self._meshes, self._shown = None, (), -1

    def go_to(self, movie: MovieSource, frame: int) -> None:
        """Turn the time slider to a frame."""
        axis = self._viewer.dims.ndim - 4
        position = movie.start + movie.interval * frame
        if axis >= 0 and not np.isclose(self._viewer.dims.point[axis], position):
            self._viewer.dims.set_point(axis, position)

    def show(self, result: TimelapseResult, movie: MovieSource) -> None:
        """Add the surfaces of all frames and the tracks of their regions."""
        self._movie, self._meshes, self._shown = movie, result.meshes, -1
        active = self._viewer.layers.selection.active
        options, unit = _options(movie), movie.source.placement.mesh_unit
        self.surface = self._viewer.add_surface(
            movie_surface(result.meshes, movie.first, unit),
            name=MOVIE_LAYER,
            colormap=region_colormap(),
            contrast_limits=CONTRAST_LIMITS,
            shading="smooth",
            visible=self._viewer.dims.ndisplay == 3,
            **options,
        )
        tracks = result.tracks()
        if len(tracks):
            # Cell, frame, z, y, x.
            tracks[:, 2:] /= unit
            self._viewer.add_tracks(
                tracks, name=TRACKS_LAYER, graph=_known(result.graph(), tracks), **options
            )
        self._viewer.layers.selection.active = active
        self._on_point()

    def turn(self) -> None:
        """Show the surfaces in 3D only, like those of other meshes."""
        if self.surface is not None and self.surface in self._viewer.layers:
            self.surface.visible = self._viewer.dims.ndisplay == 3 and self._movie is not None

    def _on_point(self) -> None:
        movie = self._movie
        axis = self._viewer.dims.ndim - 4
        if movie is None or axis < 0:
            return
        frame = round((self._viewer.dims.point[axis] - movie.start) / movie.interval)
        number = min(max(frame - movie.first, 0), len(self._meshes) - 1)
        if number != self._shown:
            self._shown = number
            self._outline.show(self._meshes[number], movie.source.placement)


def movie_surface(
    meshes: Sequence[TriangleMesh], first: int = 0, unit: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Return the data of a Surface layer over time, coloured by region.

    Parameters
    ----------
    meshes
        One for each frame.
    first
        Number of the first frame.
    unit
        Of positions, in um.

    Returns
    -------
    tuple
        (N, 4) vertices (frame, then z, y, x), (M, 3) faces and (N,) values.
    """
    vertices, faces, values, count = [], [], [], 0
    for frame, mesh in enumerate(meshes, start=first):
        points, triangles, colours = surface_data(mesh, unit)
        vertices.append(np.insert(points, 0, frame, axis=1))
        faces.append(triangles + count)
        values.append(colours)
        count += len(points)
    return np.concatenate(vertices), np.concatenate(faces), np.concatenate(values)


def _known(graph: dict[int, list[int]], tracks: NDArray[np.float64]) -> dict[int, list[int]]:
    """Return the part of a lineage whose cells have tracks; napari takes no other."""
    known = set(tracks[:, 0].astype(int).tolist())
    return {
        child: parents
        for child, parents in graph.items()
        if child in known and known.issuperset(parents)
    }


def _options(movie: MovieSource) -> dict[str, Any]:
    """Return the arguments that place a layer whose data are frames and positions."""
    space = movie.source.placement.layer_options()
    affine = np.eye(5)
    affine[1:, 1:] = space["affine"]
    unit, label = movie.time_options
    return {
        "scale": (movie.interval, *space["scale"]),
        "translate": (movie.start, *space["translate"]),
        "affine": affine,
        "units": (unit, *space["units"]),
        "axis_labels": (label, *space["axis_labels"]),
    }
