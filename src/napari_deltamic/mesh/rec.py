"""The ``.rec`` text format: vertices, triangles, and the two regions at each triangle.

A vertex count; that many lines "z y x"; a triangle count; that many lines "i j k inside outside".
Coordinates are in the image's axis order, so nothing is swapped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def read_rec(path: Path) -> TriangleMesh:
    """Return the mesh of a ``.rec`` file.

    Raises
    ------
    ValueError
        If the file is not such a file, is cut short or holds values a mesh cannot have.
    """
    lines = [line for line in _text(path).splitlines() if line.strip()]
    vertices, rest = _table(path, lines, "vertices", 3)
    triangles, rest = _table(path, rest, "triangles", 5)
    if rest:
        raise ValueError(f"{path}: {len(rest)} lines follow the last triangle, or a count is wrong")
    try:
        return TriangleMesh(vertices, triangles[:, :3], triangles[:, 3:])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def write_rec(mesh: TriangleMesh, path: Path) -> None:
    """Write a mesh with its labels, coordinates to the last digit."""
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"{len(mesh.vertices)}\n")
        np.savetxt(file, mesh.vertices, fmt="%.17g")
        file.write(f"{len(mesh.faces)}\n")
        np.savetxt(file, np.column_stack([mesh.faces, mesh.labels]), fmt="%d")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a .rec file, it holds bytes that are no text") from error


def _table(
    path: Path, lines: list[str], what: str, columns: int
) -> tuple[NDArray[np.float64], list[str]]:
    """Split "count, rows" off the lines; the count is held against the lines that are there."""
    try:
        count = int(lines[0]) if lines else -1
    except ValueError:
        count = -1
    if count < 0:
        given = repr(lines[0][:40]) if lines else "the end of the file"
        raise ValueError(f"{path}: expected the number of {what}, found {given}")
    rows, rest = lines[1 : 1 + count], lines[1 + count :]
    if len(rows) < count:
        raise ValueError(
            f"{path}: announces {count} {what} but has {len(rows)} lines left; it was cut short "
            "or is no .rec file"
        )
    try:
        table = np.array([row.split() for row in rows], dtype=np.float64).reshape(count, columns)
    except ValueError as error:
        raise ValueError(
            f"{path}: every one of the {count} {what} needs {columns} numbers"
        ) from error
    return table, rest
