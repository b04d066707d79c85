"""What is said of a result that should be looked at."""

from __future__ import annotations

import numpy as np
from fitting_cases import blocks

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.fitting.verdict import doubts
from napari_deltamic.mesh import TriangleMesh, concatenate, icosphere


def lit(mesh: TriangleMesh) -> Intensities:
    return Intensities(np.ones(len(mesh.interfaces)), np.empty(0), 0.0)


def four_cells(gap: int) -> TriangleMesh:
    """Cells 1 and 2 touch along a strip of so many voxels; 3 and 4 lie on either side of it."""
    labels = np.zeros((8, 24, 24), int)
    row, column = np.indices((24, 24))
    labels[:, column < 12], labels[:, column >= 12] = 1, 2
    half = 12 - gap / 2
    labels[:, row < half - np.abs(column - 11.5) * 0.8 + 0.5] = 3
    labels[:, row >= 24 - half + np.abs(column - 11.5) * 0.8 - 0.5] = 4
    return blocks(labels, 0.1)


def test_a_contact_too_small_to_see_is_told_with_who_may_touch_instead() -> None:
    mesh = four_cells(2)
    assert (1, 2) in {tuple(pair) for pair in mesh.interfaces.tolist()}
    said = doubts(mesh, lit(mesh), 0.5)
    assert len(said) == 1
    assert "contact of regions 1 and 2 has shrunk" in said[0]
    assert "regions 3 and 4 may touch there instead" in said[0]


def test_contacts_that_can_be_seen_are_not_mentioned() -> None:
    mesh = four_cells(8)
    assert doubts(mesh, lit(mesh), 0.5) == []


def test_a_region_too_small_to_see_is_told() -> None:
    pair = concatenate([icosphere((0, 0, 0), 2.0, 2), icosphere((0, 0, 5), 0.24, 2)])
    said = doubts(pair, lit(pair), 0.5)
    assert len(said) == 1
    assert "region 2 has all but vanished" in said[0]
    assert doubts(pair, lit(pair), 0.1) == []


def test_crossing_and_dark_are_told() -> None:
    pair = concatenate([icosphere((0, 0, 0), 1.0, 2), icosphere((0, 0, 1.5), 1.0, 2)])
    said = " ".join(doubts(pair, Intensities(np.zeros(2), np.empty(0), 0.0), 0.1))
    assert "regions 1 and 2 run through each other" in said
    assert "membrane was found dark" in said
