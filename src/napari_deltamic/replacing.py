"""Files that are replaced at once or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a file to write in place of another, which it becomes if nothing goes wrong.

    Parameters
    ----------
    target
        The file to replace or to make; the one given lies beside it and has its ending.
    """
    # In the same folder, so that the replacement is a rename.
    temporary = target.with_name(f".{token_hex(8)}{target.suffix.lower()}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
