"""Wording that the commands share."""

from __future__ import annotations


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun: 1 region, 2 regions."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
