"""The prior on a surface: how far a vertex may stand out from its neighbours.

Wrinkles finer than the PSF change the image less than noise does, so the data alone leave them
free. The offset of a vertex from the mean of its neighbours is taken as Gaussian. Weighed against
the residual noise this gives the maximum a posteriori estimate, and it vanishes with the noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from napari_deltamic.fitting.matrices import product
from napari_deltamic.mesh import TriangleMesh, graph_laplacian


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


def roughness(mesh: TriangleMesh, width: float, order: int, device: torch.device) -> Roughness:
    """Return the prior for a mesh; ``width`` is the standard deviation of an offset in um."""
    from scipy.sparse import diags

    laplacian = graph_laplacian(mesh)
    degree = np.maximum(laplacian.diagonal(), 1.0)
    once = diags(1.0 / degree) @ laplacian
    offset = once if order == 1 else once @ once
    return Roughness(product(offset, device), product(offset.T, device), width)
