"""How the faces are cut for quadrature, and in which order several threads may spread them.

A face whose phases vary too much for the rules is cut into n^2 similar triangles. The cut
triangles, the patches, are sorted into tiles of the grid's (z, y) plane. Tiles are so wide that
what is spread from one never reaches the next but one, so tiles of one colour of a 2 x 2
checkerboard can be spread at the same time without atomics, and the sums are always added in the
same order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

# A patch's points lie within two thirds of its longest edge from its centroid.
_CENTROID_REACH = 2.0 / 3.0
_COLOURS = 4


class Tiling(NamedTuple):
    """How many tiles there are along z and y; one, or an even number for the wrap-around."""

    along_z: int
    along_y: int


class Patches(NamedTuple):
    """The cut faces, sorted by colour and tile."""

    face: NDArray[np.int64]
    """(P,) the face that each patch is cut from."""
    part: NDArray[np.int64]
    """(P,) which of the face's parts it is."""
    colour_starts: NDArray[np.int64]
    """(5,) where the patches of each colour begin, and the end."""
    tile_starts: NDArray[np.int64]
    """(tiles + 1,) where the patches of each tile begin, tiles in order of colour."""
    tiles: Tiling
    """How many tiles there are."""
    planes: NDArray[np.bool_]
    """(grid size along z,) which planes of the grid are touched."""
    rows: NDArray[np.bool_]
    """(grid size along y,) which rows of the planes are touched."""
    crowding: int
    """Most quadrature points in any cube as wide as the kernel: about the most sums at a node."""


def nodes_reached(
    grid_per_phase: NDArray[np.float64], width: int, spread: float
) -> NDArray[np.float64]:
    """Return (3,) how far from its centroid a patch may touch nodes.

    Parameters
    ----------
    grid_per_phase
        (3,) grid steps per unit of phase.
    width
        Of the spreading kernel, in nodes.
    spread
        Largest phase spread of a patch.
    """
    return _CENTROID_REACH * spread * grid_per_phase + width / 2 + 1


def tiling(sizes: NDArray[np.int64], reach: NDArray[np.float64]) -> Tiling:
    """Return the tiles for a grid of so many nodes along z, y and x."""
    along_z, along_y, _ = np.maximum(1, 2 * (sizes // (4 * reach)).astype(np.int64)).tolist()
    return Tiling(along_z, along_y)


@njit(cache=True, nogil=True)
def cut_faces(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    phase_scale: NDArray[np.float64],
    largest_spread: NDArray[np.float64],
    rule_sizes: NDArray[np.int64],
    rule_of: NDArray[np.int64],
    cuts_of: NDArray[np.int64],
) -> tuple[float, float]:
    """Choose each face's rule and number of cuts so that it costs the fewest points.

    Fills ``rule_of`` (F,) and ``cuts_of`` (F,) and returns the total number of points, and the
    phase spread of the largest patch.
    """
    total, largest = 0.0, 0.0
    for f in range(len(faces)):
        longest = 0.0
        for i in range(3):
            squared = 0.0
            for d in range(3):
                step = vertices[faces[f, i], d] - vertices[faces[f, (i + 1) % 3], d]
                squared += (step * phase_scale[d]) ** 2
            longest = max(longest, squared)
        longest = np.sqrt(longest)
        best = np.inf
        for rule in range(len(rule_sizes)):
            cuts = max(1.0, np.ceil(longest / largest_spread[rule]))
            cost = cuts * cuts * rule_sizes[rule]
            if cost < best:
                best = cost
                rule_of[f] = rule
                cuts_of[f] = int(min(cuts, 1e6))
        total += best
        largest = max(largest, longest / cuts_of[f])
    return total, largest


@njit(cache=True, nogil=True)
def part_corners(part: int, cuts: int, corners: NDArray[np.float64]) -> None:
    """Fill ``corners`` (3, 3) with the barycentric coordinates of one part of a cut face.

    Row i of the cut, counted from corner 0, holds 2 i + 1 parts; they point up and down in turn.
    """
    row = int(np.sqrt(part))
    # The square root of a large whole number may round across it.
    if row * row > part:
        row -= 1
    column, down = (part - row * row) >> 1, (part - row * row) & 1
    step = 1.0 / cuts
    for j in range(3):
        if j == 0:
            level, along = row, column
        elif down:
            level, along = (row + 1, column + 1) if j == 1 else (row, column + 1)
        else:
            level, along = row + 1, column + j - 1
        corners[j, 0] = 1.0 - level * step
        corners[j, 1] = (level - along) * step
        corners[j, 2] = along * step


def sorted_patches(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    cuts_of: NDArray[np.int64],
    points_of: NDArray[np.int64],
    grid_scale: NDArray[np.float64],
    sizes: NDArray[np.int64],
    reach: NDArray[np.float64],
    width: int,
) -> Patches:
    """Return the patches in the order of spreading.

    Parameters
    ----------
    vertices, faces
        The mesh; vertices in um from the centre of voxel 0.
    cuts_of
        (F,) from :func:`cut_faces`.
    points_of
        (F,) quadrature points in each part of a face.
    grid_scale
        (3,) grid steps per um.
    sizes
        (3,) grid nodes along z, y and x.
    reach
        (3,) from :func:`nodes_reached`.
    width
        Of the spreading kernel, in nodes.
    """
    tiles = tiling(sizes, reach)
    near = np.zeros((2, int(sizes[:2].max())), np.bool_)
    crowd = np.zeros([max(1, size // width) for size in sizes.tolist()], np.int64)
    face, part, tile_starts = _sort(
        vertices, faces, cuts_of, points_of, grid_scale, sizes, np.array([*tiles, 1]), near, crowd
    )
    return Patches(
        face,
        part,
        tile_starts[:: (len(tile_starts) - 1) // _COLOURS],
        tile_starts,
        tiles,
        _dilated(near[0, : sizes[0]], int(np.ceil(reach[0]))),
        _dilated(near[1, : sizes[1]], int(np.ceil(reach[1]))),
        int(crowd.max()),
    )


@njit(cache=True, nogil=True)
def _sort(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    cuts_of: NDArray[np.int64],
    points_of: NDArray[np.int64],
    grid_scale: NDArray[np.float64],
    sizes: NDArray[np.int64],
    tiles: NDArray[np.int64],
    near: NDArray[np.bool_],
    crowd: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return faces and parts in order of tiles, and where each tile begins.

    Sets ``near`` (2, nodes) at the centroids' nodes along z and y, and adds up ``crowd``.
    """
    count = int((cuts_of * cuts_of).sum())
    face, part, tile = (
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
    )
    half_z, half_y = (tiles[0] + 1) // 2, (tiles[1] + 1) // 2
    starts = np.zeros(_COLOURS * half_z * half_y + 1, np.int64)
    cubes = np.array([crowd.shape[0], crowd.shape[1], crowd.shape[2]])
    a_node = 1.0 / sizes
    corners = np.empty((3, 3))
    cell, cube = np.empty(3, np.int64), np.empty(3, np.int64)
    p = 0
    for f in range(len(faces)):
        for q in range(cuts_of[f] * cuts_of[f]):
            part_corners(q, cuts_of[f], corners)
            for d in range(3):
                position = 0.0
                for i in range(3):
                    weight = (corners[0, i] + corners[1, i] + corners[2, i]) / 3.0
                    position += weight * vertices[faces[f, i], d]
                # As a fraction of the box.
                position *= grid_scale[d] * a_node[d]
                position -= np.floor(position)
                cell[d] = min(int(position * tiles[d]), tiles[d] - 1)
                cube[d] = min(int(position * cubes[d]), cubes[d] - 1)
                if d < 2:
                    near[d, min(int(position * sizes[d]), sizes[d] - 1)] = True
            crowd[cube[0], cube[1], cube[2]] += points_of[f]
            colour = 2 * (cell[0] % 2) + cell[1] % 2
            tile[p] = (colour * half_z + cell[0] // 2) * half_y + cell[1] // 2
            starts[tile[p] + 1] += 1
            face[p] = f
            part[p] = q
            p += 1
    starts = np.cumsum(starts)
    place = starts.copy()
    sorted_face, sorted_part = np.empty_like(face), np.empty_like(part)
    for p in range(count):
        to = place[tile[p]]
        place[tile[p]] += 1
        sorted_face[to] = face[p]
        sorted_part[to] = part[p]
    return sorted_face, sorted_part, starts


@njit(cache=True, nogil=True)
def _dilated(near: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return which nodes of a periodic line are within ``reach`` of those that are near."""
    touched = np.zeros_like(near)
    for n in np.flatnonzero(near):
        for a in range(n - reach, n + reach + 1):
            touched[a % len(near)] = True
    return touched
