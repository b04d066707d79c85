"""All items of a batch, side by side."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import suppress
from pathlib import Path
from threading import Event

from napari_deltamic.batch.command import write_command
from napari_deltamic.batch.items import Item
from napari_deltamic.batch.one import STOP_FILE, earlier_outcome, run_item
from napari_deltamic.batch.outcome import Outcome
from napari_deltamic.batch.pulse import pulse
from napari_deltamic.batch.summary import write_summary, write_tables

_log = logging.getLogger(__name__)

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
    command: Sequence[str] = (),
) -> list[Outcome]:
    """Run every item in a process of its own, and collect what comes of them.

    Items that an earlier batch into the same folder has done are skipped; those that were stopped
    or killed go on where they were. No failure of one keeps the others from running. ``batch.csv``
    always says how all stand, see :class:`~napari_deltamic.batch.watching.BatchFolder`; at the end,
    the tables of all items are put together as ``all_measures.csv`` and so on. A file ``.stop`` in
    the folder ends it as ``should_stop`` does.

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
    command
        Words of the command line that does all this, kept in the folder for those who watch it.

    Returns
    -------
    list[Outcome]
        In the order of the items; those that never began are missing.

    Raises
    ------
    ValueError
        If two items have the same name, an argument makes no sense, or a batch is running in the
        folder.
    """
    _check(items, workers, threads, retries)
    root = Path(folder).resolve()
    root.mkdir(parents=True, exist_ok=True)
    stop = root / STOP_FILE
    outcomes: dict[str, Outcome] = {}
    with pulse(root):
        stop.unlink(missing_ok=True)
        # How all stand, with those that an earlier batch has done.
        known = {item.name: before for item in items if (before := _done_before(item, root))}
        write_summary(root, items, known)
        write_command(root, command)
        here, aborted = executor is None, Event()
        pool = ThreadPoolExecutor(workers) if executor is None else executor
        # An event reaches threads only.
        is_aborted = aborted.is_set if here else None
        futures: dict[Future[Outcome | None], Item] = {
            pool.submit(run_item, item, root, retries, threads, is_aborted): item for item in items
        }
        is_stopped = False
        try:
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, _BETWEEN_LOOKS, FIRST_COMPLETED)
                new = [one for future in done if (one := _outcome_of(future, futures[future]))]
                for outcome in new:
                    outcomes[outcome.name] = known[outcome.name] = outcome
                if new:
                    _try_summary(root, items, known)
                for outcome in new:
                    if on_outcome is not None:
                        on_outcome(outcome)
                # The file may also come from whoever watches the folder.
                if not is_stopped and (stop.exists() or (should_stop and should_stop())):
                    is_stopped = True
                    _tell(stop)
                    if here:
                        # Elsewhere a fit that runs would be given up with those that wait; these
                        # see for themselves that they need not begin.
                        for future in waiting:
                            future.cancel()
        except BaseException:
            aborted.set()
            raise
        finally:
            # Whatever happened here, nothing goes on unseen.
            if any(not future.done() for future in futures):
                _tell(stop)
            if here:
                pool.shutdown(wait=True, cancel_futures=True)
        _try_summary(root, items, known)
        write_tables(root, items, known)
    return [outcomes[item.name] for item in items if item.name in outcomes]


def was_stopped(folder: str | Path) -> bool:
    """Whether the last batch into a folder was told to stop."""
    return (Path(folder) / STOP_FILE).exists()


def _tell(stop: Path) -> None:
    """Tell the workers to come to an end."""
    # Where it cannot be written down, they run to an end of their own.
    with suppress(OSError):
        # Somebody may have taken the folder away.
        stop.parent.mkdir(parents=True, exist_ok=True)
        stop.touch()


def _try_summary(root: Path, items: Sequence[Item], known: Mapping[str, Outcome]) -> None:
    """Write the table; a full disk may have room again before the batch ends."""
    try:
        write_summary(root, items, known)
    except OSError as error:
        _log.warning("%s", error)


def _done_before(item: Item, root: Path) -> Outcome | None:
    try:
        before = earlier_outcome(item, root)
    except OSError:
        # It is told of when its turn comes.
        return None
    return before if before is not None and before.status == "done" else None


def _outcome_of(future: Future[Outcome | None], item: Item) -> Outcome | None:
    """Return what became of an item; None if it was never begun."""
    try:
        return future.result()
    except CancelledError:
        return None
    # A lost worker, a full disk: it is this item's failure and nobody else's.
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return Outcome(item.name, "failed", reason)
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
