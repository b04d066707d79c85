"""The tables of a mesh as CSV files, as a fit leaves them behind."""

from __future__ import annotations

import os
from pathlib import Path

from numpy.typing import ArrayLike

from napari_deltamic.mesh import contacts, junctions, measures
from napari_deltamic.mesh.tables import write_table_csv
from napari_deltamic.mesh.triangle_mesh import TriangleMesh
from napari_deltamic.replacing import replacing


def regions_touch(mesh: TriangleMesh) -> bool:
    """Return whether any face lies between two regions, neither of them the outside."""
    return bool((mesh.interfaces > 0).all(axis=1).any())


def write_measure_tables(
    directory: str | os.PathLike[str],
    mesh: TriangleMesh,
    intensities: ArrayLike | None = None,
    brightness: ArrayLike | None = None,
) -> list[Path]:
    """Write measures.csv and, if regions touch, contacts.csv and junctions.csv.

    Parameters
    ----------
    directory
        An existing folder; files of these names in it are replaced.
    mesh
        The mesh.
    intensities
        (R,) brightness per um^3 of each region: a column more in measures.csv.
    brightness
        (I,) brightness per um^2 of each interface: a column more in contacts.csv.

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
    tables = {"measures.csv": (measures.measures_table(mesh, intensities), measures.COLUMNS)}
    if regions_touch(mesh):
        tables["contacts.csv"] = contacts.contacts_table(mesh, brightness), contacts.COLUMNS
        tables["junctions.csv"] = junctions.junctions_table(mesh), junctions.COLUMNS
    for name, (rows, columns) in tables.items():
        with replacing(folder / name) as file:
            write_table_csv(file, rows, columns)
    return [folder / name for name in tables]
