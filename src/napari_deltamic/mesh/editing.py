"""Corrections that take regions of a mesh away, join them or put new ones in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.edges import median_edge
from napari_deltamic.mesh.orientation import winding_number
from napari_deltamic.mesh.seeds import sphere_with_edges
from napari_deltamic.mesh.shapes import checked_center, positive_length
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# Edges of a new sphere, at most, as a part of its radius.
_EDGE = 1.0 / 6.0


def delete_region(mesh: TriangleMesh, region: int) -> TriangleMesh:
    """Return the mesh with a region made part of the outside.

    Its contacts become free surfaces of its neighbours, whose volumes stay the same.

    Raises
    ------
    ValueError
        If there is no such region, or no other.
    """
    _check_regions(mesh, [region])
    if len(mesh.regions) == 1:
        raise ValueError(
            f"region: {region} is the only one, and a mesh needs one; seed a new mesh instead"
        )
    return relabelled(mesh, {region: 0})


def merge_regions(mesh: TriangleMesh, regions: Iterable[int]) -> TriangleMesh:
    """Return the mesh with regions made into one, which has the lowest of their numbers.

    The contacts between them go, so that its volume is the sum of theirs.

    Raises
    ------
    ValueError
        If there are fewer than two, a region does not exist, or they are not all joined by
        contacts with one another.
    """
    chosen = sorted(set(regions))
    if len(chosen) < 2:
        raise ValueError("regions: choose two or more to merge")
    _check_regions(mesh, chosen)
    joined, waiting = {chosen[0]}, {chosen[0]}
    while waiting:
        around = set(mesh.neighbours(waiting.pop()).tolist()) & set(chosen) - joined
        joined |= around
        waiting |= around
    apart = [region for region in chosen if region not in joined]
    if apart:
        raise ValueError(
            f"regions: {apart[0]} does not touch {_listed(sorted(joined))}; only regions that "
            "share a contact can be merged"
        )
    return relabelled(mesh, dict.fromkeys(chosen[1:], chosen[0]))


def add_region(
    mesh: TriangleMesh, center: ArrayLike, radius: float, edge_length: float | None = None
) -> TriangleMesh:
    """Return the mesh with a sphere as one more region, numbered after the highest.

    Parameters
    ----------
    mesh
        Whose regions are closed; it may have no faces.
    center
        (3,) in um, (z, y, x), outside of all regions.
    radius
        In um; :func:`free_radius` tells how large it may be.
    edge_length
        About how long its edges shall be, in um; by default the mesh's median, and at most a sixth
        of the radius.

    Raises
    ------
    ValueError
        If the sphere would reach into a region; the message names it.
    """
    middle = checked_center(center)
    positive_length("radius", radius)
    if len(mesh.faces):
        room, nearest = _free_radius(mesh, middle)
        if room == 0.0:
            raise ValueError(
                f"center: lies in region {nearest}; split that region, or choose a place outside"
            )
        if radius > room:
            raise ValueError(
                f"radius: a sphere of {radius:.3g} um would reach into region {nearest}; "
                f"at most {_rounded_down(room):g} um fit there"
            )
    if edge_length is None:
        usual = median_edge(mesh) if len(mesh.faces) else radius
        edge_length = min(usual, _EDGE * radius)
    sphere = sphere_with_edges(middle, radius, positive_length("edge_length", edge_length))
    number = int(mesh.labels.max(initial=0)) + 1
    return TriangleMesh(
        np.concatenate([mesh.vertices, sphere.vertices]),
        np.concatenate([mesh.faces, sphere.faces + len(mesh.vertices)]),
        np.concatenate([mesh.labels, number * sphere.labels]),
    )


def free_radius(mesh: TriangleMesh, center: ArrayLike) -> float:
    """Return how large a ball round a point may be, in um, to lie outside of all regions.

    0 if the point lies in a region, infinite if the mesh has no faces.

    Parameters
    ----------
    mesh
        Whose regions are closed.
    center
        (3,) in um, (z, y, x).
    """
    middle = checked_center(center)
    return _free_radius(mesh, middle)[0] if len(mesh.faces) else float("inf")


def relabelled(mesh: TriangleMesh, new_numbers: dict[int, int]) -> TriangleMesh:
    """Return the mesh with some regions renumbered; equal numbers join, and 0 is the outside."""
    labels = mesh.labels.copy()
    for region, number in new_numbers.items():
        labels[mesh.labels == region] = number
    kept = labels[:, 0] != labels[:, 1]
    used, faces = np.unique(mesh.faces[kept], return_inverse=True)
    return TriangleMesh(mesh.vertices[used], faces.reshape(-1, 3), labels[kept])


def _free_radius(mesh: TriangleMesh, middle: NDArray[np.float64]) -> tuple[float, int]:
    """Return how far the nearest surface is, 0 from within a region, and whose that is."""
    from napari_deltamic.mesh.distance import surface_distance

    ways = []
    for region in mesh.regions:
        surface = mesh.region_mesh(int(region))
        if winding_number(middle, surface.vertices[surface.faces]) > 0.5:
            return 0.0, int(region)
        ways.append(float(surface_distance(middle[None], surface)[0]))
    nearest = int(np.argmin(ways))
    return ways[nearest], int(mesh.regions[nearest])


def _rounded_down(length: float) -> float:
    """Return a length with three digits that is no longer."""
    unit = 10.0 ** (np.floor(np.log10(length)) - 2)
    return float(f"{np.floor(length / unit) * unit:.3g}")


def _check_regions(mesh: TriangleMesh, regions: list[int]) -> None:
    for region in regions:
        if region not in mesh.regions:
            raise ValueError(
                f"region: {region} is not one of the mesh's regions, {_listed(mesh.regions)}"
            )


def _listed(regions: Iterable[int]) -> str:
    numbers = [str(region) for region in regions]
    return ", ".join(numbers[:8]) + (", ..." if len(numbers) > 8 else "")
