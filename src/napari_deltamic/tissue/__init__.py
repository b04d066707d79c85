"""Tissues larger than memory: fitted in blocks of cells that share one mesh."""

from napari_deltamic.tissue.memory import cells_for, memory_needed
from napari_deltamic.tissue.progress import BlockSummary, TissueResult, TissueState
from napari_deltamic.tissue.run import CELLS, TISSUE_DEFAULTS, fit_tissue, last_edge_length

__all__ = [
    "CELLS",
    "TISSUE_DEFAULTS",
    "BlockSummary",
    "TissueResult",
    "TissueState",
    "cells_for",
    "fit_tissue",
    "last_edge_length",
    "memory_needed",
]
