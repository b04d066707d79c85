"""Words of a command line: which files they name, and which of two that say the same wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

FILE_OPTIONS = ("psf", "mesh", "points", "labels", "settings")
"""Options whose value is a file, without their hyphens."""
_SIGN = "--"
_NEGATIVES = ("no-", "empty-")


def files_of(options: Sequence[str]) -> list[Path]:
    """Return the files that options name."""
    files = []
    for name, words in _given(options):
        if name in FILE_OPTIONS:
            value = words[0].partition("=")[2]
            files += [Path(value)] if value else [Path(word) for word in words[1:2]]
    return files


def later_wins(earlier: Sequence[str], later: Sequence[str]) -> tuple[str, ...]:
    """Return options followed by others, without those that are given again, or undone.

    The command line itself takes an option only once.
    """
    return (*without(earlier, (name for name, _ in _given(later))), *later)


def without(options: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return options but for some, that are named without hyphens, with their values."""
    dropped = {_positive(name) for name in names}
    kept = [words for name, words in _given(options) if name not in dropped]
    return tuple(word for words in kept for word in words)


def _given(options: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each option, and its words: itself and its values."""
    name, words = "", list[str]()
    for word in options:
        if word.startswith(_SIGN):
            if words:
                yield name, words
            name, words = _positive(word.removeprefix(_SIGN).partition("=")[0]), []
        words.append(word)
    if words:
        yield name, words


def _positive(name: str) -> str:
    """Return an option's name as all ways to write it have in common."""
    name = name.replace("_", "-")
    for negative in _NEGATIVES:
        name = name.removeprefix(negative)
    return name
