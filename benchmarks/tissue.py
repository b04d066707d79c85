"""A generated tissue whose every surface is known: rounded cells that fill a slab.

Cells begin as the Voronoi diagram of evenly spread points and pull themselves smooth as soap films
do, at constant volumes. The image is rendered part by part into a zarr folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

import napari_deltamic as dm
from napari_deltamic.imaging.soap_films import relaxed
from napari_deltamic.mesh.remeshing import remesh
from napari_deltamic.mesh.voxels import voxelise

SPACING = (0.3, 0.3, 0.3)
PSF = dm.GaussianPSF((0.9, 0.6, 0.6))
# Voxels of the image for each of the grid that the cells are made on, and between seeds' voxels.
COARSER = 4
# Beyond the tissue, in voxels.
MARGIN = 16
EDGE_LENGTH = 1.3
LLOYD_ROUNDS = 15
POINTS_PER_CELL = 200
# In um^2: takes the steps of the voxels off.
FLOW, FLOW_STEPS = 1.5, 6
CONTACT, SPREAD = 2.0, 0.2
PEAK, BACKGROUND = 50.0, 2.0
TILE = 256
SHIFT = (0.3, -0.2, 0.2)


def shape_for(cells: int) -> tuple[int, int, int]:
    """Return the voxels of a tissue: 268,000 for each cell, at most 256 planes."""
    voxels = 256 * 1024 * 1024 / 1000 * cells
    planes = min(256, round(voxels ** (1 / 3)))
    side = round((voxels / planes) ** 0.5)
    return planes, side, side


def make_tissue(cells: int, seed: int = 0) -> dm.TriangleMesh:
    """Return the surfaces of a tissue, in um, as regions 1, 2, 3, ..."""
    rng = np.random.default_rng(seed)
    shape = np.array(shape_for(cells))
    step = COARSER * np.array(SPACING)
    size = shape // COARSER
    half = 0.5 * (shape - 2 * MARGIN) / COARSER
    axes = [np.arange(n) - 0.5 * (n - 1) for n in size]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    inside = ((grid / half) ** 6).sum(axis=-1) < 1.0
    points = grid[inside][rng.permutation(inside.sum())[: POINTS_PER_CELL * cells]]
    sites = points[:cells].copy()
    for _ in range(LLOYD_ROUNDS):
        nearest = cKDTree(sites).query(points)[1]
        count = np.maximum(np.bincount(nearest, minlength=cells), 1)
        for axis in range(3):
            sites[:, axis] = np.bincount(nearest, points[:, axis], cells) / count
    labels = np.zeros(size, np.int32)
    labels[inside] = 1 + cKDTree(sites).query(grid[inside])[1]
    corner = 0.5 * (COARSER - 1) * np.array(SPACING)
    mesh = dm.seed_from_labels(labels, step, corner, edge_length=1.5)
    return relaxed(remesh(relaxed(mesh, FLOW, FLOW_STEPS), 0.8 * EDGE_LENGTH), FLOW / 4, 2)


def brightness(mesh: dm.TriangleMesh, seed: int = 0) -> NDArray[np.float64]:
    """Return (I,) the brightness of the interfaces, by their regions."""
    rng = np.random.default_rng(seed)
    outer = (mesh.interfaces == 0).any(axis=1)
    uneven = rng.uniform(1 - SPREAD, 1 + SPREAD, len(mesh.interfaces))
    return np.where(outer, 1.0, CONTACT) * uneven


def write_image(folder: Path, mesh: dm.TriangleMesh, shape: tuple[int, int, int]) -> zarr.Array:
    """Render a tissue part by part, with Poisson noise, into a zarr array of 16 bits."""
    array = zarr.create_array(
        folder, shape=shape, dtype="uint16", chunks=(64, 128, 128), overwrite=True
    )
    light = brightness(mesh)
    spacing, extent = np.array(SPACING), PSF.extent()
    gain = None
    for y in range(0, shape[1], TILE):
        for x in range(0, shape[2], TILE):
            start = np.array([0, y, x])
            stop = np.minimum(start + np.array([shape[0], TILE, TILE]), shape)
            lower, upper = start * spacing - extent, stop * spacing + extent
            near = ((mesh.vertices >= lower) & (mesh.vertices <= upper)).all(axis=1)
            used = near[mesh.faces].any(axis=1)
            image = np.zeros(stop - start, np.float32)
            if used.any():
                part = dm.TriangleMesh(mesh.vertices, mesh.faces[used], mesh.labels[used])
                # Interfaces of a part are some of the whole's, in the same order.
                whole = np.unique(mesh.face_interfaces[used])
                image = dm.render(
                    part, PSF, tuple(stop - start), SPACING, start * spacing, light[whole]
                )
            gain = gain or PEAK / float(image.max())
            rng = np.random.default_rng([y, x])
            photons = rng.poisson(np.maximum(gain * image, 0.0) + BACKGROUND)
            array[:, y : stop[1], x : stop[2]] = photons.astype(np.uint16)
    return array


def rough_seed(mesh: dm.TriangleMesh, shape: tuple[int, int, int]) -> dm.TriangleMesh:
    """Return a start: of labels of every fourth voxel, moved a little."""
    step = COARSER * np.array(SPACING)
    size = tuple(int(n) // COARSER for n in shape)
    labels = voxelise(mesh, size, step)
    return dm.seed_from_labels(labels, step, SHIFT)
