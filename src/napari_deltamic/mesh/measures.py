"""What is read off a fitted mesh: size, shape and curvature of every region."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.fans import EdgeFans, edge_fans
from napari_deltamic.mesh.moments import RegionMoments, region_moments
from napari_deltamic.mesh.tables import Row, with_column, write_table_csv
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

_NAN3 = (float("nan"),) * 3


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
    free_area: float
    """Of the surface against the outside, region 0, in um^2."""
    neighbours: int
    """How many other regions, the outside not among them, share a face with it."""
    semi_axes: tuple[float, float, float]
    """Of the solid ellipsoid with the same second moments, in um, the longest first."""
    axes: tuple[tuple[float, float, float], ...]
    """Unit vectors (z, y, x) along these; the largest component of each is positive."""


COLUMNS = (
    *("region", "volume", "area", "centroid_z", "centroid_y", "centroid_x"),
    *("sphericity", "mean_curvature", "free_area", "neighbours"),
    *(f"semi_axis_{rank}" for rank in (1, 2, 3)),
    *(f"axis_{rank}_{axis}" for rank in (1, 2, 3) for axis in "zyx"),
)
"""Columns of :func:`measures_table`, in um, um^2, um^3 and 1/um as :class:`RegionMeasures` says."""


def measure(mesh: TriangleMesh) -> list[RegionMeasures]:
    """Return the measures of every region, in the order of ``mesh.regions``.

    Curvature is that of the polyhedron (length times turning angle, summed over edges, those
    along contacts included), so it converges as the mesh is refined but is a little high on a
    coarse one. Volume, centroid, sphericity, curvature and axes of a region whose surface is open
    are NaN. Volumes, centroids and second moments are exact for polyhedra.
    """
    fans = edge_fans(mesh)
    moments = region_moments(mesh)
    semi_axes, axes = _principal_axes(moments)
    areas = mesh.areas()
    free, neighbours = _surroundings(mesh)
    with np.errstate(divide="ignore", invalid="ignore"):
        sphericity = np.cbrt(36.0 * np.pi * moments.volumes**2) / areas
        curvature = _integrated_curvature(mesh, fans) / areas
    is_open = np.isin(mesh.regions, fans.open_regions).tolist()
    return [
        RegionMeasures(
            region=int(mesh.regions[row]),
            volume=float("nan") if is_open[row] else float(moments.volumes[row]),
            area=float(areas[row]),
            centroid=_NAN3 if is_open[row] else _triple(moments.centroids[row]),
            sphericity=float("nan") if is_open[row] else float(sphericity[row]),
            mean_curvature=float("nan") if is_open[row] else float(curvature[row]),
            free_area=float(free[row]),
            neighbours=int(neighbours[row]),
            semi_axes=_NAN3 if is_open[row] else _triple(semi_axes[row]),
            axes=(_NAN3,) * 3 if is_open[row] else tuple(map(_triple, axes[row])),
        )
        for row in range(len(mesh.regions))
    ]


def measures_table(mesh: TriangleMesh, intensities: ArrayLike | None = None) -> list[Row]:
    """Return the measures as one flat row per region, vectors as a column for each component.

    Parameters
    ----------
    mesh
        The mesh.
    intensities
        (R,) brightness per um^3 of each region, in the order of ``mesh.regions``: a column more.

    Raises
    ------
    ValueError
        If there is not one intensity for each region.
    """
    rows = [_row(measured) for measured in measure(mesh)]
    return with_column(rows, "intensity", intensities, "intensities")


def write_measures_csv(
    path: str | os.PathLike[str], rows: Sequence[RegionMeasures | Mapping[str, int | float]]
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
    write_table_csv(path, table, COLUMNS)


def _row(measured: RegionMeasures) -> Row:
    one = measured
    values = (
        *(one.region, one.volume, one.area, *one.centroid, one.sphericity, one.mean_curvature),
        *(one.free_area, one.neighbours, *one.semi_axes),
        *(component for axis in one.axes for component in axis),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _surroundings(mesh: TriangleMesh) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return (R,) area against the outside and (R,) numbers of neighbours."""
    _, face_areas = mesh.face_normals_and_areas()
    interface_areas = np.bincount(mesh.face_interfaces, face_areas, len(mesh.interfaces))
    is_free = mesh.interfaces[:, 0] == 0
    free = np.zeros(len(mesh.regions))
    free[np.searchsorted(mesh.regions, mesh.interfaces[is_free, 1])] = interface_areas[is_free]
    touching = np.searchsorted(mesh.regions, mesh.interfaces[~is_free].ravel())
    return free, np.bincount(touching, minlength=len(mesh.regions))


def _principal_axes(moments: RegionMoments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (R, 3) semi-axes, longest first, and (R, 3, 3) unit vectors along them as rows."""
    is_solid = moments.volumes != 0.0
    covariances = np.where(is_solid[:, None, None], moments.covariances, np.eye(3))
    values, vectors = np.linalg.eigh(covariances)
    axes = vectors[:, :, ::-1].swapaxes(1, 2)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=2)[..., None], axis=2)
    axes = axes * np.sign(largest) + 0.0
    # A solid ellipsoid with semi-axis a has the variance a^2 / 5 along it.
    semi_axes = np.sqrt(5.0 * np.maximum(values[:, ::-1], 0.0))
    semi_axes[~is_solid], axes[~is_solid] = np.nan, np.nan
    return semi_axes, axes


def _integrated_curvature(mesh: TriangleMesh, fans: EdgeFans) -> NDArray[np.float64]:
    """Return (R,) integrals of the mean curvature: half the turning angle times length per edge."""
    known = fans.wedge_regions > 0
    turning = np.pi - fans.wedge_angles[known]
    weights = 0.5 * fans.lengths[fans.wedge_edges[known]] * turning
    rows = np.searchsorted(mesh.regions, fans.wedge_regions[known])
    return np.asarray(np.bincount(rows, weights, len(mesh.regions)))


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    z, y, x = values.tolist()
    return z, y, x
