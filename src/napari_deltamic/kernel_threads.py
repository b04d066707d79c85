"""One pool of threads for the kernels, which are serial and release the interpreter lock.

numba's own parallel loops abort the process when two Python threads enter them at once; plain
threads over disjoint work cannot, and the result does not depend on how they are scheduled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import Any

ENVIRONMENT = "NAPARI_DELTAMIC_THREADS"
"""Says how many threads to use, where that is not all cores: beside other fits, say."""


def thread_count() -> int:
    """Return how many threads this process may use: a core each, unless it was told otherwise."""
    told = os.environ.get(ENVIRONMENT, "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="deltamic-kernel")


if hasattr(os, "register_at_fork"):
    # A forked child has none of its parent's threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def run_chunks(kernel: Callable[..., Any], chunks: Sequence[tuple[int, ...]], *args: Any) -> None:
    """Call ``kernel(*chunk, *args)`` for every chunk, on this thread and others, and wait."""
    left = iter(chunks)

    def work() -> None:
        for chunk in left:
            kernel(*chunk, *args)

    helpers = min(len(chunks), thread_count()) - 1
    futures = [_pool().submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        # All that began must have ended: they write to arrays that the caller will reuse.
        begun = [future for future in futures if not future.cancel()]
        wait(begun)
    for future in begun:
        future.result()
