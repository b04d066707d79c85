"""How bright all of a tissue is, as far as its blocks have found out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.mesh import TriangleMesh

Pair = tuple[int, int]


@dataclass
class Light:
    """Brightness by region and by pair of regions, in the image's units; see Intensities."""

    membrane: dict[Pair, float] = field(default_factory=dict)
    """By the two regions that an interface parts, the lower one first; 0 is the outside."""
    interior: dict[int, float] = field(default_factory=dict)

    def of(self, mesh: TriangleMesh, label: str, background: float, usual: float) -> Intensities:
        """Return what is known of a mesh's brightness; for the rest, what is usual.

        Parameters
        ----------
        mesh
            The tissue, or a piece of it.
        label
            What is marked: "membrane", "interior" or "both".
        background
            That of the block.
        usual
            For all that is unknown as long as nothing is known.
        """
        membrane = [self.membrane.get(pair) for pair in _pairs(mesh)]
        interior = [self.interior.get(int(region)) for region in mesh.regions]
        return Intensities(
            _filled(membrane, usual) if label in ("membrane", "both") else np.empty(0),
            _filled(interior, usual) if label in ("interior", "both") else np.empty(0),
            background,
        )

    def knows(self, mesh: TriangleMesh, label: str, own: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return what a block need not find out, because others have.

        Parameters
        ----------
        mesh, label
            As for :meth:`of`.
        own
            The block's regions.

        Returns
        -------
        NDArray
            (I + R,) of interfaces and, after them, of regions.
        """
        mine = {int(region) for region in own}
        pairs, regions = _pairs(mesh), mesh.regions.tolist()
        membrane = [pair in self.membrane and not mine & set(pair) for pair in pairs]
        interior = [region in self.interior and region not in mine for region in regions]
        return np.array(
            membrane * (label in ("membrane", "both")) + interior * (label in ("interior", "both")),
            bool,
        )

    def learn(self, mesh: TriangleMesh, found: Intensities, own: NDArray[np.int64]) -> None:
        """Keep what a block has found out about its own regions."""
        mine = {int(region) for region in own}
        if len(found.membrane):
            pairs = zip(_pairs(mesh), found.membrane.tolist(), strict=True)
            self.membrane |= {pair: value for pair, value in pairs if mine & set(pair)}
        if len(found.interior):
            values = zip(mesh.regions.tolist(), found.interior.tolist(), strict=True)
            self.interior |= {region: value for region, value in values if region in mine}


def _pairs(mesh: TriangleMesh) -> list[Pair]:
    return [(int(low), int(high)) for low, high in mesh.interfaces]


def _filled(values: list[float | None], usual: float) -> NDArray[np.float64]:
    known = [value for value in values if value is not None]
    middle = float(np.median(known)) if known else usual
    return np.array([middle if value is None else value for value in values])
