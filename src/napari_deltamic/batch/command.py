"""The command line that a batch was begun with, kept in its folder to be given again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from napari_deltamic.replacing import replacing

COMMAND = "batch.json"


def write_command(folder: Path, words: Sequence[str]) -> None:
    """Keep the words of a command line, without the program's name; none for a script's batch."""
    with replacing(folder / COMMAND) as name:
        name.write_text(json.dumps({"words": list(words)}, indent=2) + "\n", encoding="utf-8")


def read_command(folder: Path) -> list[str] | None:
    """Return the words that are kept in a folder; None if there are none that can be read."""
    try:
        words = json.loads((folder / COMMAND).read_text(encoding="utf-8"))["words"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    is_text = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return words or None if is_text else None
