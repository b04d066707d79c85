"""The values that the commands are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import CoercionError, Parameter, Token

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Three = tuple[float, float, float]


def finite(kind: Any, value: Any) -> None:
    """Refuse NaN and infinity."""
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(math.isfinite(number) for number in numbers if isinstance(number, float)):
        raise ValueError("Must be finite.")


def whole(kind: Any, tokens: Sequence[Token]) -> Any:
    """Return whole numbers; cyclopts itself would round others."""
    for token in tokens:
        if not token.value.lstrip("+-").isdecimal():
            raise CoercionError(token=token, target_type=int)
    numbers = tuple(int(token.value) for token in tokens)
    return numbers if len(numbers) > 1 else numbers[0]


Whole = Annotated[int, Parameter(converter=whole)]
WholeThree = Annotated[tuple[int, int, int], Parameter(converter=whole)]
