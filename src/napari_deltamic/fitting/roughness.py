"""The prior on a surface: how far a vertex may stand out from its neighbours.

Wrinkles finer than the PSF change the image less than noise does, so the data alone leave them
free. The offset of a vertex from the mean of its neighbours is taken as Gaussian. Weighed against
the residual noise this gives the maximum a posteriori estimate, and it vanishes with the noise.

Where regions meet, surfaces end at an angle, which is no wrinkle: a vertex of such a line is held
against its neighbours along the line alone, and the ends of lines against nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.matrices import product
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.topology import edge_use


class Roughness(NamedTuple):
    """The prior on the vertices of one mesh."""

    offset: Callable[[torch.Tensor], torch.Tensor]
    """Maps (V, 3) positions to offsets from the neighbours' mean."""
    adjoint: Callable[[torch.Tensor], torch.Tensor]
    """The transposed map."""
    width: float
    """Standard deviation of an offset in um."""

    def energy(self, vertices: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Return the sum of squared offsets over their variance, and its gradient.

        Parameters
        ----------
        vertices
            (V, 3) float64 in um.

        Returns
        -------
        float, Tensor
            The energy, and (V, 3) its gradient per um.
        """
        offsets = self.offset(vertices) / self.width
        gradient = (2.0 / self.width) * self.adjoint(offsets)
        return float((offsets * offsets).sum()), gradient


def roughness(
    mesh: TriangleMesh,
    width: float,
    order: int,
    device: torch.device,
    held: NDArray[np.bool_] | None = None,
) -> Roughness:
    """Return the prior for a mesh.

    Parameters
    ----------
    mesh
        The surface.
    width
        Standard deviation of an offset in um.
    order
        1 for offsets from the neighbours' mean, 2 for how those differ from the neighbours' own.
    device
        Where the vertices lie.
    held
        (V,) which vertices the prior is on; None for all. The others neither bend nor shrink by
        it, but follow those on which it is.
    """
    offset = offset_matrix(mesh, order, held)
    return Roughness(product(offset, device), product(offset.T, device), width)


def offset_matrix(mesh: TriangleMesh, order: int, held: NDArray[np.bool_] | None = None) -> Any:
    """Return the (V, V) sparse matrix from positions to offsets; see :func:`roughness`."""
    from scipy.sparse import diags

    edges, on_line = _smooth_edges(mesh)
    once = _minus_mean(edges, len(mesh.vertices))
    if order == 2:
        # An offset along a line says nothing about that of the surfaces which end there.
        alike = on_line[edges[:, 0]] == on_line[edges[:, 1]]
        ends = edges[alike & (once.diagonal()[edges] > 0).all(axis=1)]
        once = _minus_mean(ends, len(mesh.vertices)) @ once
    rows = np.ones(len(mesh.vertices)) if held is None else held.astype(np.float64)
    return (diags(rows) @ once).tocsr()


def _smooth_edges(mesh: TriangleMesh) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return (N, 2) directed edges along which vertices are held, and (V,) who lies on a line."""
    edges, _, face_count, _ = edge_use(mesh.faces)
    special = face_count != 2
    lines = np.bincount(edges[special].ravel(), minlength=len(mesh.vertices))
    directed = np.concatenate([edges, edges[:, ::-1]])
    along = np.concatenate([special, special])
    ahead = lines[directed[:, 0]]
    return directed[(ahead == 0) | (along & (ahead == 2))], lines > 0


def _minus_mean(edges: NDArray[np.int64], count: int) -> Any:
    """Return the matrix that takes from each vertex its neighbours' mean; 0 where it has none."""
    from scipy.sparse import coo_matrix, diags

    degree = np.bincount(edges[:, 0], minlength=count)
    share = 1.0 / np.maximum(degree, 1)
    means = coo_matrix((share[edges[:, 0]], tuple(edges.T)), (count, count))
    return (diags((degree > 0).astype(np.float64)) - means).tocsr()
