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
    planes: NDArray[np.bool_]
    """(grid size along z,) which planes of the grid are touched."""
    crowding: int
    """Most quadrature points in any cube as wide as the kernel: about the most sums at a node."""


def tiling(
    sizes: tuple[int, int, int], grid_per_phase: NDArray[np.float64], width: int, spread: float
) -> Tiling:
    """Return the tiles for a grid.

    Parameters
    ----------
    sizes
        Grid nodes along z, y and x.
    grid_per_phase
        (3,) grid steps per unit of phase.
    width
        Of the spreading kernel, in nodes.
    spread
        Largest phase spread of a patch.
    """
    reach = _CENTROID_REACH * spread * grid_per_phase + width / 2 + 1
    pairs = [int(size // (4 * r)) for size, r in zip(sizes[:2], reach[:2], strict=True)]
    return Tiling(*(max(1, 2 * count) for count in pairs))


@njit(cache=True, nogil=True)
def cut_faces(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    phase_scale: NDArray[np.float64],
    largest_spread: NDArray[np.float64],
    rule_sizes: NDArray[np.int64],
    rule_of: NDArray[np.int64],
    cuts_of: NDArray[np.int64],
) -> float:
    """Choose each face's rule and number of cuts so that it costs the fewest points.

    Fills ``rule_of`` (F,) and ``cuts_of`` (F,) and returns the total number of points.
    """
    total = 0.0
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
    return total


@njit(cache=True, nogil=True)
def part_corners(part: int, cuts: int, corners: NDArray[np.float64]) -> None:
    """Fill ``corners`` (3, 3) with the barycentric coordinates of one part of a cut face.

    Row i of the cut, counted from corner 0, holds 2 i + 1 parts; they point up and down in turn.
    """
    row = int(np.sqrt(part))
    # The square root of a large whole number may round across it.
    if row * row > part:
        row -= 1
    column, down = divmod(part - row * row, 2)
    for j in range(3):
        if j == 0:
            level, along = row, column
        elif down:
            level, along = (row + 1, column + 1) if j == 1 else (row, column + 1)
        else:
            level, along = row + 1, column + j - 1
        corners[j, 0] = 1.0 - level / cuts
        corners[j, 1] = (level - along) / cuts
        corners[j, 2] = along / cuts


@njit(cache=True, nogil=True)
def _fill(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    cuts_of: NDArray[np.int64],
    points_of: NDArray[np.int64],
    grid_scale: NDArray[np.float64],
    sizes: NDArray[np.int64],
    tiles: NDArray[np.int64],
    reach_z: int,
    crowd: NDArray[np.int64],
    face: NDArray[np.int64],
    part: NDArray[np.int64],
    tile: NDArray[np.int64],
    planes: NDArray[np.bool_],
) -> None:
    corners = np.empty((3, 3))
    cell, cube = np.empty(3, np.int64), np.empty(3, np.int64)
    p = 0
    half = ((tiles[0] + 1) // 2, (tiles[1] + 1) // 2)
    for f in range(len(faces)):
        for q in range(cuts_of[f] * cuts_of[f]):
            part_corners(q, cuts_of[f], corners)
            node = 0
            for d in range(3):
                position = 0.0
                for i in range(3):
                    weight = (corners[0, i] + corners[1, i] + corners[2, i]) / 3.0
                    position += weight * vertices[faces[f, i], d]
                position *= grid_scale[d]
                position -= sizes[d] * np.floor(position / sizes[d])
                cell[d] = min(int(position * tiles[d] / sizes[d]), tiles[d] - 1)
                cube[d] = min(int(position * crowd.shape[d] / sizes[d]), crowd.shape[d] - 1)
                if d == 0:
                    node = int(position)
            for a in range(node - reach_z, node + reach_z + 1):
                planes[a % sizes[0]] = True
            crowd[cube[0], cube[1], cube[2]] += points_of[f]
            colour = 2 * (cell[0] % 2) + cell[1] % 2
            rank = (cell[0] // 2) * half[1] + cell[1] // 2
            face[p] = f
            part[p] = q
            tile[p] = colour * half[0] * half[1] + rank
            p += 1


def sorted_patches(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    cuts_of: NDArray[np.int64],
    points_of: NDArray[np.int64],
    grid_scale: NDArray[np.float64],
    sizes: tuple[int, int, int],
    tiles: Tiling,
    reach_z: int,
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
        Grid nodes along z, y and x.
    tiles
        From :func:`tiling`.
    reach_z
        How many planes to either side of its centroid a patch may touch.
    width
        Of the spreading kernel, in nodes.
    """
    count = int((cuts_of * cuts_of).sum())
    face, part, tile = (np.empty(count, np.int64) for _ in range(3))
    planes = np.zeros(sizes[0], np.bool_)
    crowd = np.zeros([max(1, size // width) for size in sizes], np.int64)
    _fill(
        vertices,
        faces,
        cuts_of,
        points_of,
        grid_scale,
        np.array(sizes),
        np.array([*tiles, 1]),
        reach_z,
        crowd,
        face,
        part,
        tile,
        planes,
    )
    per_colour = ((tiles.along_z + 1) // 2) * ((tiles.along_y + 1) // 2)
    order = np.argsort(tile, kind="stable")
    ends = np.cumsum(np.bincount(tile, minlength=_COLOURS * per_colour))
    tile_starts = np.concatenate([[0], ends])
    return Patches(
        face[order],
        part[order],
        tile_starts[::per_colour],
        tile_starts,
        planes,
        int(crowd.max()),
    )
