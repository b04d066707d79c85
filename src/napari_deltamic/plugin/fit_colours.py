"""What the surface of a fit can be coloured by; numpy alone, so that a thread can work it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.colourings import Colouring
from napari_deltamic.plugin.region_colours import bright_colormap
from napari_deltamic.plugin.steady_limits import steady_limit

if TYPE_CHECKING:
    from napari_deltamic.fitting import Intensities
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.history import Moment
    from napari_deltamic.plugin.mesh_layers import SplitSurface
    from napari_deltamic.plugin.preview import Preview
    from napari_deltamic.plugin.spatial import Placement

REGION = "Region"
STEP = "Last step"
CURVATURE = "Mean curvature"
BRIGHTNESS = "Brightness"
RESIDUAL = "Residual"
ERROR = "Standard error"

TIPS = {
    REGION: "Each cell in its own colour",
    STEP: "How far each point moved in the last iteration",
    CURVATURE: "Positive where a cell bulges outwards or, at a contact, into the cell with the "
    "lower number",
    BRIGHTNESS: "What the fit takes each membrane, or each inside, to shine with",
    RESIDUAL: "Image minus rendering at the surface, in standard deviations of the noise: red "
    "where the image is brighter",
    ERROR: "How uncertain each point's place is, across the surface",
}

# A few values always stick out.
_PERCENTILE = 98.0
_LEAST_RESIDUAL = 3.0


class Sight(NamedTuple):
    """What is looked at, with all that its colours may need."""

    name: str
    """Of the quantity, one of the above but :data:`REGION`."""
    moment: Moment
    before: Moment | None
    """The moment before, to tell the last step from."""
    preview: Preview | None
    """With the residual."""
    placement: Placement
    """Of the stack."""
    errors: NDArray[np.float64] | None
    """(V,) standard errors of the mesh's vertices in um."""
    limit: float | None
    """The end of the scale as it was; None for a new one."""


def fit_colouring(sight: Sight, split: SplitSurface) -> Colouring | None:
    """Return the colours of a mesh whose faces are split by interface.

    None where what they stand for is not known: before the first step, or without a residual.
    """
    mesh, name = sight.moment.mesh, sight.name
    if name == CURVATURE:
        values = at_corners(_curvature(mesh), split)
        return _colouring(values, "1/µm", sight.limit, signed=True)
    if name == BRIGHTNESS:
        if sight.moment.intensities is None:
            return None
        of_faces, unit = face_brightness(mesh, sight.moment.intensities)
        return _colouring(at_corners(of_faces, split), unit, sight.limit, percentile=100.0)
    if name == RESIDUAL:
        if sight.preview is None or sight.preview.residual is None:
            return None
        at_vertices = residual_at(mesh, sight.preview, sight.placement)
        values = at_vertices[split.vertex_of]
        return _colouring(values, "× noise", sight.limit, _LEAST_RESIDUAL, signed=True)
    if name == ERROR:
        if sight.errors is None or len(sight.errors) != len(mesh.vertices):
            return None
        return _colouring(sight.errors[split.vertex_of], "µm", sight.limit)
    steps = step_lengths(sight.moment, sight.before)
    if steps is None:
        return None
    return _colouring(steps[split.vertex_of], "µm", sight.limit)


def step_lengths(moment: Moment, before: Moment | None) -> NDArray[np.float64] | None:
    """Return (V,) how far each vertex moved in an iteration since another moment, in um.

    None if that other has other triangles, or is not earlier.
    """
    if before is None or moment.iteration <= before.iteration:
        return None
    if not np.array_equal(moment.mesh.faces, before.mesh.faces):
        return None
    way = np.linalg.norm(moment.mesh.vertices - before.mesh.vertices, axis=1)
    return np.asarray(way / (moment.iteration - before.iteration))


def face_brightness(
    mesh: TriangleMesh, intensities: Intensities
) -> tuple[NDArray[np.float64], str]:
    """Return (F,) the brightness of the membrane, or of the inside if that alone is lit; its unit.

    A face between two insides has the brightness of the region with the higher number.
    """
    if len(intensities.membrane):
        return intensities.membrane[mesh.face_interfaces], "per µm²"
    if not len(intensities.interior):
        return np.zeros(len(mesh.faces)), "per µm³"
    rows = np.searchsorted(mesh.regions, mesh.labels.max(axis=1, initial=0))
    return intensities.interior[rows], "per µm³"


def residual_at(mesh: TriangleMesh, preview: Preview, placement: Placement) -> NDArray[np.float64]:
    """Return (V,) the residual of a preview at a mesh's vertices; NaN outside of the stack."""
    # Imported here: the docks open without it.
    from napari_deltamic.imaging.sampling import sampled

    assert preview.residual is not None
    spacing, origin = preview.place(placement)
    return sampled(preview.residual, mesh.vertices, spacing, origin)


def at_corners(of_faces: NDArray[np.float64], split: SplitSurface) -> NDArray[np.float64]:
    """Return (W,) means of the values of faces round each of a layer's vertices."""
    corners, size = split.faces.ravel(), len(split.vertex_of)
    count = np.maximum(np.bincount(corners, minlength=size), 1)
    return np.asarray(np.bincount(corners, np.repeat(of_faces, 3), size) / count)


def face_colours(
    colouring: Colouring, split: SplitSurface, faces: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (N, 4) the colours, red to opacity, of some of a mesh's faces."""
    from napari.utils.colormaps import ensure_colormap

    low, high = colouring.limits
    values = colouring.values[split.faces[faces]].mean(axis=1)
    shown = ensure_colormap(colouring.colormap).map(np.clip((values - low) / (high - low), 0, 1))
    return np.asarray(shown, dtype=np.float64)


def _curvature(mesh: TriangleMesh) -> NDArray[np.float64]:
    from napari_deltamic.mesh.curvature import face_curvature

    return face_curvature(mesh)


def _colouring(
    values: NDArray[np.float64],
    unit: str,
    before: float | None,
    least: float = 0.0,
    *,
    signed: bool = False,
    percentile: float = _PERCENTILE,
) -> Colouring:
    """Return colours from zero on or, of values with a sign, from as far below as above."""
    sizes = np.abs(values[np.isfinite(values)])
    largest = float(np.percentile(sizes, percentile)) if len(sizes) else 0.0
    limit = steady_limit(largest, before, least)
    limits = (-limit if signed else 0.0, limit)
    shown = np.nan_to_num(values, nan=0.0).astype(np.float32)
    return Colouring(shown, "coolwarm" if signed else bright_colormap(), limits, unit, True)
