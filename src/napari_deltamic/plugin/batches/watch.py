"""How a batch that is watched stands, in sentences; no Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_deltamic.batch.command import read_command
from napari_deltamic.batch.watching import BatchFolder, BatchState, tail
from napari_deltamic.plugin.batches.handing import LOG, exit_code, failure
from napari_deltamic.plugin.guide_words import Standing, StepState
from napari_deltamic.plugin.pace import about
from napari_deltamic.plugin.widgets import count_of

_UNDONE = ("stopped", "waiting", "cut off")
_WRONG = ("refused", "failed")
# Exit codes of a batch that ran: all are done, some are not, it was stopped.
_ENDS = (0, 1, 130)


@dataclass(frozen=True)
class Look:
    """What was seen of a batch at one time.

    Attributes
    ----------
    state
        How its items stand.
    problem
        Why there is nothing to see, or why it ended before it began; "" if all is well.
    is_starting, is_ending
        Whether it was handed over and has not begun yet, or puts its tables together.
    has_command
        Whether it is known how to run it again.
    log
        The end of the log that was asked for.
    """

    state: BatchState = field(default_factory=BatchState)
    problem: str = ""
    is_starting: bool = False
    is_ending: bool = False
    has_command: bool = False
    log: str = ""

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self.is_starting or self.is_ending or self.state.is_running

    @property
    def undone(self) -> int:
        """How many items could be gone on with."""
        return sum(item.standing in _UNDONE for item in self.state.items)

    @property
    def wrong(self) -> int:
        """How many items failed or were refused."""
        return sum(item.standing in _WRONG for item in self.state.items)

    @property
    def can_run_again(self) -> bool:
        """Whether to run it again would do anything."""
        return self.has_command and not self.is_running and bool(self.undone or self.wrong)

    def said(self) -> StepState:
        """Return how the batch stands."""
        state = self.state
        if self.problem:
            return StepState(Standing.WRONG, self.problem)
        if self.is_starting:
            return StepState(Standing.BUSY, "Starting: the program loads and looks at the stacks.")
        if self.is_ending:
            return StepState(Standing.BUSY, "Ending: the tables are put together.")
        if not state.items:
            return StepState(Standing.WAITS, "The table of this batch is empty.")
        if state.is_stopping:
            return StepState(Standing.BUSY, "Stopping: fits that run keep the best they have.")
        total, counts = len(state.items), state.counts
        if state.is_running:
            wrong = f", {self.wrong} of them with an error" if self.wrong else ""
            left = state.seconds_left
            time = f"; {about(left)} left" if left else ""
            return StepState(Standing.BUSY, f"{state.ended} of {total} ended{wrong}{time}.")
        if counts == {"done": total}:
            all_of = f"All {total} stacks are" if total > 1 else "The stack is"
            return StepState(Standing.DONE, f"{all_of} done. Double click on one to see it.")
        parts = ", ".join(f"{number} {name}" for name, number in counts.items())
        press = f" Press {self.run_again} for the rest." if self.has_command else ""
        return StepState(Standing.WRONG, f"{count_of(total, 'stack')}: {parts}.{press}")

    @property
    def run_again(self) -> str:
        """What running it again is called."""
        return "Retry failed" if self.wrong and not self.undone else "Go on"


class Watch:
    """Looks at the folder of a batch again and again; for one thread.

    Parameters
    ----------
    path
        The folder.
    was_handed_over
        Whether this napari has just handed it over, so that it may not have begun yet.
    """

    def __init__(self, path: Path, was_handed_over: bool = False) -> None:
        self.folder = BatchFolder(path)
        self._is_due = was_handed_over

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    def look(self, item: str | None = None) -> Look:
        """Return how all stands, with the log of an item, or with the batch's own for None."""
        problem, state = "", BatchState()
        code = exit_code(self.path)
        try:
            state = self.folder.read()
        except (ValueError, OSError) as error:
            problem = "" if self._is_due else str(error)
        if state.is_running or code != "running":
            is_due, self._is_due = self._is_due, False
            if is_due and not state.is_running and _is_no_end(code, state):
                problem = f"The batch did not begin: {failure(self.path, int(code or 0))}"
        log = tail(self.path / LOG if item is None else self.folder.log(item))
        has_command = read_command(self.path) is not None
        is_ending = code == "running" and not self._is_due and not state.is_running
        return Look(state, problem, self._is_due, is_ending, has_command, log)


def _is_no_end(code: int | str | None, state: BatchState) -> bool:
    """Whether a process ended in another way than a batch does that ran to its end."""
    return isinstance(code, int) and (code not in _ENDS or (code != 0 and not state.items))
