"""How many threads torch takes for its own loops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from napari_deltamic.kernel_threads import thread_count


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


def some_torch_threads() -> AbstractContextManager[None]:
    """Let torch use half of the cores, for small networks.

    On two idle cores a second thread makes a step of their training 1.4 times as fast; beside
    another busy process, a hundred times as slow.
    """
    return torch_threads(max(1, thread_count() // 2))
