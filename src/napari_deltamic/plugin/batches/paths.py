"""Long paths in narrow labels."""

from __future__ import annotations

import re

_BREAK = "\u200b"


def breakable(text: str) -> str:
    """Return a text whose paths a label may break into lines, so that they do not widen a dock."""
    return re.sub(r"([/\\_])", rf"\1{_BREAK}", text)
