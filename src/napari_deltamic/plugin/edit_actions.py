"""The corrections that the *Correct the mesh* fold offers, with what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.cell_finder import BEYOND
from napari_deltamic.plugin.widgets import count_of

if TYPE_CHECKING:
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.spatial import Placement

# Of the room that there is for a new sphere, what it takes.
_ROOM = 0.95


class Corrected(NamedTuple):
    """A mesh after a correction."""

    mesh: TriangleMesh
    name: str
    """What was done, as *Undo* has it."""
    sentence: str
    regions: tuple[int, ...] = ()
    """Those to choose next."""


Correction = Callable[["TriangleMesh"], Corrected]


def deletion(regions: Sequence[int]) -> Correction:
    """Return what deletes regions."""

    def delete(mesh: TriangleMesh) -> Corrected:
        from napari_deltamic.mesh import delete_region

        for region in regions:
            mesh = delete_region(mesh, region)
        name = f"delete {_named(regions)}"
        return Corrected(mesh, name, f"Deleted: {count_of(len(mesh.regions), 'region')} left.")

    return delete


def merger(regions: Sequence[int]) -> Correction:
    """Return what makes regions one."""

    def merge(mesh: TriangleMesh) -> Corrected:
        from napari_deltamic.mesh import merge_regions

        number = min(regions)
        merged = merge_regions(mesh, regions)
        return Corrected(
            merged, f"merge {_named(regions)}", f"Merged into region {number}.", (number,)
        )

    return merge


def splitting(regions: Sequence[int]) -> Correction:
    """Return what cuts each of some regions in two."""

    def split(mesh: TriangleMesh) -> Corrected:
        from napari_deltamic.mesh import split_region

        highest = int(mesh.regions.max())
        for region in regions:
            mesh = split_region(mesh, region)
        new = tuple(range(highest + 1, int(mesh.regions.max()) + 1))
        sentence = f"Split across the longest axis; new: {_named(new)}."
        return Corrected(mesh, f"split {_named(regions)}", sentence, (*regions, *new))

    return split


def smoothing(regions: Sequence[int]) -> Correction:
    """Return what smooths regions, or all if there are none."""

    def smooth(mesh: TriangleMesh) -> Corrected:
        from napari_deltamic.mesh import smooth_region

        for region in regions or (None,):
            mesh = smooth_region(mesh, region)
        name = _named(regions) if regions else "all regions"
        return Corrected(mesh, f"smooth {name}", f"Smoothed {name}.", tuple(regions))

    return smooth


def addition(center: NDArray[np.float64], radius: float) -> Correction:
    """Return what adds a sphere, smaller than asked for where there is less room."""

    def add(mesh: TriangleMesh) -> Corrected:
        from napari_deltamic.mesh import add_region, free_radius

        fitting = _ROOM * free_radius(mesh, center)
        # Without any room the sphere is refused in words of its own.
        taken = min(radius, fitting) if fitting > 0 else radius
        result = add_region(mesh, center, taken)
        number = int(result.regions.max())
        sentence = f"Region {number} added, with a radius of {taken:.2g} µm"
        sentence += ": there is no room for more." if taken < radius else "."
        return Corrected(result, f"add region {number}", sentence, (number,))

    return add


def pull(start: NDArray[np.float64], way: NDArray[np.float64], radius: float) -> Correction:
    """Return what drags the surface."""

    def drag(mesh: TriangleMesh) -> Corrected:
        from napari_deltamic.mesh import drag as dragged

        far = float(np.linalg.norm(way))
        result = dragged(mesh, start, way, radius)
        return Corrected(result, "drag", f"Dragged by {far:.2g} µm.")

    return drag


def painting(
    before: NDArray[np.integer], after: NDArray[np.integer], placement: Placement
) -> Correction:
    """Return what takes over painted labels."""

    def paint(mesh: TriangleMesh) -> Corrected:
        from napari_deltamic.mesh import repainted

        spacing = placement.spacing
        result = repainted(mesh, before, after, spacing, placement.origin, BEYOND * spacing)
        old, new = set(mesh.regions.tolist()), set(result.regions.tolist())
        words = [f"gone: {_named(sorted(old - new))}"] if old - new else []
        words += [f"new: {_named(sorted(new - old))}"] if new - old else []
        tail = f"; {', '.join(words)}" if words else ""
        return Corrected(result, "paint", f"Painted labels taken over{tail}.")

    return paint


def _named(regions: Sequence[int]) -> str:
    word = "region" if len(regions) == 1 else "regions"
    return f"{word} {', '.join(map(str, regions))}"
