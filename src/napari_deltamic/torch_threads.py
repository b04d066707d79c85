"""How many threads torch takes for its own loops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads for its own loops for a while.

    Its threads wait for each other by spinning: for short vectors, and beside other busy
    processes, that costs many times what they save.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
