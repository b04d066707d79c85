"""A one-place mailbox between a worker thread and the GUI thread."""

from __future__ import annotations

from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds only the latest value, so that a slow reader never makes a queue grow."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._value: T | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the last value has been taken."""
        return self._value is None

    def put(self, value: T) -> None:
        """Leave a value, replacing one that was not taken yet."""
        with self._lock:
            self._value = value

    def take(self) -> T | None:
        """Return the value and empty the mailbox; None if nothing came since the last time."""
        with self._lock:
            value, self._value = self._value, None
        return value
