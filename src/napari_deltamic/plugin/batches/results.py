"""Results of a batch in the viewer: the meshes of an item on its stack."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.movie_layers import movie_surface
from napari_deltamic.plugin.region_colours import CONTRAST_LIMITS, region_colormap
from napari_deltamic.plugin.spatial import placement_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer

    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.live_view import LiveView

_MESH, _FRAME = "mesh.rec", re.compile(r"mesh_t(\d+)\.rec")


class ItemResult(NamedTuple):
    """What is shown of an item.

    Attributes
    ----------
    name
        The item's.
    data, spacing, origin
        The stack with its place in um; of a movie (T, Z, Y, X).
    meshes
        The fitted one, or one for each frame.
    first
        Number of the first frame; None of a single stack.
    """

    name: str
    data: Any
    spacing: Sequence[float]
    origin: Sequence[float]
    meshes: list[TriangleMesh]
    first: int | None = None


def read_result(folder: Path, name: str) -> ItemResult:
    """Read the meshes of an item, and the stack that it was fitted to; for a thread.

    Parameters
    ----------
    folder
        Of the batch.
    name
        The item's.

    Raises
    ------
    ValueError, OSError
        If something of it is missing or cannot be read.
    """
    from napari_deltamic.batch import Item
    from napari_deltamic.batch.outcome import read_outcome
    from napari_deltamic.mesh import read_mesh
    from napari_deltamic.plugin.batches.plan import arguments_of

    own = folder / name
    outcome = read_outcome(own)
    try:
        assert outcome is not None
        task = outcome.task
        item = Item(name, task["command"], Path(task["source"]), tuple(task["options"]))
    except (AssertionError, KeyError, TypeError) as error:
        raise ValueError(f"{own} does not say what was fitted there") from error
    if not item.source.exists():
        raise ValueError(f"the stack {item.source} is not there any more")
    given = arguments_of(item)
    if item.command == "timelapse":
        return _movie_result(own, item.source, given)
    mesh = read_mesh(own / _MESH)
    stack = _fitted_stack(own, item.source, given)
    return ItemResult(name, stack.data, stack.spacing.tolist(), stack.origin.tolist(), [mesh])


def add_result(viewer: Viewer, view: LiveView, result: ItemResult) -> None:
    """Add the stack and the meshes of an item to a viewer; the first mesh gets an outline in 2D."""
    has_time, units = result.first is not None, ("um",) * 3
    image = viewer.add_image(
        result.data,
        name=result.name,
        scale=(1.0,) * has_time + tuple(result.spacing),
        translate=(float(result.first or 0),) * has_time + tuple(result.origin),
        units=("pixel",) * has_time + units,
    )
    placement, mesh = placement_of(image), result.meshes[0]
    options = placement.layer_options()
    if result.first is not None:
        viewer.add_surface(
            movie_surface(result.meshes, result.first, placement.mesh_unit),
            name=f"{result.name} meshes",
            colormap=region_colormap(),
            contrast_limits=CONTRAST_LIMITS,
            shading="smooth",
            scale=(1.0, *options["scale"]),
            translate=(0.0, *options["translate"]),
            units=("pixel", *units),
        )
        return
    surface = viewer.add_surface(
        surface_data(mesh, placement.mesh_unit),
        name=f"{result.name} mesh",
        **surface_options(mesh),
        **options,
    )
    view.show_seed(surface, mesh, placement)


def _fitted_stack(own: Path, source: Path, given: dict[str, Any]) -> ImageStack:
    """Return the stack of a fit; of a large one the part that was fitted."""
    import json

    from napari_deltamic.imaging import open_stack

    opened = open_stack(source, given.get("spacing"), given.get("channel"), given.get("frame"))
    if given.get("origin") is not None:
        opened = type(opened)(opened.data, opened.spacing, given["origin"])
    facts = json.loads((own / "fit.json").read_text(encoding="utf-8"))["stack"]
    start = np.rint((np.asarray(facts["origin_um"]) - opened.origin) / opened.spacing).astype(int)
    return opened.part(start, start + facts["shape"])


def _movie_result(own: Path, source: Path, given: dict[str, Any]) -> ItemResult:
    """Return the frames that have a mesh; each is read when it is looked at."""
    from dask.array import from_delayed
    from dask.array import stack as stacked
    from dask.delayed import delayed

    from napari_deltamic.mesh import read_mesh
    from napari_deltamic.timelapse import Movie

    found = {int(match[1]): file for file in own.iterdir() if (match := _FRAME.match(file.name))}
    if not found:
        raise ValueError(f"{own} holds no mesh of a frame")
    first = min(found)
    # As far as they go on without a gap.
    last = next(number for number in range(first, max(found) + 2) if number not in found)
    movie = Movie(
        source, given.get("spacing"), channel=given.get("channel"), start=first, stop=last
    )
    one = movie[0]

    def frame(number: int) -> Any:
        return movie[number].data

    data = stacked(
        [
            from_delayed(delayed(frame)(number), one.data.shape, one.data.dtype)
            for number in range(last - first)
        ]
    )
    meshes = [read_mesh(found[number]) for number in range(first, last)]
    return ItemResult(own.name, data, one.spacing.tolist(), one.origin.tolist(), meshes, first)
