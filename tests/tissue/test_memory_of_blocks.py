"""How much memory blocks take, known beforehand."""

from __future__ import annotations

import pytest

from napari_deltamic.tissue import cells_for, memory_needed
from tissue_cases import row

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


def test_too_little_memory_is_refused() -> None:
    case = row(4)
    with pytest.raises(ValueError, match=r"memory: 0\.1 GB do not suffice"):
        cells_for(1e8, case.stack, case.seed, case.psf, EDGE)
