"""The command ``measure``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_deltamic.cli.paths import FILE, check_output_file


def measure(
    mesh: Annotated[Path, Parameter(validator=FILE)],
    /,
    *,
    csv: Path | None = None,
    contacts: Path | None = None,
    junctions: Path | None = None,
) -> None:
    """Print volumes, areas, shapes and positions of the regions of a mesh.

    Where regions touch, also the areas and curvatures of their contacts and free surfaces, and the
    angles along the lines where three or more meet. The curvature of a contact is positive where
    the region with the higher number bulges into the other.

    Parameters
    ----------
    mesh
        A mesh file: .rec with regions, or .ply, .obj, .stl, .off.
    csv
        Also write the table of the regions to this CSV file, with more columns.
    contacts
        Also write the table of contacts and free surfaces to this CSV file.
    junctions
        Also write the table of the lines where regions meet to this CSV file.
    """
    from napari_deltamic.cli.outputs import write_measures
    from napari_deltamic.cli.tables import (
        print_contacts,
        print_junctions,
        print_measures,
        print_shapes,
    )
    from napari_deltamic.mesh import (
        contacts_table,
        junctions_table,
        read_mesh,
        write_table_csv,
    )
    from napari_deltamic.mesh.contacts import COLUMNS as CONTACT_COLUMNS
    from napari_deltamic.mesh.junctions import COLUMNS as JUNCTION_COLUMNS

    for option, file in (("--csv", csv), ("--contacts", contacts), ("--junctions", junctions)):
        if file is not None:
            check_output_file(option, file)
    read = read_mesh(mesh)
    print_measures(read, mesh.name)
    print_shapes(read, "Axes and neighbours")
    if read.has_contacts:
        print_contacts(read, "Contacts and free surfaces (0 is the outside)")
        print_junctions(read, "Lines where regions meet")
    if csv is not None:
        write_measures(csv, read)
    if contacts is not None:
        write_table_csv(contacts, contacts_table(read), CONTACT_COLUMNS)
    if junctions is not None:
        write_table_csv(junctions, junctions_table(read), JUNCTION_COLUMNS)
