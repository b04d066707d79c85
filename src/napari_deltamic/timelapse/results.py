"""What the fit of a movie ends with: a mesh a frame, tracks of its regions, and their lineage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.mesh import TriangleMesh, measures_table
from napari_deltamic.mesh.tables import Row
from napari_deltamic.timelapse.surfaces import surface_4d


class Division(NamedTuple):
    """One region became two."""

    frame: int
    """The first that has both."""
    parent: int
    """Region that divided."""
    children: tuple[int, int]
    """Regions that it became; the larger one, which comes first, keeps the parent's number."""


@dataclass(frozen=True, eq=False)
class FrameResult:
    """The fit of one frame.

    Attributes
    ----------
    frame
        Its number, from 0 or as the movie counts it.
    mesh
        The fitted mesh; a region has the same number in all frames.
    intensities
        The linear unknowns, for this mesh's interfaces and regions.
    loss
        The last of the fit.
    iterations
        How many the frame took, those after a division included.
    seconds
        How long it took.
    stop_reason
        A sentence saying why its fit ended.
    warnings
        Sentences on what the user should look at, if anything.
    ratios
        By region, how strong the strongest sheets in its residual are beside those of noise: about
        1 in a sound region. Regions too thin to tell are left out.
    suspects
        Regions whose residual says that the mesh lacks a surface in them.
    divisions
        What divided in this frame.
    lost
        Regions that were there before and that this frame's image no longer resolves, or that left
        the stack. The mesh does not have them any more.
    noise
        What one component of the data adds to the loss; the next frame begins with it.
    """

    frame: int
    mesh: TriangleMesh
    intensities: Intensities
    loss: float
    iterations: int
    seconds: float
    stop_reason: str
    warnings: list[str] = field(default_factory=list)
    ratios: dict[int, float] = field(default_factory=dict)
    suspects: list[int] = field(default_factory=list)
    divisions: list[Division] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    noise: float = 0.0

    def table(self, interval: float = 1.0) -> list[Row]:
        """Return one row for each region; see :meth:`TimelapseResult.tracks_table`."""
        interior = self.intensities.interior
        rows = measures_table(self.mesh, interior if len(interior) else None)
        return [{"frame": self.frame, "time": interval * self.frame, **row} for row in rows]


@dataclass(frozen=True, eq=False)
class TimelapseResult:
    """What the fit of a movie ends with.

    Attributes
    ----------
    frames
        The fitted frames in their order: all of them, or the first ones if the movie was stopped.
    stopped
        Whether it was ended before its time.
    stop_reason
        A sentence saying why the movie ended.
    """

    frames: list[FrameResult]
    stopped: bool
    stop_reason: str

    @property
    def meshes(self) -> list[TriangleMesh]:
        """The mesh of each frame."""
        return [frame.mesh for frame in self.frames]

    @property
    def warnings(self) -> list[str]:
        """All warnings, each with the number of its frame."""
        return [f"frame {one.frame}: {text}" for one in self.frames for text in one.warnings]

    @property
    def divisions(self) -> list[Division]:
        """All divisions, in the order of their frames."""
        return [division for frame in self.frames for division in frame.divisions]

    @property
    def lost(self) -> dict[int, int]:
        """First frame without a region, by region, of those that were lost."""
        return {region: frame.frame for frame in self.frames for region in frame.lost}

    def tracks_table(self, interval: float = 1.0) -> list[Row]:
        """Return one row for each frame and region.

        Parameters
        ----------
        interval
            Time between frames, in any unit.

        Returns
        -------
        list of dict
            The columns are frame, time and those of :func:`napari_deltamic.mesh.measures_table`,
            intensity among them where insides are marked.
        """
        return [row for frame in self.frames for row in frame.table(interval)]

    def tracks(self) -> NDArray[np.float64]:
        """Return (N, 5) region, frame, z, y, x in um of each centroid, sorted by region and frame.

        So napari's Tracks layer takes them, with :meth:`graph` as its graph.
        """
        rows = [
            (row["region"], row["frame"], *(row[f"centroid_{axis}"] for axis in "zyx"))
            for row in self.tracks_table()
        ]
        table = np.array(rows, dtype=np.float64).reshape(-1, 5)
        return table[np.lexsort((table[:, 1], table[:, 0]))]

    def graph(self) -> dict[int, list[int]]:
        """Return the parent of each region that a division made, in a list, by region."""
        return {one.children[1]: [one.parent] for one in self.divisions}

    def surface(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Return (N, 4) vertices, faces and values of all frames; see :func:`surface_4d`."""
        return surface_4d(self.meshes, first_frame=self.frames[0].frame if self.frames else 0)
