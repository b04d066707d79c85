"""The voxels that a block explains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.decimation import decimated_part, whole_averages
from napari_deltamic.imaging.lazy_stack import LazyStack
from napari_deltamic.imaging.stack import ImageStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.voxels import voxelise
from napari_deltamic.tissue.piece import Piece


def window_of(
    stack: LazyStack, piece: Piece, reach: NDArray[np.float64], factors: NDArray[np.int64]
) -> tuple[ImageStack, NDArray[np.bool_]]:
    """Read the part of a stack around a block, and say which of its voxels the block explains.

    Parameters
    ----------
    stack
        The tissue's.
    piece
        The block.
    reach
        (3,) in um, how far light counts along z, y and x.
    factors
        (3,) of how many voxels along each axis one is kept.

    Returns
    -------
    ImageStack
        Of what is kept, twice as far as counts, so that what is blurred has neighbours.
    NDArray
        (Z, Y, X) bool, the voxels that count: in the block's cells and as far round them.
    """
    lower, upper = piece.corners
    start = np.floor((lower - 2.0 * reach - stack.origin) / stack.spacing).astype(int)
    stop = np.ceil((upper + 2.0 * reach - stack.origin) / stack.spacing).astype(int) + 1
    stop = start + factors * -(-(stop - start) // factors)
    part = decimated_part(stack, start, stop, factors)
    counted = _around(_of_regions(piece), part, reach)
    kept = np.rint(part.spacing / stack.spacing).astype(np.int64)
    return part, counted & whole_averages(stack, part, kept)


def _of_regions(piece: Piece) -> TriangleMesh:
    """Return the block's own regions without its neighbours."""
    kept = np.isin(piece.mesh.labels, piece.own)
    used = kept.any(axis=1)
    labels = np.where(kept, piece.mesh.labels, 0)[used]
    return TriangleMesh(piece.mesh.vertices, piece.mesh.faces[used], labels)


def _around(mesh: TriangleMesh, stack: ImageStack, reach: NDArray[np.float64]) -> NDArray[np.bool_]:
    from scipy.ndimage import maximum_filter1d

    near = (voxelise(mesh, stack.shape, stack.spacing, stack.origin) > 0).astype(np.uint8)
    for axis, voxels in enumerate(np.ceil(reach / stack.spacing).astype(int)):
        near = maximum_filter1d(near, 2 * int(voxels) + 1, axis, mode="constant")
    return np.asarray(near.astype(bool))
