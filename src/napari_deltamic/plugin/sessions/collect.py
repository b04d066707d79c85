"""What a viewer and its session hold, taken down for a session folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Points, Surface

from napari_deltamic.plugin.mesh_layers import METADATA_KEY, mesh_from_layer
from napari_deltamic.plugin.movie_worker import MovieWorker
from napari_deltamic.plugin.preview import IS_RENDERING
from napari_deltamic.plugin.sessions.image_files import file_of
from napari_deltamic.plugin.sessions.saved import (
    FIT_IMAGE,
    FITTED,
    IMAGE,
    SEED,
    Kind,
    SavedFit,
    SavedLayer,
    SavedSession,
)
from napari_deltamic.plugin.spatial import frame_index

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deltamic.fitting import FitResult
    from napari_deltamic.plugin.live_view import LiveView
    from napari_deltamic.plugin.session import Session

MOST_BYTES = 8 << 30
_KINDS: tuple[tuple[type, Kind], ...] = (
    (Labels, "labels"),
    (Image, "image"),
    (Points, "points"),
    (Surface, "surface"),
)
_PLACE = ("scale", "translate", "rotate", "shear")


def snapshot(
    viewer: Viewer, view: LiveView, most_bytes: int = MOST_BYTES
) -> Callable[[], SavedSession]:
    """Take down what there is now; the function returned, for a thread, makes a session of it.

    All labels, points and surfaces are kept, and of the images those that were chosen or fitted.
    Layers that follow from a result are left out: they come back with it. The function raises
    ValueError if a layer that no file gives again is larger than ``most_bytes``.
    """
    session = view.session
    fit, result = session.fitted, session.result
    roles = {IMAGE: session.image_name, SEED: session.mesh_name}
    if fit is not None:
        roles[FIT_IMAGE] = fit.source.name
    if view.surface is not None:
        roles[FITTED] = view.surface.name
    images = {roles[role] for role in (IMAGE, FIT_IMAGE) if role in roles}
    point = tuple(viewer.dims.point)
    kept = [
        _taken(layer, kind, point)
        for layer in viewer.layers
        if (kind := _kind(layer)) is not None
        and (kind != "image" or layer.name in images)
        and layer != view.measures.surface
        and not (layer == view.surface and result is not None and _shows(layer, result))
    ]
    names = [layer.name for layer in kept]
    image = next((layer for layer in kept if layer.name == roles[IMAGE]), None)
    values: dict[str, Any] = {
        "roles": {role: names.index(name) for role, name in roles.items() if name in names},
        "frame": () if image is None else image.frame,
        "settings": session.settings,
        "psf": session.psf_choice,
        "marks": session.marks,
        "result": result,
        "moments": session.moments,
        "movie_folder": _movie_folder(session),
    }
    if fit is not None:
        values["fit"] = SavedFit(
            fit.mesh,
            fit.psf,
            fit.settings,
            fit.source.index,
            fit.whole_up_to,
            fit.first_stage,
        )
    if result is not None and session.result_placement is not None:
        values["result_origin"] = tuple(session.result_placement.origin.tolist())
    return lambda: SavedSession(layers=tuple(layer.saved(most_bytes) for layer in kept), **values)


@dataclass(frozen=True, eq=False)
class _TakenLayer:
    """A layer as it was; its data may still have to be read."""

    kind: Kind
    name: str
    data: dict[str, Any]
    options: dict[str, Any]
    file: tuple[str | None, str | None] = (None, None)
    frame: tuple[int, ...] = ()

    def saved(self, most_bytes: int) -> SavedLayer:
        """Return it with its data, or with the file that gives them again; may take long."""
        if self.kind in ("image", "labels"):
            found = file_of(*self.file, self.data["data"], self.frame)
            if found is not None:
                return SavedLayer(self.kind, self.name, {}, self.options, found)
        for values in self.data.values():
            if np.prod(values.shape, dtype=float) * values.dtype.itemsize > most_bytes:
                raise ValueError(
                    f"layer {self.name!r} is larger than {most_bytes / (1 << 30):g} GB and no file "
                    "gives it again; save it as a file and open that"
                )
        arrays = {name: np.asarray(values) for name, values in self.data.items()}
        return SavedLayer(self.kind, self.name, arrays, self.options)


def _movie_folder(session: Session) -> str | None:
    """Return where the frames of a fitted movie are; None if the last fit was of no movie."""
    if session.movie_result is None or not isinstance(session.worker, MovieWorker):
        return None
    return str(session.worker.folder or "")


def _kind(layer: Layer) -> Kind | None:
    """Return the kind of a layer that is to be kept."""
    if IS_RENDERING in layer.metadata or layer.ndim < 3 or getattr(layer, "rgb", False):
        return None
    if isinstance(layer, Surface) and np.shape(layer.vertices)[-1] != 3:
        return None
    return next((kind for cls, kind in _KINDS if isinstance(layer, cls)), None)


def _taken(layer: Any, kind: Kind, point: tuple[float, ...]) -> _TakenLayer:
    options: dict[str, Any] = {name: np.asarray(getattr(layer, name)).tolist() for name in _PLACE}
    options["affine"] = layer.affine.affine_matrix.tolist()
    options["units"] = [str(unit) for unit in layer.units]
    options["axis_labels"] = [str(label) for label in layer.axis_labels]
    options["opacity"], options["visible"] = float(layer.opacity), bool(layer.visible)
    if kind in ("image", "surface"):
        options["colormap"] = str(layer.colormap.name)
        options["contrast_limits"] = [float(limit) for limit in layer.contrast_limits]
    if kind == "surface":
        options["shading"] = str(layer.shading)
        return _TakenLayer(kind, layer.name, _surface_arrays(layer), options)
    if kind == "points":
        data = {name: np.array(getattr(layer, name)) for name in ("size", "face_color")}
        data |= {"border_color": np.array(layer.border_color), "data": np.array(layer.data)}
        options["projection_mode"] = str(layer.projection_mode)
        return _TakenLayer(kind, layer.name, data, options)
    if kind == "image":
        options["gamma"], options["blending"] = float(layer.gamma), str(layer.blending)
    values = layer.data[0] if layer.multiscale else layer.data
    file = layer.source.path, layer.source.reader_plugin
    return _TakenLayer(kind, layer.name, {"data": values}, options, file, frame_index(layer, point))


def _surface_arrays(layer: Surface) -> dict[str, Any]:
    arrays = {name: np.array(getattr(layer, name)) for name in ("vertices", "faces")}
    arrays["values"] = np.array(layer.vertex_values)
    known = layer.metadata.get(METADATA_KEY, {})
    for name in ("labels", "vertex_of"):
        if known.get(name) is not None:
            arrays[name] = known[name]
    return arrays


def _shows(layer: Surface, result: FitResult) -> bool:
    """Whether a layer is a fit's result as it came, nothing changed since."""
    mesh = mesh_from_layer(layer)
    if not np.array_equal(mesh.faces, result.mesh.faces):
        return False
    # The layer has single precision.
    size = float(np.abs(result.mesh.vertices).max(initial=1.0))
    return bool(np.allclose(mesh.vertices, result.mesh.vertices, rtol=0.0, atol=1e-5 * size))
