"""Everything that the Measures dock shows of one mesh; no Qt, so that a thread can compute it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.cell_surfaces import CellSurfaces, cell_surfaces

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.mesh.tables import Row

Columns = dict[str, NDArray[np.float64]]
ERROR = "_error"
"""Ends the name of a column that holds the standard error of the column before it."""


@dataclass(frozen=True, eq=False)
class MeasuredMesh:
    """A mesh with its tables, and what its surface can be coloured by.

    Attributes
    ----------
    mesh
        The mesh.
    cells, contacts, junctions
        Rows per region, per interface and per set of regions that meet along lines.
    surfaces
        The cells one by one.
    vertex_measures
        (W,) values at the vertices of ``surfaces``, by name.
    region_columns, contact_columns
        (R,) and (I,) what a fit adds to the tables, by the column's name.
    """

    mesh: TriangleMesh
    cells: list[Row]
    contacts: list[Row]
    junctions: list[Row]
    surfaces: CellSurfaces
    vertex_measures: dict[str, NDArray[np.float64]]
    region_columns: Columns
    contact_columns: Columns

    def save(self, folder: Path) -> list[Path]:
        """Write measures.csv and, if cells touch, contacts.csv and junctions.csv; return the files.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        from napari_deltamic.mesh import write_measure_tables

        folder.mkdir(parents=True, exist_ok=True)
        return write_measure_tables(
            folder,
            self.mesh,
            region_columns=self.region_columns,
            contact_columns=self.contact_columns,
        )


def measured_mesh(mesh: TriangleMesh, result: FitResult | None = None) -> MeasuredMesh:
    """Measure a mesh.

    Parameters
    ----------
    mesh
        The mesh.
    result
        The fit that it is of, for brightness and standard errors.
    """
    from napari_deltamic.mesh import (
        contacts_table,
        face_curvature,
        junctions_table,
        measures_table,
    )

    of_regions, of_contacts = _columns_of(result)
    surfaces = cell_surfaces(mesh)
    measures = {"mean_curvature": _outward_curvature(surfaces, face_curvature(mesh))}
    if result is not None and result.errors is not None:
        measures["standard_error"] = surfaces.of_vertices(result.errors.vertices)
    return MeasuredMesh(
        mesh,
        _with_columns(measures_table(mesh), of_regions),
        _with_columns(contacts_table(mesh), of_contacts),
        junctions_table(mesh),
        surfaces,
        measures,
        of_regions,
        of_contacts,
    )


def _columns_of(result: FitResult | None) -> tuple[Columns, Columns]:
    if result is None:
        return {}, {}
    from napari_deltamic.fitting.result_tables import result_columns

    return result_columns(result)


def _outward_curvature(
    surfaces: CellSurfaces, curvature: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (W,) mean curvature, positive where the cell that a vertex bounds is convex."""
    lower = surfaces.mesh.interfaces[surfaces.vertex_interfaces, 0]
    # Given as positive where the higher region bulges into the lower one.
    return np.where(surfaces.vertex_regions == lower, -1.0, 1.0) * surfaces.of_faces(curvature)


def _with_columns(rows: list[Row], columns: Columns) -> list[Row]:
    """Add columns, standard errors behind what they are of."""
    for name, values in columns.items():
        before = name.removesuffix(ERROR)
        pairs = zip(rows, values.tolist(), strict=True)
        rows = [_with_value(row, before, name, value) for row, value in pairs]
    return rows


def _with_value(row: Row, before: str, name: str, value: float) -> Row:
    """Return a row with a value behind that of a column, at the end if there is no such column."""
    names = list(row)
    place = names.index(before) + 1 if before in row else len(names)
    items = list(row.items())
    return dict([*items[:place], (name, value), *items[place:]])
