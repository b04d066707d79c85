"""All items of a batch, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from pathlib import Path

from napari_deltamic.batch.items import Item
from napari_deltamic.batch.one import STOP_FILE, run_item
from napari_deltamic.batch.outcome import Outcome
from napari_deltamic.batch.summary import write_summary, write_tables

_BETWEEN_LOOKS = 0.1


def run_batch(
    items: Sequence[Item],
    folder: str | Path,
    *,
    workers: int = 1,
    executor: Executor | None = None,
    threads: int = 1,
    retries: int = 1,
    on_outcome: Callable[[Outcome], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[Outcome]:
    """Run every item in a process of its own, and collect what comes of them.

    Items that an earlier batch into the same folder has done are skipped; those that were stopped
    or killed go on where they were. No failure of one keeps the others from running. ``batch.csv``
    always says how all stand; at the end, the tables of all items are put together as
    ``all_measures.csv`` and so on.

    Parameters
    ----------
    items
        What to do; each has a name of its own.
    folder
        Made where it does not exist; each item gets a folder in it.
    workers
        How many items at a time, on this machine.
    executor
        Runs them elsewhere, such as ``dask.distributed.Client(...).get_executor()``; its workers
        must see the same files by the same names.
    threads
        For each item. Results depend on it in their last digits, not on how many workers there
        are; and many fits of one thread are faster than one after the other on all cores.
    retries
        How often an item that failed is tried again.
    on_outcome
        Called with each, on this thread, as it ends.
    should_stop
        Asked several times a second; once true, no item is begun any more and those that run are
        stopped as by Ctrl-C.

    Returns
    -------
    list[Outcome]
        In the order of the items; those that never began are missing.

    Raises
    ------
    ValueError
        If two items have the same name, or an argument makes no sense.
    """
    _check(items, workers, threads, retries)
    root = Path(folder).resolve()
    root.mkdir(parents=True, exist_ok=True)
    stop = root / STOP_FILE
    stop.unlink(missing_ok=True)
    here = executor is None
    pool = ThreadPoolExecutor(workers) if executor is None else executor
    outcomes: dict[str, Outcome] = {}
    futures: dict[Future[Outcome], Item] = {
        pool.submit(run_item, item, root, retries, threads): item for item in items
    }
    try:
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, _BETWEEN_LOOKS, FIRST_COMPLETED)
            for future in done:
                item = futures[future]
                outcome = _outcome_of(future, item)
                if outcome is None:
                    continue
                outcomes[item.name] = outcome
                write_summary(root, items, outcomes)
                if on_outcome is not None:
                    on_outcome(outcome)
            if not stop.exists() and should_stop is not None and should_stop():
                stop.touch()
                for future in waiting:
                    future.cancel()
    finally:
        # Whatever happened here, nothing goes on unseen.
        if any(not future.done() for future in futures):
            stop.touch()
        if here:
            pool.shutdown(wait=True, cancel_futures=True)
    write_summary(root, items, outcomes)
    write_tables(root, items, outcomes)
    return [outcomes[item.name] for item in items if item.name in outcomes]


def _outcome_of(future: Future[Outcome], item: Item) -> Outcome | None:
    """Return what became of an item; None if it was never begun."""
    try:
        return future.result()
    except CancelledError:
        return None
    # A lost worker, a full disk: it is this item's failure and nobody else's.
    except Exception as error:
        return Outcome(item.name, "failed", f"{type(error).__name__}: {error}")


def _check(items: Sequence[Item], workers: int, threads: int, retries: int) -> None:
    if not items:
        raise ValueError("items: there are none")
    names = [item.name.lower() for item in items]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"items: two are named {twice!r}; give each a name of its own")
    for name, number, least in (
        ("workers", workers, 1),
        ("threads", threads, 1),
        ("retries", retries, 0),
    ):
        if number < least:
            raise ValueError(f"{name}: expected {least} or more, got {number}")
