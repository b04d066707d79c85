"""The part of a tissue's mesh that a block needs: its cells, and those that shine into it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.stack import OnVoxels
from napari_deltamic.mesh import TriangleMesh


class Piece(NamedTuple):
    """A block's cells and their neighbours, as a mesh of closed regions."""

    mesh: TriangleMesh
    """Regions keep their numbers; what lies beyond the neighbours counts as outside."""
    own: NDArray[np.int64]
    """The block's regions."""
    vertices: NDArray[np.int64]
    """(V,) number of each vertex in the tissue's mesh."""
    held: NDArray[np.bool_]
    """(V,) which vertices belong to the neighbours alone, and stay."""

    @property
    def corners(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The smallest and the largest coordinates of the block's own cells, in um."""
        moving = self.mesh.vertices[~self.held]
        return moving.min(axis=0), moving.max(axis=0)


def piece_of(mesh: TriangleMesh, own: NDArray[np.int64], reach: NDArray[np.float64]) -> Piece:
    """Return the piece of a block.

    Parameters
    ----------
    mesh
        The tissue.
    own
        The block's regions.
    reach
        (3,) in um: regions that come as near to the block's along z, y and x are its neighbours.
    """
    # The last is the outside, which is never kept.
    is_own = np.append(np.isin(mesh.regions, own), False)
    moving = np.unique(mesh.faces[is_own[mesh.face_regions].any(axis=1)])
    is_kept = (is_own | _near(mesh, moving, reach))[mesh.face_regions]
    is_kept &= mesh.labels > 0
    needed = is_kept.any(axis=1)
    vertices, compact = np.unique(mesh.faces[needed], return_inverse=True)
    labels = np.where(is_kept, mesh.labels, 0)[needed]
    part = TriangleMesh(mesh.vertices[vertices], compact.reshape(-1, 3), labels)
    return Piece(part, own, vertices, ~np.isin(vertices, moving, assume_unique=True))


def within(piece: Piece, stack: OnVoxels, margin: NDArray[np.float64]) -> TriangleMesh:
    """Return the piece's mesh with what lies far outside of a stack pressed flat around it.

    The box of the transforms need not hold it then, and regions stay closed and, in the stack, as
    they are. Only vertices that are held move.

    Parameters
    ----------
    piece
        The block.
    stack
        What is to be seen of it.
    margin
        (3,) how far outside of the stack something still shines into it, in um.
    """
    vertices = piece.mesh.vertices
    near = np.clip(vertices, stack.lower_corner - margin, stack.upper_corner + margin)
    return piece.mesh.with_vertices(np.where(piece.held[:, None], near, vertices))


def _near(
    mesh: TriangleMesh, moving: NDArray[np.int64], reach: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (R + 1,) which regions, the outside last, come within reach of some vertices."""
    from scipy.spatial import cKDTree

    block = mesh.vertices[moving]
    lower, upper = block.min(axis=0) - reach, block.max(axis=0) + reach
    around = ((mesh.vertices >= lower) & (mesh.vertices <= upper)).all(axis=1)
    candidates = np.flatnonzero(around)
    distance, _ = cKDTree(block / reach).query(
        mesh.vertices[candidates] / reach, distance_upper_bound=1.0
    )
    is_near = np.zeros(len(mesh.vertices), bool)
    is_near[candidates[np.isfinite(distance)]] = True
    found = np.zeros(len(mesh.regions) + 1, bool)
    found[mesh.face_regions[is_near[mesh.faces].any(axis=1)]] = True
    return found
