"""A mesh corrected by painting in its label image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.seeds import seed_from_labels
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def repainted(
    mesh: TriangleMesh,
    before: NDArray[np.integer],
    after: NDArray[np.integer],
    spacing: ArrayLike,
    origin: ArrayLike = (0.0, 0.0, 0.0),
    beyond: ArrayLike = 0.0,
) -> TriangleMesh:
    """Return the mesh with what was painted: regions that grew, shrank, went or are new.

    Cells that touch share their surfaces, so every group of touching cells in which something
    changed is made anew from its labels, to a fraction of a voxel where nothing was painted. Other
    groups keep their vertices. Regions keep their numbers; new numbers become regions.

    Parameters
    ----------
    mesh
        What the labels were made from, by :func:`voxelise`.
    before, after
        (Z, Y, X) these labels, and the same after painting; 0 is outside.
    spacing, origin, beyond
        As for :func:`seed_from_labels`, which makes the surfaces.

    Raises
    ------
    ValueError
        If the shapes differ or nothing is left.
    """
    if before.shape != after.shape:
        raise ValueError(f"after: expected the shape {before.shape}, got {after.shape}")
    differs = before != after
    changed = np.union1d(before[differs], after[differs])
    changed = changed[changed > 0]
    if len(changed) == 0:
        return mesh
    if not after.any():
        raise ValueError("after: all labels were erased, and a mesh needs one region")
    made_anew = _groups_with(changed, np.concatenate([mesh.interfaces, _touching(after)]))
    kept_faces = ~np.isin(mesh.labels, made_anew).any(axis=1)
    used, faces = np.unique(mesh.faces[kept_faces], return_inverse=True)
    kept = TriangleMesh(mesh.vertices[used], faces.reshape(-1, 3), mesh.labels[kept_faces])
    labels = np.where(np.isin(after, made_anew), after, 0)
    if not labels.any():
        return kept
    made = seed_from_labels(labels, spacing, origin, beyond=beyond)
    return TriangleMesh(
        np.concatenate([kept.vertices, made.vertices]),
        np.concatenate([kept.faces, made.faces + len(kept.vertices)]),
        np.concatenate([kept.labels, made.labels]),
    )


def _touching(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return (N, 2) pairs of labels with at most one voxel between them along an axis."""
    stride = int(labels.max()) + 1
    found = []
    for axis in range(3):
        for step in (1, 2):
            if labels.shape[axis] <= step:
                continue
            one = np.moveaxis(labels, axis, 0)[:-step].astype(np.int64)
            two = np.moveaxis(labels, axis, 0)[step:].astype(np.int64)
            differ = (one != two) & (one > 0) & (two > 0)
            found.append(np.unique(one[differ] * stride + two[differ]))
    keys = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *found]))
    return np.stack(np.divmod(keys, stride), axis=1)


def _groups_with(regions: NDArray[np.integer], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the regions joined with some by pairs, over any number of others; 0 joins nothing."""
    pairs = pairs[(pairs > 0).all(axis=1)]
    joined = np.unique(regions.astype(np.int64))
    while True:
        wider = np.union1d(joined, pairs[np.isin(pairs, joined).any(axis=1)])
        if len(wider) == len(joined):
            return joined
        joined = wider
