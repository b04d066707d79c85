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
) -> None:
    """Print volumes, areas, shapes and positions of the regions of a mesh.

    Parameters
    ----------
    mesh
        A mesh file: .rec with regions, or .ply, .obj, .stl, .off.
    csv
        Also write the table to this CSV file.
    """
    from napari_deltamic.cli.outputs import write_measures
    from napari_deltamic.cli.tables import print_measures
    from napari_deltamic.mesh import read_mesh

    if csv is not None:
        check_output_file("--csv", csv)
    read = read_mesh(mesh)
    print_measures(read, mesh.name)
    if csv is not None:
        write_measures(csv, read)
