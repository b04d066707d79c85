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

from napari_deltamic.fitting.matrices import device_rows
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.topology import edge_use

# Triangles are taken for no flatter than this: height over length of the longest side.
_FLATTEST = 0.05
# A vertex is taken to have no less than this part of the mean area, and an edge along a line of the
# mean length: where triangles have all but vanished, offsets would count without bound.
_SMALLEST_AREA, _SHORTEST_STEP = 1e-4, 1e-2
# With six equal neighbours at a distance h their mean is offset by h^2 / 4 of the Laplacian, and a
# vertex has an area of h^2 * sqrt(3) / 2; with two on a line by h^2 / 2 of the second derivative.
_EVEN = 0.5 / 3.0**0.5
_EVEN_STEP = 2.0 / 3.0**0.5


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
    forth, back = (device_rows(one, device).product for one in (offset, offset.T))
    return Roughness(forth, back, width)


def offset_matrix(mesh: TriangleMesh, order: int, held: NDArray[np.bool_] | None = None) -> Any:
    """Return the (V, V) sparse matrix from positions to offsets; see :func:`roughness`."""
    from scipy.sparse import diags

    edges, on_line = _smooth_edges(mesh)
    count = len(mesh.vertices)
    if order == 1:
        offset = _minus_mean(edges, count)
    else:
        offset = _minus_mean(_compared(edges, on_line), count) @ _bends(mesh, edges, on_line)
    rows = np.ones(count) if held is None else held.astype(np.float64)
    return (diags(rows) @ offset).tocsr()


def _smooth_edges(mesh: TriangleMesh) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return (N, 2) directed edges along which vertices are held, and (V,) who lies on a line."""
    edges, _, face_count, _ = edge_use(mesh.faces)
    special = face_count != 2
    lines = np.bincount(edges[special].ravel(), minlength=len(mesh.vertices))
    directed = np.concatenate([edges, edges[:, ::-1]])
    along = np.concatenate([special, special])
    ahead = lines[directed[:, 0]]
    return directed[(ahead == 0) | (along & (ahead == 2))], lines > 0


def _compared(edges: NDArray[np.int64], on_line: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (M, 2) whose bend is compared with whose.

    That of a line says nothing about that of the surfaces which end there. A surface that is round
    bends in another direction a little aside, so who has neighbours on one side only is compared
    with those who run along the rim with it; with all there are only where a surface is so narrow
    that it is all rim.
    """
    count = len(on_line)
    has_bend = np.bincount(edges[:, 0], minlength=count) > 0
    alike = (on_line[edges[:, 0]] == on_line[edges[:, 1]]) & has_bend[edges].all(axis=1)
    amidst = has_bend & (np.bincount(edges[~alike, 0], minlength=count) == 0)
    beside = edges[alike]
    near = np.bincount(beside[:, 0], amidst[beside[:, 1]], count) > 0
    along = ~amidst[beside].any(axis=1)
    on_both_sides = np.bincount(beside[along, 0], minlength=count) >= 2
    rim = near & ~amidst & on_both_sides
    start = beside[:, 0]
    return np.asarray(beside[amidst[start] | (along & (rim | ~near)[start])])


def _minus_mean(edges: NDArray[np.int64], count: int) -> Any:
    """Return the matrix that takes from each vertex its neighbours' mean; 0 where it has none."""
    from scipy.sparse import coo_matrix, diags

    degree = np.bincount(edges[:, 0], minlength=count)
    share = 1.0 / np.maximum(degree, 1)
    means = coo_matrix((share[edges[:, 0]], tuple(edges.T)), (count, count))
    return (diags((degree > 0).astype(np.float64)) - means).tocsr()


def _bends(mesh: TriangleMesh, edges: NDArray[np.int64], on_line: NDArray[np.bool_]) -> Any:
    """Return the matrix to what offsets would be if all triangles were alike: to the curvature.

    The mean of uneven neighbours lies aside of a vertex and far from it where they are far, and a
    surface gains by shrinking then. Weights by the triangles' angles (Pinkall and Polthier, 1993)
    leave nothing where the surface is flat, and the same everywhere where it is round.
    """
    from scipy.sparse import coo_matrix, diags

    count = len(mesh.vertices)
    corners = mesh.vertices[mesh.faces]
    ahead = np.roll(corners, -1, axis=1) - corners
    behind = np.roll(corners, 1, axis=1) - corners
    doubled = np.linalg.norm(np.cross(ahead[:, 0], behind[:, 0]), axis=1)
    dots = np.einsum("fcx,fcx->fc", ahead, behind)
    floor = _FLATTEST * np.square(ahead).sum(axis=2).max(axis=1)
    cotangent = dots / np.maximum(doubled, floor)[:, None]
    # What is nearer to a corner than to the others; of an obtuse triangle a third.
    sides = np.square(ahead).sum(axis=2)
    share = (sides * cotangent[:, [2, 0, 1]] + sides[:, [2, 0, 1]] * cotangent[:, [1, 2, 0]]) / 8.0
    share = np.where((dots < 0).any(axis=1)[:, None], doubled[:, None] / 6.0, share)
    area = np.bincount(mesh.faces.ravel(), share.ravel(), count)
    mean_area = area[area > 0].mean()
    # The angle at a corner counts for the edge opposite of it.
    start = np.roll(mesh.faces, -1, axis=1).ravel()
    stop = np.roll(mesh.faces, 1, axis=1).ravel()
    half = coo_matrix((0.5 * cotangent.ravel(), (start, stop)), (count, count))
    weights = (half + half.T).tocsr()
    inside = ~on_line & (area > 0)
    area = np.maximum(area, _SMALLEST_AREA * mean_area)
    factor = np.where(inside, _EVEN * mean_area / area, 0.0)
    surfaces = diags(factor) @ (diags(np.asarray(weights.sum(axis=1)).ravel()) - weights)

    along = edges[on_line[edges[:, 0]]]
    length = np.linalg.norm(mesh.vertices[along[:, 1]] - mesh.vertices[along[:, 0]], axis=1)
    # Second differences of uneven steps, in units of the mean step's.
    length = np.maximum(length, _SHORTEST_STEP * length.mean()) if len(length) else length
    per_step = 1.0 / length
    both = np.bincount(along[:, 0], length, count)
    scale = np.where(both > 0, _EVEN_STEP * mean_area / np.maximum(both, 1e-300), 0.0)
    pulls = coo_matrix((scale[along[:, 0]] * per_step, tuple(along.T)), (count, count)).tocsr()
    lines = diags(np.asarray(pulls.sum(axis=1)).ravel()) - pulls
    return (surfaces + lines).tocsr()
