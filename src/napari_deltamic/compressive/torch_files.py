"""What torch keeps, in files that are whole or not there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from napari_deltamic.replacing import replacing


def write_torch(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values; an existing file is replaced at once or not at all.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    # Not into the file: of a full disk torch says "unexpected pos 704 vs 598".
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as name:
        name.write_bytes(buffer.getbuffer())
