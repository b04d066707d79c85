"""The prior on a surface: how far a vertex may stand out from its neighbours.

Wrinkles finer than the PSF change the image less than noise does, so the data alone leave them
free. The offset of a vertex from the mean of its neighbours is taken as Gaussian. Weighed against
the residual noise this gives the maximum a posteriori estimate, and it vanishes with the noise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh, graph_laplacian


class Roughness(NamedTuple):
    """The prior on the vertices of one mesh."""

    offset: Any
    """(V, V) sparse matrix: positions to offsets from the neighbours' mean."""
    width: float
    """Standard deviation of an offset in um."""

    def energy(self, vertices: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the sum of squared offsets over their variance, and its gradient.

        Parameters
        ----------
        vertices
            (V, 3) in um.

        Returns
        -------
        float, ndarray
            The energy, and (V, 3) its gradient per um.
        """
        offsets = self.offset @ vertices / self.width
        gradient = (2.0 / self.width) * (self.offset.T @ offsets)
        return float(np.einsum("vi,vi->", offsets, offsets)), gradient


def roughness(mesh: TriangleMesh, width: float, order: int) -> Roughness:
    """Return the prior for a mesh; ``width`` is the standard deviation of an offset in um."""
    from scipy.sparse import diags

    laplacian = graph_laplacian(mesh)
    degree = np.maximum(laplacian.diagonal(), 1.0)
    once = diags(1.0 / degree) @ laplacian
    return Roughness((once if order == 1 else once @ once).tocsr(), width)
