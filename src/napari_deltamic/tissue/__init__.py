"""Tissues larger than memory: fitted in blocks of cells that share one mesh."""

from napari_deltamic.tissue.progress import BlockSummary, TissueResult, TissueState
from napari_deltamic.tissue.run import fit_tissue

__all__ = ["BlockSummary", "TissueResult", "TissueState", "fit_tissue"]
