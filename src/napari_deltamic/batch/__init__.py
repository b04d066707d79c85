"""Many fits: a table, a folder or files, on this machine or on a Dask cluster."""

from napari_deltamic.batch.items import Item, items_of_files, items_of_table
from napari_deltamic.batch.outcome import Outcome
from napari_deltamic.batch.run import run_batch

__all__ = ["Item", "Outcome", "items_of_files", "items_of_table", "run_batch"]
