"""Bringing a saved session back into a viewer, beside what is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deltamic.imaging.region import whole
from napari_deltamic.plugin.fit_input import FitInput
from napari_deltamic.plugin.mesh_layers import METADATA_KEY
from napari_deltamic.plugin.region_colours import region_colormap
from napari_deltamic.plugin.sessions.files import read_session
from napari_deltamic.plugin.sessions.image_files import data_of
from napari_deltamic.plugin.sessions.saved import (
    FIT_IMAGE,
    IMAGE,
    SEED,
    SavedFit,
    SavedLayer,
    SavedSession,
)
from napari_deltamic.plugin.spatial import StackSource, placement_of

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deltamic.plugin.live_view import LiveView


@dataclass(frozen=True, eq=False)
class OpenedSession:
    """A session with the data of all its layers.

    Attributes
    ----------
    saved
        As it was read.
    data
        Of each layer that has a file of its own.
    problems
        What could not be brought back, in sentences.
    """

    saved: SavedSession
    data: dict[int, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def can_go_on(self) -> bool:
        """Whether the fit and its image are here."""
        place = self.saved.roles.get(FIT_IMAGE)
        return self.saved.fit is not None and place is not None and self.has(place)

    def has(self, place: int) -> bool:
        """Whether a layer can be brought back."""
        return self.saved.layers[place].file is None or place in self.data


def opened(folder: Path) -> OpenedSession:
    """Read a session and the image files that it refers to; for a thread.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`read_session`; an image that is missing is one of the session's problems instead.
    """
    session = OpenedSession(read_session(folder))
    for place, layer in enumerate(session.saved.layers):
        if layer.file is None:
            continue
        try:
            session.data[place] = data_of(layer.file)
        except ValueError as error:
            session.problems.append(str(error))
    return session


def restore(viewer: Viewer, view: LiveView, session: OpenedSession) -> Iterator[None]:
    """Add a session's layers and take its choices and its result up, a piece at a time.

    Nothing that is in the viewer is changed; layers whose names are taken get another.
    """
    saved = session.saved
    layers: dict[int, Layer] = {}
    for place, layer in enumerate(saved.layers):
        if session.has(place):
            layers[place] = _add(viewer, layer, session.data.get(place))
            yield
    image = layers.get(saved.roles.get(IMAGE, -1))
    if image is not None:
        _turn_to(viewer, image, saved.frame)
    seed = layers.get(saved.roles.get(SEED, -1))
    view.session.take_up(
        "" if image is None else image.name,
        "" if seed is None else seed.name,
        saved.settings,
        saved.psf,
        saved.marks,
    )
    yield
    fitted = layers.get(saved.roles.get(FIT_IMAGE, -1))
    if fitted is None or saved.fit is None:
        return
    given = fit_input(fitted, saved.fit)
    if saved.result is None:
        view.session.fitted = given
        return
    part = given.source
    if saved.result.image.shape != part.shape:
        part = _part(part, np.array(saved.result_origin), saved.result.image.shape)
    view.make_room(part, saved.moments)
    view.session.take_up_result(given, part, saved.result, saved.moments)


def fit_input(layer: Layer, fit: SavedFit) -> FitInput:
    """Return what a fit was given, its stack being that of a layer."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    source = StackSource(layer.name, data, placement_of(layer), fit.frame)
    return FitInput(source, fit.mesh, fit.psf, fit.settings, fit.whole_up_to, fit.first_stage)


def _part(source: StackSource, origin: np.ndarray, shape: tuple[int, ...]) -> StackSource:
    """Return the part of a stack that begins at a place and has a shape."""
    place = source.placement
    first = np.rint((origin - place.origin) / place.spacing).astype(int).tolist()
    z, y, x = (slice(at, at + size) for at, size in zip(first, shape, strict=True))
    inside = zip((z, y, x), whole(source.shape), strict=True)
    if not all(part.start >= 0 and part.stop <= all_of.stop for part, all_of in inside):
        raise ValueError("the session's result does not lie in its image")
    return source.cropped((z, y, x))


def _turn_to(viewer: Viewer, image: Any, frame: tuple[int, ...]) -> None:
    """Turn the sliders to a frame of an image."""
    for axis, number in enumerate(frame):
        place = float(image.translate[axis] + image.scale[axis] * number)
        viewer.dims.set_point(viewer.dims.ndim - image.ndim + axis, place)


def _add(viewer: Viewer, saved: SavedLayer, data: Any) -> Layer:
    options = dict(saved.options, name=saved.name)
    arrays = dict(saved.arrays)
    if saved.kind == "surface":
        parts = arrays["vertices"], arrays["faces"], arrays["values"]
        if "labels" in arrays:
            known = {name: arrays[name] for name in ("labels", "vertex_of") if name in arrays}
            options |= {"metadata": {METADATA_KEY: known}, "colormap": region_colormap()}
        return viewer.add_surface(parts, **options)
    values = arrays.pop("data") if data is None else data
    if saved.kind == "points":
        return viewer.add_points(values, **arrays, **options)
    add = viewer.add_labels if saved.kind == "labels" else viewer.add_image
    return add(values, **options)
