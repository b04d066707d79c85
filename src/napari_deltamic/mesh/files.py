"""Mesh files: .obj, .ply, .stl and .off hold x, y, z; .rec holds z, y, x and region labels."""

from __future__ import annotations

import os
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.orientation import (
    consistently_wound,
    oriented_bodies,
    with_sides_from_geometry,
)
from napari_deltamic.mesh.rec import read_rec, write_rec
from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh
from napari_deltamic.replacing import replacing

SUFFIXES = (".obj", ".ply", ".stl", ".off", ".rec")


def read_mesh(path: str | os.PathLike[str]) -> TriangleMesh:
    """Read a mesh from an .obj, .ply, .stl, .off or .rec file, lengths taken as um.

    Only .rec keeps region labels. From the other formats, every closed connected piece becomes a
    region 1, 2, 3, ... in the order of the file, wound outwards; a piece wound inwards that lies
    within another one is a cavity of that region. A surface that is not closed is region 1 as a
    whole: :func:`~napari_deltamic.mesh.closed` may mend it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the ending is unknown, or the file is empty, damaged or holds no triangles.

    Warns
    -----
    UserWarning
        If faces were turned, sides in a .rec file swapped, or if the surface is not closed.
    """
    source = _checked_path(path)
    if not source.is_file():
        reason = "it is a folder" if source.is_dir() else "there is no such file"
        raise FileNotFoundError(f"{source}: {reason}")
    if source.stat().st_size == 0:
        raise ValueError(f"{source}: the file is empty; write it again")
    mesh = _read_labelled(source) if source.suffix.lower() == ".rec" else _read_unlabelled(source)
    if len(mesh.faces) == 0:
        raise ValueError(
            f"{source}: holds no triangles; export the surface as triangles, or copy the file "
            "again if it may have been cut short"
        )
    if len(mesh.open_regions()):
        warnings.warn(
            f"{source}: the surface of region {mesh.open_regions()[0]} is not closed, so it has "
            "no volume; try napari_deltamic.mesh.closed",
            stacklevel=2,
        )
    return mesh


def write_mesh(mesh: TriangleMesh, path: str | os.PathLike[str]) -> None:
    """Write a mesh to an .obj, .ply, .stl, .off or .rec file, as the ending says.

    An existing file is replaced at once or not at all. Only .rec keeps region labels; .ply
    and .stl keep coordinates to seven digits.

    Raises
    ------
    ValueError
        If the ending is unknown, or if the mesh has no faces.
    OSError
        If the file cannot be written.

    Warns
    -----
    UserWarning
        If the mesh has several regions and the format keeps none.
    """
    target = _checked_path(path)
    if len(mesh.faces) == 0:
        raise ValueError("mesh: has no faces to write")
    if target.suffix.lower() != ".rec" and len(mesh.regions) > 1:
        warnings.warn(
            f"{target}: {target.suffix} keeps no region labels; write a .rec file to keep them",
            stacklevel=2,
        )
    # The ending picks the format.
    with replacing(target) as temporary:
        if target.suffix.lower() == ".rec":
            write_rec(mesh, temporary)
        else:
            _write_unlabelled(mesh, temporary)


def _checked_path(path: str | os.PathLike[str]) -> Path:
    checked = Path(path).expanduser()
    if checked.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"{checked}: unknown mesh format {checked.suffix!r}; use one of {', '.join(SUFFIXES)}"
        )
    return checked


def _read_labelled(source: Path) -> TriangleMesh:
    mesh = read_rec(source)
    if len(mesh.faces) == 0 or (mesh.is_closed and (mesh.volumes() > 0).all()):
        return mesh
    repaired = with_sides_from_geometry(mesh)
    if not np.array_equal(repaired.labels, mesh.labels):
        warnings.warn(
            f"{source}: labels were on the wrong side of some faces and have been swapped",
            stacklevel=3,
        )
    return repaired


def _read_unlabelled(source: Path) -> TriangleMesh:
    vertices, faces = _read_triangles(source)
    try:
        # Swapping x and z mirrors space; the reversed winding keeps normals outwards.
        mesh = TriangleMesh(vertices[:, ::-1], faces[:, ::-1])
    except ValueError as error:
        raise ValueError(f"{source}: {error}; repair it in a mesh editor") from error
    if len(faces) == 0:
        return mesh
    given = mesh.faces
    wound, use = given, edge_use(given)
    if not use.balanced and use.face_count.min() == use.face_count.max() == 2:
        try:
            wound = consistently_wound(given)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from error
        use = edge_use(wound)
    if not use.balanced:
        return mesh
    oriented, body = oriented_bodies(mesh.vertices, wound)
    if not np.array_equal(oriented, given):
        warnings.warn(
            f"{source}: some faces were inside out and have been turned outwards", stacklevel=3
        )
    return TriangleMesh(mesh.vertices, oriented, np.column_stack([body, np.zeros_like(body)]))


def _read_triangles(source: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return (V, 3) vertices in file order x, y, z and (F, 3) faces of all geometries."""
    import trimesh

    vertices, faces, count = [], [], 0
    try:
        # By its content alone, so that no file that it names is opened: materials, pictures.
        content = BytesIO(source.read_bytes())
        if source.suffix.lower() == ".ply":
            content = _with_edges_aside(content)
        scene = trimesh.load_scene(content, source.suffix[1:].lower(), process=False)
        for geometry in scene.dump():
            if isinstance(geometry, trimesh.Trimesh):
                vertices.append(np.asarray(geometry.vertices, dtype=np.float64).reshape(-1, 3))
                faces.append(np.asarray(geometry.faces, dtype=np.int64).reshape(-1, 3) + count)
                count += len(vertices[-1])
    except Exception as error:  # The parsers raise whatever a damaged file leads them into.
        raise ValueError(
            f"{source}: not a readable {source.suffix} file ({error or type(error).__name__}); "
            "export it again"
        ) from error
    if not faces:
        return np.empty((0, 3)), np.empty((0, 3), dtype=np.int64)
    all_vertices, all_faces = np.concatenate(vertices), np.concatenate(faces)
    if source.suffix.lower() == ".stl":
        return _merged(all_vertices, all_faces)
    return all_vertices, all_faces


def _with_edges_aside(ply: BytesIO) -> BytesIO:
    """Return a .ply file whose edges are called something else, so that nothing is made of them.

    From edges trimesh makes curves, in arrays as long as the largest number of a vertex that they
    name, whether there is such a vertex or not.
    """
    header = []
    for line in ply:
        words = line.decode(errors="replace").split()
        header.append(line.replace(b"edge", b"line") if words[1:2] == ["edge"] else line)
        if "end_header" in words:
            break
    return BytesIO(b"".join(header) + ply.read())


def _merged(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Join equal vertices, since an .stl file repeats them for every face."""
    unique, inverse = np.unique(vertices, axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[faces]
    flat = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    return unique, faces[~flat]


def _write_unlabelled(mesh: TriangleMesh, path: Path) -> None:
    import trimesh

    # Normals of outer faces point outwards in the file; x, y, z mirrors space, so turn all again.
    outwards = np.where(mesh.labels[:, :1] == 0, mesh.faces[:, ::-1], mesh.faces)
    surface = trimesh.Trimesh(mesh.vertices[:, ::-1], outwards[:, ::-1], process=False)
    options: dict[str, Any] = {"digits": 17} if path.suffix in (".obj", ".off") else {}
    if path.suffix == ".obj":
        options["include_normals"] = False
    surface.export(str(path), **options)
