"""What a user should look at once a fit has ended, said in sentences."""

from __future__ import annotations

from collections.abc import Generator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.intersection import intersecting
from napari_deltamic.mesh.steps import at_once
from napari_deltamic.mesh.topology import edge_use

# A region this small beside the largest has collapsed.
_VANISHED = 1e-3


def doubts(mesh: TriangleMesh, intensities: Intensities, resolution: float) -> list[str]:
    """Return sentences on what is doubtful in a result; the search takes seconds on large meshes.

    Parameters
    ----------
    mesh
        The fitted mesh.
    intensities
        Its brightness.
    resolution
        Length in um of the finest detail that the image shows.
    """
    return at_once(doubting(mesh, intensities, resolution))


def doubting(
    mesh: TriangleMesh, intensities: Intensities, resolution: float
) -> Generator[None, None, list[str]]:
    """Do what :func:`doubts` does bit by bit; it may be left off at every yield."""
    found = yield from _crossings(mesh)
    yield
    found += _partings(mesh, resolution)
    volumes = mesh.volumes()
    least = max(_VANISHED * float(volumes.max()), _ball(resolution))
    for region, volume in zip(mesh.regions, volumes, strict=True):
        if volume < least:
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


def _ball(diameter: float) -> float:
    return float(np.pi / 6.0 * diameter**3)


def _partings(mesh: TriangleMesh, resolution: float) -> list[str]:
    """Return a sentence for each contact that is too small to be seen.

    Where cells exchange neighbours their contact shrinks to a point, from which another grows
    between the two that come to touch. A mesh keeps its contacts, so it stops at the point.
    """
    if not mesh.has_contacts:
        return []
    sentences = []
    around = None
    for pair, area in zip(mesh.interfaces, mesh.interface_areas(), strict=True):
        if pair[0] == 0 or area >= resolution**2:
            continue
        around = _regions_at_lines(mesh) if around is None else around
        beside = {one for regions in around if set(pair) <= regions for one in regions}
        beside -= {int(one) for one in pair}
        strangers = [
            (one, two)
            for one, two in combinations(sorted(beside), 2)
            if two not in mesh.neighbours(one)
        ]
        instead = ""
        if strangers:
            one, two = strangers[0]
            instead = f"; regions {one} and {two} may touch there instead"
        first, second = pair
        sentences.append(
            f"the contact of regions {first} and {second} has shrunk to {area:.2g} um^2, less "
            f"than the image resolves: they may have parted{instead}; "
            "check the labels there and seed them anew"
        )
    return sentences


def _regions_at_lines(mesh: TriangleMesh) -> list[set[int]]:
    """Return the sets of regions, outside included, that meet along lines."""
    use = edge_use(mesh.faces)
    at_line = (use.face_count >= 3)[use.face_edges]
    edge = np.repeat(use.face_edges[at_line], 2)
    region = np.repeat(mesh.labels[:, None], 3, axis=1)[at_line].ravel()
    pairs = np.unique(np.stack([edge, region], axis=1), axis=0)
    starts = np.flatnonzero(np.diff(pairs[:, 0])) + 1
    meeting = {tuple(regions.tolist()) for regions in np.split(pairs[:, 1], starts)}
    return [set(regions) for regions in sorted(meeting)]


def _crossings(mesh: TriangleMesh) -> Generator[None, None, list[str]]:
    """Return a sentence for each set of regions whose faces run through each other."""
    crossing = yield from intersecting(mesh)
    inner = mesh.labels.max(axis=1)[crossing]
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
