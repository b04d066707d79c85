"""How far a fit had come, from its checkpoint, without loading what it goes on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from napari_deltamic.archives import read_npz

CHECKPOINT = "checkpoint.npz"


class CheckpointFacts(NamedTuple):
    """What a checkpoint says of the fit so far."""

    iteration: int
    losses: list[float]
    stage_starts: list[int]
    """Steps done when each stage began."""


def checkpoint_facts(path: Path) -> CheckpointFacts:
    """Return how far the fit of a checkpoint had come.

    Raises
    ------
    ValueError
        If the file is missing or damaged.
    """
    try:
        meta = json.loads(str(read_npz(path, {"meta"})["meta"]))
        losses = [float(loss) for loss in meta["loss_history"]]
        return CheckpointFacts(int(meta["iteration"]), losses, list(map(int, meta["stage_starts"])))
    # A damaged archive fails in a dozen ways, from zlib's to the tokenizer's of array headers.
    except Exception as error:
        raise ValueError(f"{path} cannot be read ({error})") from error
