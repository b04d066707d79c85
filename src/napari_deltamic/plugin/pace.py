"""How fast a fit goes, how long it has taken, and how long it may still take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# The speed is the mean over so many seconds: iterations of one stage differ little.
_WINDOW = 6.0
# Before that much is done, or that many seconds have gone by, a guess would be worth nothing.
_LEAST_PROGRESS, _LEAST_SECONDS = 0.15, 3.0


class Pace:
    """Counts the steps of a fit and the time they take, without that in which it was held.

    One thread writes, and any may read.

    Parameters
    ----------
    now
        Returns the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began: float | None = None
        self._rested = 0.0
        self._rests_since: float | None = None
        self._ended: float | None = None
        self._steps: deque[float] = deque()
        self._first: tuple[float, float] | None = None
        self._progress = 0.0

    def begin(self) -> None:
        """Start the clock."""
        self._began = self._now()

    def end(self) -> None:
        """Stop the clock."""
        self._ended = self.elapsed

    def step(self, progress: float) -> None:
        """Note a step, and what fraction of the fit is done at least."""
        if self._began is None:
            self.begin()
        if self._first is None:
            self._first = self.elapsed, progress
        self._progress = progress
        self._steps.append(self.elapsed)
        while len(self._steps) > 2 and self._steps[-1] - self._steps[0] > _WINDOW:
            self._steps.popleft()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Stop the clock meanwhile."""
        self._rests_since = began = self._now()
        try:
            yield
        finally:
            self._rested, self._rests_since = self._rested + self._now() - began, None

    @property
    def elapsed(self) -> float:
        """Seconds since the begin."""
        if self._ended is not None:
            return self._ended
        if self._began is None:
            return 0.0
        until = self._now() if self._rests_since is None else self._rests_since
        return max(until - self._began - self._rested, 0.0)

    @property
    def rate(self) -> float | None:
        """Iterations per second lately; None before the second."""
        steps = list(self._steps)
        if len(steps) < 2 or steps[-1] <= steps[0]:
            return None
        return (len(steps) - 1) / (steps[-1] - steps[0])

    @property
    def seconds_left(self) -> float | None:
        """As :func:`seconds_left`; None once no more steps come though they are due."""
        steps, rate = list(self._steps), self.rate
        # The end of a fit, such as working out standard errors, is no part of its progress.
        if rate is None or self._first is None or self._ended is not None:
            return None
        if self.elapsed - steps[-1] > max(_WINDOW, 5.0 / rate):
            return None
        began, first = self._first
        return seconds_left(steps[-1] - began, first, self._progress)


def seconds_left(elapsed: float, first: float, progress: float) -> float | None:
    """Return how many seconds a fit may still take, if it goes on as it went so far.

    Parameters
    ----------
    elapsed
        Seconds that it has taken.
    first, progress
        Fraction, 0 to 1, that was done at least when it began and is now. Stages that settle early
        jump ahead, so that the end often comes sooner.

    Returns
    -------
    float or None
        None as long as too little is done to tell, and once all is.
    """
    done = progress - first
    if elapsed < _LEAST_SECONDS or done < _LEAST_PROGRESS or progress >= 1.0:
        return None
    return elapsed * (1.0 - progress) / done


def about(seconds: float) -> str:
    """Return a time that is not known well in words: "about 40 s", "about 2 min", "about 3 h"."""
    if seconds < 55:
        return f"about {max(10 * round(seconds / 10), 5)} s"
    minutes = seconds / 60
    if minutes < 55:
        return f"about {round(minutes) if minutes < 9.5 else 5 * round(minutes / 5)} min"
    return f"about {max(round(minutes / 60), 1)} h"


def clock(seconds: float) -> str:
    """Return a time that is known: "0:42", "12:05", "1:02:33"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def speed(rate: float) -> str:
    """Return iterations per second, or how long one takes where that is longer."""
    return f"{rate:.2g} per s" if rate >= 1 else f"{1 / rate:.2g} s each"
