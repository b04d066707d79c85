"""Starting surfaces for a fit: spheres at given centres, and surfaces round labelled voxels."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.closing import closed
from napari_deltamic.mesh.shapes import checked_center, geodesic_sphere, positive_length
from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate

_EDGES_PER_RADIUS = 6.0
_FEWEST_VOXELS = 30


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
) -> TriangleMesh:
    """Return one smooth closed surface per label, as the region of the same number.

    Each surface encloses the volume of its label's voxels. Holes within a label are filled, and
    of a label in several pieces the largest is kept. A cell that the border cuts is capped there.
    Labels of fewer than 30 voxels become spheres. Cells that touch get a surface each, which may
    overlap a little where both are smoothed.

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
        Sigma of the Gaussian that rounds the voxels off, in um; by default one mean voxel size.

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
    from scipy.ndimage import find_objects

    volume = _checked_labels(labels)
    step = np.asarray(spacing, dtype=np.float64)
    if step.shape != (3,) or not np.isfinite(step).all() or (step <= 0).any():
        raise ValueError(f"spacing: expected three positive voxel sizes in um, got {spacing!r}")
    start = checked_center(origin, "origin")
    sigma = step.mean() if smoothing is None else positive_length("smoothing", smoothing)
    if edge_length is not None:
        positive_length("edge_length", edge_length)
    values, compact = np.unique(volume, return_inverse=True)
    if values[-1] == 0:
        raise ValueError("labels: all voxels are 0, so there is nothing to seed")
    # find_objects numbers from 1 and passes 0 over, so without background all numbers move up.
    compact = compact.reshape(volume.shape) + (values[0] > 0)
    values = values[values > 0]
    surfaces = []
    for number, window in enumerate(find_objects(compact), start=1):
        mask = _largest_piece(compact[window] == number, int(values[number - 1]))
        corner = start + step * [side.start for side in window]
        surfaces.append(_label_surface(mask, step, corner, sigma, edge_length))
    mesh = concatenate(surfaces)
    regions = np.concatenate([[0], values])
    return TriangleMesh(mesh.vertices, mesh.faces, regions[mesh.labels])


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


def _largest_piece(mask: NDArray[np.bool_], value: int) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_fill_holes, label

    pieces, count = label(mask)
    if count > 1:
        sizes = np.bincount(pieces.ravel())[1:]
        if sizes.max() < 0.95 * sizes.sum():
            warnings.warn(
                f"labels: label {value} is in {count} pieces; the largest is kept, "
                f"{sizes.max() / sizes.sum():.0%} of its voxels",
                stacklevel=3,
            )
        mask = pieces == 1 + int(np.argmax(sizes))
    return np.asarray(binary_fill_holes(mask))


def _label_surface(
    mask: NDArray[np.bool_],
    spacing: NDArray[np.float64],
    corner: NDArray[np.float64],
    smoothing: float,
    edge_length: float | None,
) -> TriangleMesh:
    voxels = int(mask.sum())
    volume = voxels * float(np.prod(spacing))
    radius = float(np.cbrt(0.75 * volume / np.pi))
    if edge_length is None:
        edge_length = min(2.0 * float(spacing.mean()), radius / 3.0)
    if voxels < _FEWEST_VOXELS:
        center = corner + spacing * np.argwhere(mask).mean(axis=0)
        surface = sphere_with_edges(center, radius, edge_length)
    else:
        from napari_deltamic.mesh.remeshing import remesh

        surface = remesh(_isosurface(mask, spacing, corner, smoothing), edge_length)
    # The iso-level keeps the volume to a percent or two, and a last scaling to the digit.
    middle = surface.vertices.mean(axis=0)
    scale = np.cbrt(volume / surface.volumes()[0])
    return surface.with_vertices(middle + scale * (surface.vertices - middle))


def _isosurface(
    mask: NDArray[np.bool_],
    spacing: NDArray[np.float64],
    corner: NDArray[np.float64],
    smoothing: float,
) -> TriangleMesh:
    from scipy.ndimage import gaussian_filter
    from skimage.measure import marching_cubes

    sigma = smoothing / spacing
    pad = np.ceil(3.0 * sigma).astype(int) + 2
    padded = np.pad(mask.astype(np.float32), [(width, width) for width in pad])
    smooth = gaussian_filter(padded, sigma, truncate=3.0)
    # As many voxels lie above the level as the label has.
    above = smooth.size - int(mask.sum())
    around = np.partition(smooth.ravel(), [above - 1, above])[above - 1 : above + 1]
    vertices, faces, _, _ = marching_cubes(smooth, float(around.mean()), spacing=tuple(spacing))
    vertices = vertices.astype(np.float64) + corner - pad * spacing
    return closed(TriangleMesh(vertices, faces), stray_fraction=1.0)
