"""The prior on wrinkles as the image sees it: of shifts across the surface, the rest being free.

The prior holds vertices by their neighbours' mean in all directions, so on uneven triangles a shift
along the surface makes up for much of what one across it would cost. With the former at their
best, the prior on the latter is softer by far (its Schur complement). That is dense, but local: the
prior is shared out to overlapping patches, and vertices slide in each as is best there.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.local_inverse import compact_groups

# Of a row of the prior at the border of a patch.
_LEAST_SHARE = 1e-3

if TYPE_CHECKING:
    from napari_deltamic.fitting.shape_unknowns import Unknowns


def sliding_prior(
    free: Unknowns, offset: Any, places: NDArray[np.float64], halo: float, edge_length: float
) -> Generator[None, None, Any]:
    """Return the (N, N) sparse prior on the N shifts that are seen; yields after each patch.

    Parameters
    ----------
    free
        Three unknowns for each vertex.
    offset
        (V, V) sparse: maps positions to what the prior takes for standard normal.
    places
        (V, 3) the vertices in um.
    halo
        How far a patch reaches beyond the vertices that its result is for, in um.
    edge_length
        In um; about as far as a vertex may slide.
    """
    from scipy.linalg import cho_factor, cho_solve
    from scipy.sparse import coo_matrix
    from scipy.spatial import cKDTree

    count, tree = len(places), cKDTree(places)
    rank = (np.cumsum(free.seen) - 1).astype(np.int32)
    stencil = (offset != 0).astype(np.int64).tocsr()
    size = np.diff(stencil.indptr)
    patches, total = [], np.zeros(count)
    for core in compact_groups(places):
        near = np.zeros(count, bool)
        for neighbours in tree.query_ball_point(places[core], halo):
            near[neighbours] = True
        near[core] = True
        # Only rows of which the patch has all; they fade towards its border.
        whole = np.flatnonzero((stencil @ near.astype(np.int64) == size) & (size > 0))
        distance, _ = cKDTree(places[core]).query(places[whole])
        share = np.maximum(1.0 - distance / halo, _LEAST_SHARE)
        total[whole] += share
        patches.append((np.flatnonzero(near), whole, share))
        yield
    rows, columns, values = [], [], []
    for patch, whole, share in patches:
        known = offset[whole][:, patch].toarray()
        gram = known.T @ (known * (share / total[whole])[:, None])
        unknown = (3 * patch[:, None] + np.arange(3)).ravel()
        among, seen = np.repeat(np.arange(len(patch)), 3), free.seen[unknown]
        direction = free.direction[unknown]
        prior = gram[np.ix_(among, among)] * (direction @ direction.T)
        yield
        sliding = prior[np.ix_(~seen, ~seen)] + edge_length**-2.0 * np.eye((~seen).sum())
        crossed = prior[np.ix_(~seen, seen)]
        made_up = crossed.T @ cho_solve(cho_factor(sliding), crossed)
        left = prior[np.ix_(seen, seen)] - made_up
        own = rank[unknown[seen]]
        rows.append(np.repeat(own, len(own)))
        columns.append(np.tile(own, len(own)))
        values.append(left.ravel())
        yield
    if not values:
        return coo_matrix((len(rank), len(rank))).tocsr()
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return coo_matrix(entries, (int(free.seen.sum()),) * 2).tocsr()
