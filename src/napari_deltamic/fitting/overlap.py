"""The prior on several bodies: no two of them are in the same place.

Where bodies overlap their brightness adds, so a faint one gains by growing round brighter ones.
The regions' summed indicator, blurred, is at most one wherever they are apart; what exceeds one is
penalised.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import Topology, interior_jumps
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging.image_model import Shape, image_of_modes
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.topology import vertex_components
from napari_deltamic.meshft import MeshFourierTransform
from napari_deltamic.optics import GaussianPSF

# The band for this prior in units of the stage's; it need not be sharp.
_BAND = 0.6
# Blur in units of 1 / cutoff of that band: what is cut off then rings by less than the allowance.
_BLUR = 0.3
_ALLOWANCE = 0.05
_TOLERANCE = 1e-3
# Penalty of bodies that wholly overlap, beside a loss that is 1 where nothing is explained.
_STRENGTH = 10.0


class Overlap(NamedTuple):
    """The prior on the vertices of one mesh."""

    transform: MeshFourierTransform
    blur: torch.Tensor
    """Transfer function at the transform's modes."""
    grid: Shape
    """Points at which the sum of the bodies is looked at."""
    topology: Topology
    jump: torch.Tensor
    """(F,) step of the summed indicator across each face."""
    share: float
    """Of the box that the bodies fill to begin with; held fixed, or to grow would be a way out."""
    components: list[torch.Tensor]
    """Vertices of each connected part of the mesh."""

    def energy(self, vertices: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Return the penalty and its gradient.

        Parameters
        ----------
        vertices
            (V, 3) float64 in um from the centre of voxel 0.

        Returns
        -------
        float, Tensor
            The penalty, relative to all bodies' volume, and (V, 3) its gradient per um.
        """
        if not self._boxes_meet(vertices):
            return 0.0, torch.zeros_like(vertices)
        positions = vertices.to(self.transform.device, torch.float32).requires_grad_()
        modes = self.transform(positions, self.topology.faces, None, self.jump) * self.blur
        spacing = self.transform.lengths / self.grid
        bodies = image_of_modes(modes, self.grid, spacing, self.grid)
        excess = torch.relu(bodies - (1.0 + _ALLOWANCE)).square().mean()
        penalty = excess * (_STRENGTH / self.share)
        (gradient,) = torch.autograd.grad(penalty, positions)
        return float(penalty.detach()), gradient.to(vertices)

    def _boxes_meet(self, vertices: torch.Tensor) -> bool:
        corners = [vertices[part] for part in self.components]
        lower = torch.stack([part.amin(dim=0) for part in corners])
        upper = torch.stack([part.amax(dim=0) for part in corners])
        meet = ((lower[:, None] <= upper) & (upper[:, None] >= lower)).all(dim=2)
        return int(meet.sum()) > len(corners)


def overlap(
    mesh: TriangleMesh,
    topology: Topology,
    stage: Stage,
    box: Shape,
    spacing: NDArray[np.float64],
    backend: str,
) -> Overlap | None:
    """Return the prior for a mesh; None if it is of one piece, which cannot overlap another."""
    component = vertex_components(mesh.faces, len(mesh.vertices))
    if component.max() == 0:
        return None
    # In all directions alike: where the PSF blurs more the stage's own band is shorter.
    band = np.maximum(np.ceil(_BAND * stage.cutoff * spacing * box), 1).astype(int).tolist()
    transform = MeshFourierTransform(
        box, spacing, tolerance=_TOLERANCE, backend=backend, band=(band[0], band[1], band[2])
    )
    z, y, x = (_points(largest) for largest in band)
    sharp = GaussianPSF([_BLUR / (_BAND * stage.cutoff)] * 3)
    with torch.no_grad():
        blur = sharp.otf(transform.frequencies().float()).to(transform.device)
    jump = interior_jumps(topology, np.ones(len(mesh.regions))).float()
    share = float(np.abs(mesh.volumes()).sum() / np.prod(transform.lengths))
    order = np.argsort(component, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    components = [torch.from_numpy(part).to(transform.device) for part in parts]
    return Overlap(transform, blur, (z, y, x), topology, jump, share, components)


def _points(band: int) -> int:
    from scipy.fft import next_fast_len

    return int(next_fast_len(2 * band + 1, real=True))
