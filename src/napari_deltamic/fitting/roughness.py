"""The prior on a surface: how far a vertex may stand out from its neighbours.

Wrinkles finer than the PSF change the image less than noise does, so the data alone leave them
free. A vertex' offset from the mean of its neighbours is taken as Gaussian, with a width that a
surface bent as sharply as the stage resolves would have. Weighed against the residual noise, this
is the maximum a posteriori estimate: it vanishes with the noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh, graph_laplacian


class Roughness(NamedTuple):
    """The prior on one mesh."""

    offset: object
    """(V, V) sparse: maps positions to offsets from the neighbours' mean."""
    width: float
    """Standard deviation of an offset in um."""

    def energy(self, vertices: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the sum of squared offsets over their variance, and its (V, 3) gradient."""
        offsets = self.offset @ vertices / self.width
        return float(np.einsum("vi,vi->", offsets, offsets)), (
            2.0 / self.width * (self.offset.T @ offsets)
        )


def roughness(mesh: TriangleMesh, width: float) -> Roughness:
    """Return the prior for a mesh; ``width`` is the standard deviation of an offset in um."""
    from scipy.sparse import diags

    laplacian = graph_laplacian(mesh)
    degree = np.maximum(laplacian.diagonal(), 1.0)
    return Roughness((diags(1.0 / degree) @ laplacian).tocsr(), width)
