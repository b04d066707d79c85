"""Volume, centroid and second moments of the regions, exact for polyhedra."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.sums import grouped_sums
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


class RegionMoments(NamedTuple):
    """Moments of the solid regions; meaningless for those whose surface is open."""

    volumes: NDArray[np.float64]
    """(R,) in um^3."""
    centroids: NDArray[np.float64]
    """(R, 3) centres of mass in um, NaN where the volume is zero."""
    covariances: NDArray[np.float64]
    """(R, 3, 3) of the positions in the region in um^2, NaN where the volume is zero."""


def region_moments(mesh: TriangleMesh) -> RegionMoments:
    """Return the moments of every region, in the order of ``mesh.regions``.

    Each face spans a tetrahedron, with a sign, to a point near its region.
    """
    face, side = np.nonzero(mesh.labels > 0)
    region = np.searchsorted(mesh.regions, mesh.labels[face, side])
    count = len(mesh.regions)
    corners = mesh.vertices[mesh.faces[face]]
    middle = corners.mean(axis=1)
    # About a point of its own each region keeps its digits, however far it lies from others.
    centre = grouped_sums(region, middle, count) / np.bincount(region, minlength=count)[:, None]
    v0, v1, v2 = (corners - centre[region][:, None]).transpose(1, 0, 2)
    signed = np.einsum("ij,ij->i", v0, np.cross(v1, v2)) / 6.0
    signed[side == 1] *= -1.0

    total = v0 + v1 + v2
    row, column = np.triu_indices(3)
    products = sum(v[:, row] * v[:, column] for v in (v0, v1, v2, total))
    volumes = np.bincount(region, signed, count).astype(np.float64)
    solid = np.where(volumes != 0.0, volumes, np.nan)[:, None]
    mean = grouped_sums(region, signed[:, None] * total / 4.0, count) / solid
    second = grouped_sums(region, signed[:, None] * products / 20.0, count) / solid
    covariances = np.empty((count, 3, 3))
    covariances[:, row, column] = covariances[:, column, row] = second
    covariances -= mean[:, :, None] * mean[:, None, :]
    return RegionMoments(volumes, centre + mean, covariances)
