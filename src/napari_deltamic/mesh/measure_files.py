"""The tables of a mesh as CSV files, as a fit leaves them behind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from numpy.typing import ArrayLike

from napari_deltamic.mesh import contacts, junctions, measures
from napari_deltamic.mesh.tables import with_column, write_table_csv
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

_OF_CONTACTS = ("contacts.csv", "junctions.csv")


def write_measure_tables(
    directory: str | os.PathLike[str],
    mesh: TriangleMesh,
    intensities: ArrayLike | None = None,
    brightness: ArrayLike | None = None,
    region_columns: Mapping[str, ArrayLike] | None = None,
    contact_columns: Mapping[str, ArrayLike] | None = None,
) -> list[Path]:
    """Write measures.csv and, if regions touch, contacts.csv and junctions.csv.

    Parameters
    ----------
    directory
        An existing folder; files of these names in it are replaced, or removed where no regions
        touch.
    mesh
        The mesh.
    intensities
        (R,) brightness per um^3 of each region: a column more in measures.csv.
    brightness
        (I,) brightness per um^2 of each interface: a column more in contacts.csv.
    region_columns, contact_columns
        More columns, such as standard errors: (R,) and (I,) numbers by name.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ValueError
        If there is not one intensity for each region and one brightness for each interface.
    OSError
        If a file cannot be written.
    """
    folder = Path(directory).expanduser()
    regions = measures.measures_table(mesh, intensities)
    for name, values in (region_columns or {}).items():
        regions = with_column(regions, name, values, f"region_columns[{name!r}]")
    tables = {"measures.csv": (regions, measures.COLUMNS)}
    if mesh.has_contacts:
        pairs = contacts.contacts_table(mesh, brightness)
        for name, values in (contact_columns or {}).items():
            pairs = with_column(pairs, name, values, f"contact_columns[{name!r}]")
        tables["contacts.csv"] = pairs, contacts.COLUMNS
        tables["junctions.csv"] = junctions.junctions_table(mesh), junctions.COLUMNS
    for name, (rows, columns) in tables.items():
        write_table_csv(folder / name, rows, columns)
    for name in _OF_CONTACTS:
        if name not in tables:
            # Of an earlier mesh, and nothing of this one.
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in tables]
