"""What a user should look at once a fit has ended, said in sentences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.mesh import TriangleMesh, self_intersections

# A region this small beside the largest has collapsed.
_VANISHED = 1e-3


def doubts(mesh: TriangleMesh, intensities: Intensities) -> list[str]:
    """Return sentences on what is doubtful in a result; the search takes seconds on large meshes.

    Parameters
    ----------
    mesh
        The fitted mesh.
    intensities
        Its brightness.
    """
    found = _crossings(mesh)
    volumes = mesh.volumes()
    largest = float(volumes.max())
    for region, volume in zip(mesh.regions, volumes, strict=True):
        if volume < _VANISHED * largest:
            found.append(
                f"region {region} has all but vanished; the image may hold nothing at its seed"
            )
    for name in ("membrane", "interior"):
        brightness = getattr(intensities, name)
        if len(brightness) and not np.any(brightness > 0):
            found.append(
                f"the {name} was found dark: the mesh explains none of the image; "
                "is the label right, and does the seed lie on the object?"
            )
    return found


def _crossings(mesh: TriangleMesh) -> list[str]:
    """Return a sentence for each set of regions whose faces run through each other."""
    inner = mesh.labels.max(axis=1)[self_intersections(mesh)]
    pairs, counts = np.unique(np.sort(inner, axis=1), axis=0, return_counts=True)
    return [_crossing(pair, int(count)) for pair, count in zip(pairs, counts, strict=True)]


def _crossing(regions: NDArray[np.int64], count: int) -> str:
    where = (
        f"region {regions[0]} runs through itself"
        if regions[0] == regions[1]
        else f"regions {regions[0]} and {regions[1]} run through each other"
    )
    return (
        f"{where} (pairs of faces: {count}), so volumes are doubtful there; "
        "try a wider PSF, a better seed or more stages"
    )
