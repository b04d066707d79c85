"""Generators run inside of others that yield something else."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

_Step = TypeVar("_Step")
_Told = TypeVar("_Told")
_Result = TypeVar("_Result")


def told(
    steps: Generator[_Step, None, _Result], tell: Callable[[_Step], _Told]
) -> Generator[_Told, None, _Result]:
    """Run a generator to its end, yielding what ``tell`` makes of each of its steps.

    Closed, it closes the other one too, so that this can keep its progress.
    """
    try:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: _Result = end.value
                return result
            yield tell(step)
    finally:
        steps.close()
