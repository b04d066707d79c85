"""The mesh of one frame moved smoothly to where the next frame shows it."""

from __future__ import annotations

from collections.abc import Generator
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


# Each round's extra blur, in voxels, and highest degree of its polynomials: from far off only a
# blurred image says which way to go, and only as a whole.
_ROUNDS = ((2.0, 0), (1.0, 1), (0.0, 2), (0.0, 2))
# A round that moves no vertex by more than this part of a voxel, or of its blur, is left out: the
# sharp image knows better.
_STILL, _STILL_OF_BLUR = 0.1, 0.25
# How far a part may move in one round, in voxels: farther, the image is not linear in the motion.
_FARTHEST = 2.0
# Of the data's information, what is added so that motion which the image does not show stays 0.
_DAMPING = 1e-4
_DIMMEST = 1e-2
_TOLERANCE = 1e-3


def moving_with_image(
    mesh: TriangleMesh,
    intensities: Intensities,
    stack: ImageStack,
    psf: PSF,
    backend: str = "auto",
) -> Generator[None, None, Moved]:
    """Return the mesh moved so that its image lies on the next frame's; the faces are the same.

    Regions that touch move together, as a quadratic polynomial says; others each on their own, as
    a linear one says. The motion is found from the slopes of the rendering, which has no noise
    (Gauss-Newton steps), and undone where it does not explain the frame better. May be left off at
    every yield.

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
    """
    groups = touching_groups(mesh)
    image = _image(mesh, intensities, stack, psf, backend)
    best, least, current = Moved(mesh, image), _misfit(stack, image), mesh
    for blur, degree in _ROUNDS:
        yield
        moves = _moves(current, groups, image, stack, blur, degree)
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

    count = int(mesh.labels.max()) + 1
    pairs = mesh.interfaces[(mesh.interfaces > 0).all(axis=1)]
    graph = coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), (count, count))
    _, group_of = connected_components(graph, directed=False)
    groups = np.zeros(len(mesh.vertices), dtype=np.int64)
    groups[mesh.faces] = group_of[mesh.labels.max(axis=1)][:, None]
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
) -> NDArray[np.float64]:
    """Return (V, 3) how far each vertex goes in um, to the first order in the motion."""
    from scipy import ndimage

    lacking = stack.data - image
    if stack.mask is not None:
        lacking = np.where(stack.mask, lacking, np.float32(0.0))
    if blur > 0:
        image = ndimage.gaussian_filter(image, blur, mode="nearest")
        lacking = ndimage.gaussian_filter(lacking, blur, mode="nearest")
    slopes: list[Volume] = list(np.gradient(image, *stack.spacing.tolist()))
    if stack.mask is not None:
        slopes = [np.where(stack.mask, slope, np.float32(0.0)) for slope in slopes]
    nearest = _nearest_group(mesh, groups, stack)
    moves = np.zeros_like(mesh.vertices)
    for group in range(int(groups.max()) + 1):
        members = groups == group
        points = mesh.vertices[members]
        lower, upper = points.min(axis=0), points.max(axis=0)
        middle, half = 0.5 * (lower + upper), np.maximum(0.5 * (upper - lower), 1e-9)
        voxels = np.argwhere(nearest == group)
        at = stack.origin + stack.spacing * voxels
        # Far outside of the group polynomials run away, and there is nothing to see.
        close = (np.abs(at - middle) < half + 5.0 * stack.spacing).all(axis=1)
        voxels, at = voxels[close], at[close]
        if len(voxels) == 0:
            continue
        several = len(np.unique(mesh.labels[np.isin(mesh.faces[:, 0], np.flatnonzero(members))]))
        degree = min(highest, 2 if several > 2 else 1)
        place = tuple(voxels.T)
        basis = _polynomials((at - middle) / half, degree)
        columns = np.concatenate(
            [-slope[place][:, None] * basis for slope in slopes], axis=1, dtype=np.float64
        )
        normal = columns.T @ columns
        damping = _DAMPING * max(float(np.trace(normal)) / len(normal), 1e-300)
        wanted = columns.T @ lacking[place].astype(np.float64)
        factors = np.linalg.solve(normal + damping * np.eye(len(normal)), wanted)
        move = _polynomials((points - middle) / half, degree) @ factors.reshape(3, -1).T
        farthest = float(np.abs(move / stack.spacing).max())
        moves[members] = move * min(1.0, _FARTHEST / max(farthest, 1e-300))
    return moves


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


def _polynomials(points: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Return (N, K) all products of up to ``degree`` coordinates of (N, 3) points."""
    columns = [
        np.prod(points[:, list(axes)], axis=1)
        for power in range(degree + 1)
        for axes in combinations_with_replacement(range(3), power)
    ]
    return np.stack(columns, axis=1)
