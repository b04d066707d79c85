"""What cells can be coloured by, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.measure_names import is_region, is_shown, title_of, unit_of
from napari_deltamic.plugin.region_colours import CONTRAST_LIMITS, colour_values, region_colormap

if TYPE_CHECKING:
    from napari_deltamic.mesh.tables import Row
    from napari_deltamic.plugin.measured_mesh import MeasuredMesh

REGION = "Cell number"
_DIVERGING, _SEQUENTIAL = "coolwarm", "viridis"
# Of the values at vertices, a few of which always stick out.
_PERCENTILES = 2.0, 98.0


class Colouring(NamedTuple):
    """Values of a surface and the colours for them."""

    values: NDArray[np.float32]
    """(W,) at the vertices of the cells' surfaces."""
    colormap: Any
    limits: tuple[float, float]
    unit: str
    is_number: bool
    """Whether the colours stand for a quantity, and not for names."""


def colourings(measured: MeasuredMesh) -> dict[str, Callable[[], Colouring]]:
    """Return what a measured mesh can be coloured by, and what computes each."""
    surfaces = measured.surfaces
    found: dict[str, Callable[[], Colouring]] = {REGION: lambda: _by_region(measured)}
    for prefix, rows, spread in (
        ("Cell", measured.cells, surfaces.of_regions),
        ("Contact", measured.contacts, surfaces.of_interfaces),
    ):
        for column in rows[0] if rows else ():
            if is_shown(column) and not is_region(column) and not column.startswith("centroid_"):
                found[f"{prefix}: {_lower(title_of(column))}"] = _of_rows(rows, column, spread)
    for column, values in measured.vertex_measures.items():
        found[f"Surface: {_lower(title_of(column))}"] = _of_vertices(column, values)
    return found


def _by_region(measured: MeasuredMesh) -> Colouring:
    values = colour_values(measured.surfaces.vertex_regions)
    return Colouring(values, region_colormap(), CONTRAST_LIMITS, "", False)


def _of_rows(
    rows: list[Row], column: str, spread: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Callable[[], Colouring]:
    def colouring() -> Colouring:
        numbers = np.array([row[column] for row in rows], dtype=np.float64)
        # Free surfaces are so much larger than contacts that these would all look alike.
        between = np.array([row.get("region_a", 1) > 0 for row in rows])
        compared = numbers[between] if between.any() else numbers
        return _colouring(column, spread(numbers), compared, (0.0, 100.0))

    return colouring


def _of_vertices(column: str, values: NDArray[np.float64]) -> Callable[[], Colouring]:
    return lambda: _colouring(column, values, values, _PERCENTILES)


def _colouring(
    column: str,
    values: NDArray[np.float64],
    numbers: NDArray[np.float64],
    percentiles: tuple[float, float],
) -> Colouring:
    finite = numbers[np.isfinite(numbers)]
    low, high = np.percentile(finite, percentiles).tolist() if len(finite) else (0.0, 1.0)
    colormap = _SEQUENTIAL
    if low < 0.0 < high:
        # Zero in the middle tells what bulges from what is hollow.
        colormap, high = _DIVERGING, max(-low, high)
        low = -high
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        low, high = low - 0.5 * max(abs(low), 1.0), high + 0.5 * max(abs(high), 1.0)
    shown = np.nan_to_num(values, nan=low).astype(np.float32)
    return Colouring(shown, colormap, (low, high), unit_of(column), True)


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]
