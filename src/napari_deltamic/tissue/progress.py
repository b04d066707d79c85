"""Where the fit of a tissue stands, and what it publishes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.state import Intensities
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.optics import PSF
from napari_deltamic.tissue.block import Outcome
from napari_deltamic.tissue.light import Light


class BlockSummary(NamedTuple):
    """How a block's last leg went."""

    background: float
    loss: float
    """Squared residuals over squared data of the voxels that it explains, background removed."""
    noise: float
    """What one component of the data adds to the loss."""
    iterations: int
    """Of all its legs."""
    stop_reason: str
    """Why its last leg ended; empty if that was stopped."""


@dataclass
class TissueProgress:
    """A tissue between two legs of blocks; all that the next leg depends on, besides the input."""

    mesh: TriangleMesh
    blocks: int
    light: Light = field(default_factory=Light)
    stage: int = 0
    leg: int = 0
    block: int = 0
    begun: bool = False
    """Whether the leg's mesh is ready."""
    summaries: dict[int, BlockSummary] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    backend: str | None = None
    """In place of the settings', if the GPU's memory was too small."""

    def take(self, outcome: Outcome, reason: str) -> None:
        """Take over what the current block has found, and why its leg ended."""
        vertices = self.mesh.vertices.copy()
        piece = outcome.piece
        vertices[piece.vertices[~piece.held]] = outcome.positions
        self.mesh = self.mesh.with_vertices(vertices)
        self.light.learn(piece.mesh, outcome.intensities, piece.own)
        before = self.summaries.get(self.block)
        self.summaries[self.block] = BlockSummary(
            outcome.intensities.background,
            outcome.loss,
            outcome.noise,
            outcome.iterations + (before.iterations if before else 0),
            reason,
        )
        self.backend = outcome.backend
        self.warnings += [f"block {self.block + 1}: {one}" for one in outcome.warnings]

    @property
    def stop_reason(self) -> str:
        """A sentence on how the blocks ended."""
        limits = [
            one.stop_reason
            for one in self.summaries.values()
            if one.stop_reason.startswith("reached")
        ]
        if not limits:
            return "every block has settled"
        if len(limits) == self.blocks:
            return f"every block {limits[0]}"
        return f"{self.blocks - len(limits)} of {self.blocks} blocks settled, the rest {limits[0]}"


class TissueState(NamedTuple):
    """One moment of a running fit of a tissue."""

    stage: int
    stages: int
    leg: int
    """The first or the second half of the stage."""
    legs: int
    block: int
    blocks: int
    iteration: int
    """Of this block in this leg."""
    loss: float
    """The block's, see :class:`BlockSummary`."""
    progress: float
    """Fraction of the fit that is done at least, 0 to 1."""
    mesh: TriangleMesh
    """The tissue when the block began."""

    @property
    def round(self) -> int:
        """How often, from 1, all blocks are gone over; each stage does it once or twice."""
        return self.stage * self.legs + self.leg + 1

    @property
    def rounds(self) -> int:
        """How often in all."""
        return self.stages * self.legs


@dataclass(frozen=True, eq=False)
class TissueResult:
    """What the fit of a tissue ends with.

    Attributes
    ----------
    mesh
        The whole tissue; regions keep the numbers of the start.
    intensities
        Brightness of each interface and region, and the mean background of the blocks.
    blocks
        The regions that were fitted together.
    summaries
        How the last leg of each block went, by its number.
    stop_reason
        A sentence saying why the fit ended.
    stopped
        Whether that was before its time.
    warnings
        Sentences on what the user should look at, if anything.
    settings, psf
        What it ran with.
    """

    mesh: TriangleMesh
    intensities: Intensities
    blocks: list[NDArray[np.int64]]
    summaries: dict[int, BlockSummary]
    stop_reason: str
    stopped: bool
    warnings: list[str]
    settings: FitSettings
    psf: PSF
