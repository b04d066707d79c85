"""Finding cells in a stack, with settings that can be compared; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.mesh import TriangleMesh

# In voxels: as far as the blur of what lies outside a stack reaches into it.
BEYOND = 5.0

Markers = NDArray[np.float64] | None


class CellFinder(Protocol):
    """What turns a stack into labels."""

    def labels(self, stack: ImageStack, markers: Markers) -> NDArray[np.int32]:
        """Return (Z, Y, X) labels, 0 outside; ``markers`` (N, 3) in um say what the cells are."""
        ...


@dataclass(frozen=True)
class MembraneFinder:
    """Finds cells whose membranes are marked; see ``membrane_labels``."""

    cell_size: float | None = None
    envelope: bool | None = None
    least_strength: float | None = None

    def labels(self, stack: ImageStack, markers: Markers) -> NDArray[np.int32]:
        """Return the cells between membranes."""
        from napari_deltamic.imaging.membranes import LEAST_STRENGTH, membrane_labels

        strength = LEAST_STRENGTH if self.least_strength is None else self.least_strength
        return membrane_labels(
            stack,
            markers,
            cell_size=self.cell_size,
            envelope=self.envelope,
            least_strength=strength,
        )


@dataclass(frozen=True)
class InteriorFinder:
    """Finds bright objects such as nuclei; see ``label_image``."""

    threshold: float | None = None
    smallest: float | None = None
    split: bool = True

    def labels(self, stack: ImageStack, markers: Markers) -> NDArray[np.int32]:
        """Return the objects."""
        from napari_deltamic.imaging import label_image

        # A marked object is kept, however small.
        smallest = self.smallest if markers is None else None
        return label_image(stack, self.threshold, smallest, None, True, self.split, markers)


def found_markers(finder: CellFinder, stack: ImageStack) -> NDArray[np.float64]:
    """Return (N, 3) in um: a point well inside each object that is found without markers."""
    from napari_deltamic.imaging.membranes import label_centers

    return label_centers(finder.labels(stack, None), stack)


def mesh_of_labels(
    labels: NDArray[np.integer], spacing: NDArray[np.float64], origin: NDArray[np.float64]
) -> TriangleMesh:
    """Return the surfaces of labels; those that the border cuts go on outside of the stack."""
    from napari_deltamic.mesh import seed_from_labels

    return seed_from_labels(labels, spacing, origin, beyond=BEYOND * np.asarray(spacing))
