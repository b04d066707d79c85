"""The moments of a fit, kept so that one can look back at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deltamic.fitting import FitState, Intensities
    from napari_deltamic.mesh import TriangleMesh

MOST_MOMENTS = 100
MOST_BYTES = 256 * 1024**2


@dataclass(frozen=True, eq=False)
class Moment:
    """What a fit had come to after an iteration.

    Attributes
    ----------
    iteration
        Number of steps done, over all stages.
    stage
        Counted from 0.
    loss
        Of the mesh, as the fit's states have it.
    mesh
        In um.
    intensities
        The brightness of membranes and insides then; None where it is not known.
    render, observed
        Return (Z, Y, X) the image that the mesh gave then and the one that is to be explained, on
        the stack's voxels; None where that cannot be told any more.
    """

    iteration: int
    stage: int
    loss: float
    mesh: TriangleMesh
    intensities: Intensities | None = None
    render: Callable[[], NDArray[np.float32]] | None = None
    observed: Callable[[], NDArray[np.float32]] | None = None


def moment_of(state: FitState) -> Moment:
    """Return the moment at which a fit published a state."""
    return Moment(
        state.iteration,
        state.stage,
        state.loss,
        state.mesh,
        state.intensities,
        state.render,
        state.observed,
    )


class History:
    """Moments spread evenly over a fit, however long it is.

    The fit's thread appends, and any thread may read at the same time.

    Parameters
    ----------
    most_moments
        How many are kept, at least 2.
    most_bytes
        How much memory their vertices and faces may take; the first and the latest moment are kept
        however large they are.
    """

    def __init__(self, most_moments: int = MOST_MOMENTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_moments, self._most_bytes = most_moments, most_bytes
        self._moments: tuple[Moment, ...] = ()

    @property
    def moments(self) -> tuple[Moment, ...]:
        """The moments kept, in their order; the last is the latest of all."""
        return self._moments

    def append(self, moment: Moment) -> None:
        """Add the latest moment, and drop earlier ones that are too many."""
        kept = [*self._moments, moment]
        while len(kept) > 2 and self._is_too_much(kept):
            del kept[_least_missed(kept)]
        # Replaced as a whole, so that a reader never meets a half of it.
        self._moments = tuple(kept)

    def _is_too_much(self, moments: list[Moment]) -> bool:
        return len(moments) > self._most_moments or _bytes_of(moments) > self._most_bytes


def _bytes_of(moments: list[Moment]) -> int:
    # Meshes between two renewals of the triangles share their faces.
    arrays = {
        id(array): array.nbytes
        for moment in moments
        for array in (moment.mesh.vertices, moment.mesh.faces, moment.mesh.labels)
    }
    return sum(arrays.values())


def _least_missed(moments: list[Moment]) -> int:
    """Return the index of the moment without which the widest gap is the smallest.

    Stages keep their first and last moment as long as there are others to drop.
    """
    inner = range(1, len(moments) - 1)
    within = [k for k in inner if moments[k - 1].stage == moments[k].stage == moments[k + 1].stage]
    gaps = {k: moments[k + 1].iteration - moments[k - 1].iteration for k in within or inner}
    return min(gaps, key=gaps.__getitem__)
