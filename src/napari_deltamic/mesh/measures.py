"""What is read off a fitted mesh: size, shape and curvature of every region."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


@dataclass(frozen=True)
class RegionMeasures:
    """Measures of one region; NaN where an open or empty surface has none."""

    region: int
    """Number of the region in the mesh's labels."""
    volume: float
    """In um^3."""
    area: float
    """Of the whole surface, contacts included, in um^2."""
    centroid: tuple[float, float, float]
    """Centre of mass in um, (z, y, x)."""
    sphericity: float
    """Area of the ball of equal volume over the area: 1 for a ball, less for anything else."""
    mean_curvature: float
    """Mean curvature averaged over the area, in 1/um, positive where convex: 1 / R for a ball."""


def measure(mesh: TriangleMesh) -> list[RegionMeasures]:
    """Return the measures of every region, in the order of ``mesh.regions``.

    Curvature is that of the polyhedron (length times turning angle, summed over edges), so it
    converges as the mesh is refined but is a little high on a coarse one. Volume, centroid,
    sphericity and curvature of a region whose surface is open are NaN.
    """
    open_regions = set(mesh.open_regions().tolist())
    return [
        _measured(int(region), mesh.region_mesh(region), int(region) in open_regions)
        for region in mesh.regions
    ]


def measures_table(mesh: TriangleMesh) -> list[dict[str, int | float]]:
    """Return the measures as one flat row per region, the centroid as three columns."""
    return [_row(measured) for measured in measure(mesh)]


def write_measures_csv(
    path: str | os.PathLike[str], rows: Sequence[RegionMeasures | dict[str, int | float]]
) -> None:
    """Write measures, or rows of :func:`measures_table` with columns added, to a .csv file.

    The header is there even when there are no rows. Units are those of :class:`RegionMeasures`.

    Raises
    ------
    ValueError
        If rows differ in their columns.
    OSError
        If the file cannot be written.
    """
    table = [_row(row) if isinstance(row, RegionMeasures) else row for row in rows]
    columns = list(table[0]) if table else _columns()
    with Path(path).expanduser().open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval=None)
        writer.writeheader()
        for row in table:
            if set(row) != set(columns):
                raise ValueError(f"rows: expected the columns {columns}, got {list(row)}")
            writer.writerow(row)


def _columns() -> list[str]:
    names: list[str] = []
    for field in fields(RegionMeasures):
        axes = ("_z", "_y", "_x") if field.name == "centroid" else ("",)
        names.extend(field.name + axis for axis in axes)
    return names


def _row(measured: RegionMeasures) -> dict[str, int | float]:
    values = asdict(measured)
    values.update(zip(("centroid_z", "centroid_y", "centroid_x"), measured.centroid, strict=True))
    return {name: values[name] for name in _columns()}


def _measured(region: int, surface: TriangleMesh, is_open: bool) -> RegionMeasures:
    area = float(surface.areas()[0])
    if is_open:
        nan = float("nan")
        return RegionMeasures(region, nan, area, (nan, nan, nan), nan, nan)
    volume, centroid = _volume_and_centroid(surface)
    sphericity = np.cbrt(36.0 * np.pi * volume**2) / area if area > 0 else np.nan
    curvature = _integrated_curvature(surface) / area if area > 0 else np.nan
    z, y, x = centroid.tolist()
    return RegionMeasures(region, volume, area, (z, y, x), float(sphericity), float(curvature))


def _volume_and_centroid(surface: TriangleMesh) -> tuple[float, NDArray[np.float64]]:
    middle = surface.vertices.mean(axis=0)
    v0, v1, v2 = (surface.vertices - middle)[surface.faces].transpose(1, 0, 2)
    tetrahedra = np.einsum("ij,ij->i", v0, np.cross(v1, v2)) / 6.0
    volume = float(tetrahedra.sum())
    if volume == 0.0:
        return 0.0, np.full(3, np.nan)
    return volume, middle + (tetrahedra @ (v0 + v1 + v2)) / (4.0 * volume)


def _integrated_curvature(surface: TriangleMesh) -> float:
    """Return the integral of the mean curvature, half the turning angle times length per edge."""
    normals, _ = surface.face_normals_and_areas()
    faces = surface.faces
    edge = edge_use(faces).face_edges.ravel()
    half_edges = np.argsort(edge, kind="stable")
    # Edges where a region touches itself have four faces and no one angle; pair the others only.
    _, start, count = np.unique(edge[half_edges], return_index=True, return_counts=True)
    start = start[count == 2]
    first, second = half_edges[start], half_edges[start + 1]
    tail = np.roll(faces, -1, axis=1).ravel()[first]
    head = np.roll(faces, -2, axis=1).ravel()[first]
    along = surface.vertices[head] - surface.vertices[tail]
    length = np.linalg.norm(along, axis=1)
    n1, n2 = normals[first // 3], normals[second // 3]
    # Along the first face's own sense of the edge, a convex edge turns the normal to the right.
    sine = np.einsum("ij,ij->i", np.cross(n1, n2), along)
    cosine = np.einsum("ij,ij->i", n1, n2) * length
    return float(0.5 * (length * np.arctan2(sine, cosine)).sum())
