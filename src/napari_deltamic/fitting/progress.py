"""Where a fit stands: all that the next step depends on, besides stack, PSF and settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import Brightness
from napari_deltamic.fitting.lbfgs import Memory
from napari_deltamic.fitting.misfit import Evaluation
from napari_deltamic.mesh import TriangleMesh

if TYPE_CHECKING:
    from napari_deltamic.fitting.shape_errors import ShapeErrors

# Of the prior's width: a quantity that moves by less while the mesh settles has settled too.
_STILL = 4e-3


class Optics(NamedTuple):
    """Where the learned quantities of a fit stand, as (P,) raw values."""

    planned: NDArray[np.float64]
    """For which the leg's band, box and mesh were chosen."""
    base: NDArray[np.float64]
    """About which the rendering is taken as linear."""
    last: NDArray[np.float64]
    """At the last renewal."""
    now: NDArray[np.float64]
    """At their best for the mesh."""
    drift: float = np.inf
    """How far one moved between the last two renewals, in widths of its prior."""
    deviation: NDArray[np.float64] | None = None
    """Standard errors, once the fit has settled."""

    def moved(self, shift: NDArray[np.float64]) -> Optics:
        """Return the same with the optics a little off the point of linearisation."""
        return self._replace(now=self.base + shift)

    def renewed(
        self,
        base: NDArray[np.float64],
        now: NDArray[np.float64],
        widths: NDArray[np.float64],
        first: bool = False,
    ) -> Optics:
        """Return the same after a renewal; the first of a leg says nothing about drift."""
        drift = np.inf if first else float(np.abs((now - self.last) / widths).max())
        return self._replace(base=base, last=now, now=now, drift=drift)

    def still(self, widths: NDArray[np.float64]) -> bool:
        """Whether the quantities have stopped moving."""
        since = float(np.abs((self.now - self.last) / widths).max())
        return max(self.drift, since) < _STILL


@dataclass
class Progress:
    """A fit between two iterations; lengths in um from the centre of voxel 0.

    A stage is done in legs, each of which begins with remeshing. ``begun`` tells whether the leg's
    mesh is ready, and ``reason`` why the leg before ended. ``on_voxels`` says whether the leg's
    misfit is taken on the voxels; ``anchor`` is the vertices and the brightness that their weights
    come from. ``here`` is the misfit at the mesh, and ``noise`` what one component of the data adds
    to it; ``leg_noise`` is that when the leg began. ``optics`` are the learned quantities, once
    they have joined, and ``errors`` comes last of all; no checkpoint holds it. ``leg_start`` is the
    vertices that the leg began with, ``cleared`` those where its guard last looked about.
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
    optics: Optics | None = None
    errors: ShapeErrors | None = None
    leg_start: NDArray[np.float64] | None = None
    cleared: NDArray[np.float64] | None = None
    noise: float = 0.0
    leg_noise: float = 0.0
    leg_losses: list[float] = field(default_factory=list)
    loss_history: list[float] = field(default_factory=list)
    stage_starts: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def leg_mesh(self) -> TriangleMesh:
        """The mesh that the leg began with."""
        return self.mesh if self.leg_start is None else self.mesh.with_vertices(self.leg_start)

    def begin_leg(self, mesh: TriangleMesh, on_voxels: bool) -> None:
        """Go on with other faces."""
        self.mesh, self.on_voxels = mesh, on_voxels
        self.here = self.anchor = None
        self.leg_losses, self.leg_noise = [], self.noise
        self.leg_start, self.cleared = mesh.vertices, None
        self.memory.forget()
        self.begun = True

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
