"""Where a fit stands: all that the next step depends on, besides stack, PSF and settings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.lbfgs import Memory
from napari_deltamic.fitting.problem import Brightness, Evaluation
from napari_deltamic.mesh import TriangleMesh


@dataclass
class Progress:
    """A fit between two iterations; lengths in um from the centre of voxel 0.

    A stage is done in legs, each of which begins with remeshing. ``begun`` tells whether the leg's
    mesh is ready, and ``reason`` why the leg before ended. ``on_voxels`` says whether the leg's
    misfit is taken on the voxels; ``anchor`` is the vertices and the brightness that their weights
    come from. ``here`` is the misfit at the mesh, and ``noise`` what one component of the data adds
    to it.
    """

    mesh: TriangleMesh
    brightness: Brightness
    backend: str = "auto"
    stage: int = 0
    leg: int = 0
    leg_iteration: int = 0
    iteration: int = 0
    here: Evaluation | None = None
    anchor: tuple[NDArray[np.float64], Brightness] | None = None
    begun: bool = False
    reason: str = "had nothing left to do"
    on_voxels: bool = False
    memory: Memory = field(default_factory=Memory)
    noise: float = 0.0
    leg_losses: list[float] = field(default_factory=list)
    loss_history: list[float] = field(default_factory=list)
    stage_starts: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to(self, device: torch.device) -> None:
        """Move what a leg computes with to a device."""
        self.memory = self.memory.on(device)
        if self.here is not None:
            self.here = self.here._replace(gradient=self.here.gradient.to(device))


def begin(mesh: TriangleMesh, label: str, backend: str) -> Progress:
    """Return the progress of a fit that has done nothing yet."""
    membrane = np.ones(len(mesh.interfaces) if label in ("membrane", "both") else 0)
    interior = np.ones(len(mesh.regions) if label in ("interior", "both") else 0)
    return Progress(mesh, Brightness(membrane, interior, 0.0), backend)
