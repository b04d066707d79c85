"""The mesh of one frame moved smoothly to where the next frame shows it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.optics import PSF

Volume = NDArray[np.float32]


class Moved(NamedTuple):
    """A mesh moved to the next frame."""

    mesh: TriangleMesh
    image: Volume
    """(Z, Y, X) its rendering there."""


class Round(NamedTuple):
    """One step of Gauss and Newton."""

    blur: float
    """Of image and data, besides the microscope's, in voxels."""
    degree: int
    """Of the splines that the motion is made of."""


# From far off only a blurred image says which way to go, and only as a whole.
FOLLOWING = (Round(2.0, 0), Round(1.0, 1), Round(0.0, 2))
# Near its place every part of a mesh may go its own way.
BENDING = (Round(0.0, 3), Round(0.0, 3))
# Splines of this degree have knots between the ends of a group, and follow each cell.
_FINEST = 3
# Distance of those knots as a part of a region's diameter, and the most intervals along an axis.
_KNOTS, _MOST_INTERVALS = 0.5, 5
# A round that moves no vertex by more than this part of a voxel, or of its blur, is left out: the
# sharp image knows better.
_STILL, _STILL_OF_BLUR = 0.02, 0.25
# How far a part may move in one round, in voxels: farther, the image is not linear in the motion.
_FARTHEST = 2.0
# How far it is likely to move, in voxels: what the image does not show stays near 0.
_LIKELY = 0.3
# What is seen of a group reaches this far beyond its vertices, in voxels.
_HALO = 5.0
_TOLERANCE = 1e-3


def moving_with_image(
    mesh: TriangleMesh,
    intensities: Intensities,
    stack: ImageStack,
    psf: PSF,
    backend: str = "auto",
    rounds: Sequence[Round] = FOLLOWING,
) -> Generator[None, None, Moved]:
    """Return the mesh moved so that its image lies on the next frame's; the faces are the same.

    Regions that touch move together, others each on their own: as products of splines say, which
    from the third degree on have knots within each region. The motion is found from the slopes of
    the rendering, which has no noise (Gauss-Newton steps), and undone where it does not explain the
    frame better. May be left off at every yield.

    Parameters
    ----------
    mesh
        Of the frame before.
    intensities
        How bright it was.
    stack
        The frame to come.
    psf
        The blur.
    backend
        What renders.
    rounds
        One after the other.
    """
    groups = touching_groups(mesh)
    image = _image(mesh, intensities, stack, psf, backend)
    best, least, current = Moved(mesh, image), _misfit(stack, image), mesh
    for blur, degree in rounds:
        yield
        moves = yield from _moves(current, groups, image, stack, blur, degree)
        if np.abs(moves / stack.spacing).max() < max(_STILL, _STILL_OF_BLUR * blur):
            continue
        yield
        current = current.with_vertices(current.vertices + moves)
        image = _image(current, intensities, stack, psf, backend)
        misfit = _misfit(stack, image)
        if misfit < least:
            best, least = Moved(current, image), misfit
    return best


def touching_groups(mesh: TriangleMesh) -> NDArray[np.int64]:
    """Return (V,) the group of each vertex: 0, 1, ... for sets of regions that touch."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(mesh.regions)
    pairs = np.unique(mesh.face_regions[(mesh.face_regions >= 0).all(axis=1)], axis=0)
    graph = coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), (count, count))
    _, group_of = connected_components(graph, directed=False)
    groups = np.zeros(len(mesh.vertices), dtype=np.int64)
    groups[mesh.faces] = group_of[mesh.face_regions.max(axis=1)][:, None]
    return np.asarray(np.unique(groups, return_inverse=True)[1].reshape(-1), dtype=np.int64)


def _image(
    mesh: TriangleMesh, intensities: Intensities, stack: ImageStack, psf: PSF, backend: str
) -> Volume:
    return render(
        mesh,
        psf,
        stack.shape,
        stack.spacing,
        stack.origin,
        membrane=intensities.membrane if len(intensities.membrane) else 0.0,
        interior=intensities.interior if len(intensities.interior) else 0.0,
        background=intensities.background,
        attenuation=intensities.attenuation,
        tolerance=_TOLERANCE,
        backend=backend,
    )


def _misfit(stack: ImageStack, image: Volume) -> float:
    residual = stack.data - image
    if stack.mask is not None:
        residual = residual[stack.mask]
    return float(np.square(residual, dtype=np.float64).sum())


def _moves(
    mesh: TriangleMesh,
    groups: NDArray[np.int64],
    image: Volume,
    stack: ImageStack,
    blur: float,
    highest: int,
) -> Generator[None, None, NDArray[np.float64]]:
    """Return (V, 3) how far each vertex goes in um, to the first order in the motion."""
    from scipy import ndimage

    lacking = stack.data - image
    if stack.mask is not None:
        lacking = np.where(stack.mask, lacking, np.float32(0.0))
    if blur > 0:
        image = ndimage.gaussian_filter(image, blur, mode="nearest")
        lacking = ndimage.gaussian_filter(lacking, blur, mode="nearest")
    slopes: list[Volume] = list(np.gradient(image, *stack.spacing.tolist()))
    nearest = _nearest_group(mesh, groups, stack)
    if stack.mask is not None:
        nearest = np.where(stack.mask, nearest, -1)
    finest = _KNOTS * 2.0 * np.cbrt(0.75 / np.pi * np.median(mesh.volumes()))
    moves = np.zeros_like(mesh.vertices)
    for group in range(int(groups.max()) + 1):
        yield
        members = groups == group
        points = mesh.vertices[members]
        lower = points.min(axis=0) - _HALO * stack.spacing
        upper = points.max(axis=0) + _HALO * stack.spacing
        first = np.maximum(np.ceil((lower - stack.origin) / stack.spacing), 0).astype(int)
        last = np.maximum(np.floor((upper - stack.origin) / stack.spacing) + 1, 0).astype(int)
        seen = tuple(slice(start, stop) for start, stop in zip(first, last, strict=True))
        own = nearest[seen] == group
        if not own.any():
            continue
        regions = np.unique(mesh.labels[members[mesh.faces[:, 0]]])
        degree = min(highest, _FINEST if np.count_nonzero(regions) > 1 else 1)
        counts = np.ones(3, dtype=int)
        if degree == _FINEST:
            counts = np.clip(np.rint((upper - lower) / finest), 1, _MOST_INTERVALS).astype(int)
        bases, at_points = [], []
        for axis, part in enumerate(seen):
            voxels = np.arange(stack.shape[axis])[part]
            places = stack.origin[axis] + stack.spacing[axis] * voxels
            ends = lower[axis], upper[axis]
            bases.append(_splines(places, *ends, int(counts[axis]), degree))
            at_points.append(_splines(points[:, axis], *ends, int(counts[axis]), degree))
        slope = [np.where(own, one[seen], np.float32(0.0)) for one in slopes]
        variance = float(np.square(lacking[seen][own], dtype=np.float64).mean())
        precision = variance / np.square(_LIKELY * stack.spacing)
        factors = yield from _likeliest(lacking[seen], slope, bases, precision)
        move = np.einsum("vi,vj,vk,aijk->va", *at_points, factors, optimize=True)
        farthest = float(np.abs(move / stack.spacing).max())
        moves[members] = move * min(1.0, _FARTHEST / max(farthest, 1e-300))
    return moves


def _likeliest(
    lacking: Volume,
    slopes: list[Volume],
    bases: list[NDArray[np.float64]],
    precision: NDArray[np.float64],
) -> Generator[None, None, NDArray[np.float64]]:
    """Return (3, I, J, K) the motion that the lacking light speaks for, as factors of splines.

    Yields now and then.

    Parameters
    ----------
    lacking, slopes
        (Z, Y, X) data minus image, and the image's slopes per um, 0 where there is nothing to see.
    bases
        (Z, I), (Y, J) and (X, K) the splines along each axis; the motion's are their products.
    precision
        (3,) what the square of a factor costs, in units of the squared residuals, by axis.
    """
    # Products of two splines along each axis, so that no spline is ever spread over the volume.
    pairs = [np.einsum("xi,xj->xij", one, one).reshape(len(one), -1) for one in bases]
    sizes = [one.shape[1] for one in bases]
    count = int(np.prod(sizes))
    normal = np.empty((3, count, 3, count))
    for a, b in combinations_with_replacement(range(3), 2):
        moments = _contracted(slopes[a] * slopes[b], pairs)
        block = moments.reshape([size for size in sizes for _ in range(2)])
        block = block.transpose(0, 2, 4, 1, 3, 5).reshape(count, count)
        normal[a, :, b], normal[b, :, a] = block, block.T
        yield
    wanted = np.concatenate([-_contracted(lacking * one, bases).ravel() for one in slopes])
    system = normal.reshape(3 * count, -1)
    # Where nothing is lacking there is no noise to go by either.
    least = 1e-12 * max(float(system.trace()) / len(system), 1e-300)
    system[np.diag_indices(3 * count)] += np.repeat(np.maximum(precision, least), count)
    return np.asarray(np.linalg.solve(system, wanted).reshape(3, *sizes))


def _contracted(volume: Volume, bases: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return (I, J, K) sums of a volume over products of (Z, I), (Y, J) and (X, K) functions."""
    result: NDArray[np.float64] = volume.astype(np.float64)
    for basis in reversed(bases):
        # Each contraction takes the last axis and puts its result first.
        result = np.moveaxis(result @ basis, -1, 0)
    return result


def _splines(
    places: NDArray[np.float64], lower: float, upper: float, intervals: int, degree: int
) -> NDArray[np.float64]:
    """Return (N, intervals + degree) splines at places between two ends."""
    from scipy.interpolate import BSpline

    knots = np.linspace(lower, upper, intervals + 1)
    padded = np.concatenate([np.full(degree, lower), knots, np.full(degree, upper)])
    inside = np.clip(places, lower, upper)
    return np.asarray(BSpline.design_matrix(inside, padded, degree).toarray())


def _nearest_group(
    mesh: TriangleMesh, groups: NDArray[np.int64], stack: ImageStack
) -> NDArray[np.int64]:
    """Return (Z, Y, X) the group of the vertex next to each voxel, about."""
    from scipy import ndimage

    if groups.max() == 0:
        return np.zeros(stack.shape, dtype=np.int64)
    place = np.rint((mesh.vertices - stack.origin) / stack.spacing).astype(int)
    inside = ((place >= 0) & (place < stack.shape)).all(axis=1)
    marks = np.full(stack.shape, -1)
    marks[tuple(place[inside].T)] = groups[inside]
    if not inside.any():
        return marks
    nearest: NDArray[np.int32] = ndimage.distance_transform_edt(
        marks < 0, sampling=stack.spacing, return_distances=False, return_indices=True
    )
    return np.asarray(marks[tuple(nearest)])
