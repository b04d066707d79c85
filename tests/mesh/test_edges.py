"""Lengths of edges."""

from __future__ import annotations

import numpy as np

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.edges import edge_lengths, median_edge

# A triangle with sides of 3, 4 and 5, and one across the side of 3 with two of 10 and more.
FLAPS = TriangleMesh(
    [(0, 0, 0), (0, 0, 3), (0, 4, 0), (0, -8, -6)], [(0, 1, 2), (1, 0, 3)], [(1, 0), (1, 0)]
)


def test_each_length_stands_at_the_corner_that_its_edge_leads_to() -> None:
    expected = [[4.0, 3.0, 5.0], [np.hypot(8, 9), 3.0, 10.0]]
    np.testing.assert_allclose(edge_lengths(FLAPS), expected, rtol=1e-15)


def test_the_median_counts_an_edge_for_every_face_at_it() -> None:
    assert median_edge(FLAPS) == 4.5
