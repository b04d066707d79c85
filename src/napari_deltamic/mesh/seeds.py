"""Starting surfaces for a fit: spheres at given centres, and surfaces round labelled voxels."""

from __future__ import annotations

import warnings
from collections.abc import Generator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.label_image import continued, solitary, tidied
from napari_deltamic.mesh.shapes import checked_center, geodesic_sphere, positive_length
from napari_deltamic.mesh.steps import at_once
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate

_EDGES_PER_RADIUS = 6.0
_FEWEST_VOXELS = 30
# Mean voxel sizes from a tiny label to the next one from which on it becomes a sphere.
_SOLITUDE = 3.0
# Sigma in voxel sizes, below which slanted surfaces show the steps between planes.
_LEAST_SMOOTHING = 0.7


def seed_spheres(
    centers: ArrayLike, radius: ArrayLike, edge_length: float | None = None
) -> TriangleMesh:
    """Return one sphere per centre, as regions 1, 2, 3, ... in the order given.

    Parameters
    ----------
    centers
        (N, 3) or (3,) positions in um, (z, y, x).
    radius
        In um: one for all, or (N,).
    edge_length
        About how long edges shall be, in um; by default a sixth of each sphere's radius.

    Raises
    ------
    ValueError
        If there is no centre, an argument has the wrong shape, or a length is not positive.

    Warns
    -----
    UserWarning
        If spheres overlap: a point in two regions is counted twice by the rendering.
    """
    points = np.atleast_2d(np.asarray(centers, dtype=np.float64))
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise ValueError(f"centers: expected shape (N, 3) or (3,), got {np.shape(centers)}")
    if not np.isfinite(points).all():
        raise ValueError("centers: some are NaN or infinite")
    radii = np.asarray(radius, dtype=np.float64)
    if radii.shape not in ((), (len(points),)):
        raise ValueError(
            f"radius: expected one length or one per centre ({len(points)}), got {radii.shape}"
        )
    radii = np.broadcast_to(radii, len(points))
    for value in radii:
        positive_length("radius", value)
    if edge_length is not None:
        positive_length("edge_length", edge_length)
    _warn_of_overlap(points, radii)
    return concatenate(
        [
            sphere_with_edges(center, value, edge_length)
            for center, value in zip(points, radii, strict=True)
        ]
    )


def sphere_with_edges(
    center: NDArray[np.float64], radius: float, edge_length: float | None = None
) -> TriangleMesh:
    """Return a sphere whose edges are about ``edge_length`` um, by default radius / 6."""
    per_radius = _EDGES_PER_RADIUS if edge_length is None else radius / edge_length
    # 20 n^2 equilateral faces on the sphere's area have edges of 1.2 radii / n.
    frequency = int(np.clip(np.round(1.2 * per_radius), 2, 200))
    directions, faces = geodesic_sphere(frequency)
    return TriangleMesh(center + radius * directions, faces)


def _warn_of_overlap(points: NDArray[np.float64], radii: NDArray[np.float64]) -> None:
    if len(points) < 2:
        return
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(2.0 * radii.max(), output_type="ndarray")
    gap = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    overlapping = pairs[gap < radii[pairs].sum(axis=1)]
    if len(overlapping):
        first, second = overlapping[0] + 1
        more = f" (and {len(overlapping) - 1} more pairs)" if len(overlapping) > 1 else ""
        warnings.warn(
            f"the spheres of regions {first} and {second} overlap{more}; "
            "choose a smaller radius or move the centres apart",
            stacklevel=3,
        )


def seed_from_labels(
    labels: ArrayLike,
    spacing: ArrayLike,
    origin: ArrayLike = (0.0, 0.0, 0.0),
    edge_length: float | None = None,
    smoothing: float | None = None,
    beyond: ArrayLike = 0.0,
) -> TriangleMesh:
    """Return one smooth mesh of all labels, as regions of the same numbers.

    Where labels touch they share one interface, where they do not they get a closed surface each.
    Each region has the volume of its label's voxels. Holes within a label are filled, and of a
    label in several pieces the largest is kept. Labels of fewer than 30 voxels become spheres,
    unless another label is near.

    Parameters
    ----------
    labels
        (Z, Y, X) whole numbers, 0 outside.
    spacing
        (3,) voxel size in um, (z, y, x).
    origin
        (3,) centre of voxel (0, 0, 0) in um.
    edge_length
        About how long edges shall be, in um; by default two mean voxel sizes, and at most a third
        of the radius of the ball of equal volume.
    smoothing
        Sigma of the Gaussian that rounds the voxels off, in um; by default one mean voxel size,
        and along an axis with larger voxels at least 0.7 of their size.
    beyond
        How far regions that touch the stack's border go on outside of it, in um: one length or
        (3,). By default a cell that the border cuts is capped there.

    Raises
    ------
    ValueError
        If the labels are not a 3D volume of whole numbers from 0, there is none but 0, or a
        length is not positive.

    Warns
    -----
    UserWarning
        If pieces with more than a twentieth of a label's voxels were left out.
    """
    return at_once(seeding_from_labels(labels, spacing, origin, edge_length, smoothing, beyond))


def seeding_from_labels(
    labels: ArrayLike,
    spacing: ArrayLike,
    origin: ArrayLike = (0.0, 0.0, 0.0),
    edge_length: float | None = None,
    smoothing: float | None = None,
    beyond: ArrayLike = 0.0,
) -> Generator[None, None, TriangleMesh]:
    """Do what :func:`seed_from_labels` does bit by bit; it may be left off at every yield."""
    volume = _checked_labels(labels)
    step = np.asarray(spacing, dtype=np.float64)
    if step.shape != (3,) or not np.isfinite(step).all() or (step <= 0).any():
        raise ValueError(f"spacing: expected three positive voxel sizes in um, got {spacing!r}")
    start = checked_center(origin, "origin")
    if smoothing is None:
        sigma = np.maximum(step.mean(), _LEAST_SMOOTHING * step)
    else:
        sigma = np.full(3, positive_length("smoothing", smoothing))
    if edge_length is not None:
        positive_length("edge_length", edge_length)
    margin = np.asarray(beyond, dtype=np.float64)
    if margin.shape not in ((), (3,)) or not np.isfinite(margin).all() or (margin < 0).any():
        raise ValueError(f"beyond: expected one or three lengths of 0 um or more, got {beyond!r}")

    values, compact = np.unique(volume, return_inverse=True)
    if values[-1] == 0:
        raise ValueError("labels: all voxels are 0, so there is nothing to seed")
    # The outside is number 0 even if no voxel has it.
    compact = compact.reshape(volume.shape).astype(np.int32) + np.int32(values[0] > 0)
    values = values[values > 0]
    yield
    compact = tidied(compact, values)
    yield
    compact, shift = continued(compact, step, np.broadcast_to(margin, 3))
    mesh = yield from _surfaces(compact, step, start + shift, sigma, edge_length)
    return TriangleMesh(mesh.vertices, mesh.faces, np.concatenate([[0], values])[mesh.labels])


def _surfaces(
    labels: NDArray[np.int32],
    spacing: NDArray[np.float64],
    origin: NDArray[np.float64],
    smoothing: NDArray[np.float64],
    edge_length: float | None,
) -> Generator[None, None, TriangleMesh]:
    """Return the mesh of labels 1..R; yields now and then."""
    voxels = np.bincount(labels.ravel())
    volumes = voxels * float(np.prod(spacing))
    radii = np.cbrt(0.75 * volumes / np.pi)
    if edge_length is None:
        lengths = np.minimum(2.0 * spacing.mean(), radii / 3.0)
    else:
        lengths = np.minimum(edge_length, radii)
    reach = np.ceil(_SOLITUDE * spacing.mean() / spacing).astype(np.int64)
    meshes = []
    tiny = np.flatnonzero(voxels[1:] < _FEWEST_VOXELS) + 1
    alone = list(solitary(labels, reach, tiny))
    for number in alone:
        center = origin + spacing * np.argwhere(labels == number).mean(axis=0)
        length = lengths[number] if edge_length is None else edge_length
        sphere = sphere_with_edges(center, radii[number], length)
        growth = np.cbrt(volumes[number] / sphere.volumes()[0])
        vertices = center + growth * (sphere.vertices - center)
        meshes.append(TriangleMesh(vertices, sphere.faces, number * sphere.labels))
    others = np.setdiff1d(np.arange(1, len(voxels)), alone)
    if len(others):
        from napari_deltamic.mesh.conforming import conforming_mesh

        number_of = np.zeros(len(voxels), dtype=np.int32)
        number_of[others] = np.arange(1, len(others) + 1)
        surface = yield from conforming_mesh(
            number_of[labels], spacing, origin, smoothing, lengths[others]
        )
        numbers = np.concatenate([[0], others])
        meshes.append(TriangleMesh(surface.vertices, surface.faces, numbers[surface.labels]))
    counts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return TriangleMesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(
            [mesh.faces + count for mesh, count in zip(meshes, counts[:-1], strict=True)]
        ),
        np.concatenate([mesh.labels for mesh in meshes]),
    )


def _checked_labels(labels: ArrayLike) -> NDArray[np.integer]:
    volume = np.asarray(labels)
    if volume.ndim != 3:
        raise ValueError(f"labels: expected a 3D volume (Z, Y, X), got shape {volume.shape}")
    if volume.size == 0:
        raise ValueError(f"labels: has no voxels, its shape is {volume.shape}")
    if volume.dtype == bool:
        return volume.astype(np.int64)
    if not np.issubdtype(volume.dtype, np.integer):
        raise ValueError(f"labels: expected whole numbers, got {volume.dtype}; convert them")
    if volume.min() < 0:
        raise ValueError(f"labels: must be 0 (outside) or more, the least is {volume.min()}")
    return volume
