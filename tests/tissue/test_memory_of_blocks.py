"""How much memory blocks take, known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_deltamic.imaging import LazyStack
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.tissue import cells_for, memory_needed
from tissue_cases import SPACING, row

EDGE = 0.4


def test_smaller_blocks_need_less() -> None:
    case = row(6)
    needs = [memory_needed(case.stack, case.seed, case.psf, EDGE, cells) for cells in (6, 3, 1)]
    assert needs == sorted(needs, reverse=True)
    assert needs[0] > needs[-1]


def test_blocks_are_as_large_as_memory_allows() -> None:
    case = row(6)
    one, two = (memory_needed(case.stack, case.seed, case.psf, EDGE, cells) for cells in (1, 2))
    for memory, most in ((one, 1), (0.5 * (one + two), 1), (two, 2), (1e12, 6)):
        assert cells_for(memory, case.stack, case.seed, case.psf, EDGE) == most


def test_voxels_that_are_left_out_take_memory_only_while_they_are_read() -> None:
    case, wide = row(4), GaussianPSF((2.0, 2.0, 2.0))
    small, large = (LazyStack(np.zeros((200, 200, 200), kind), SPACING) for kind in ("u1", "f8"))
    cells = case.seed.with_vertices(case.seed.vertices * 3.0)
    narrow = memory_needed(small, cells, case.psf, EDGE, 4)
    assert memory_needed(small, cells, wide, EDGE, 4) < narrow
    assert memory_needed(large, cells, wide, EDGE, 4) > memory_needed(small, cells, wide, EDGE, 4)


def test_too_little_memory_is_refused() -> None:
    case = row(4)
    with pytest.raises(ValueError, match=r"memory: 0\.1 GB do not suffice"):
        cells_for(1e8, case.stack, case.seed, case.psf, EDGE)
