"""What no input may bring a reader to do: errors of other kinds, other files, programs, memory."""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

MOST_MEMORY = 1 << 30
"""Bytes that one input may ask for beyond what the warm process has."""
_NEVER = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect")
_CODE = ("pickle.find_class", "ctypes.dlopen", "shutil.rmtree", "os.remove", "os.rename")
# Tables of the processor and of memory, which libraries read whenever they like.
_SYSTEM = ("/proc/", "/sys/", "/dev/null", "/dev/urandom")


class ForbiddenError(BaseException):
    """A reader did what no file may bring it to; no handler of errors catches it."""


class Guard:
    """Calls a reader and keeps what it must not do, each kind once.

    Parameters
    ----------
    read
        The reader, of bytes.
    allowed
        The errors that it documents; errors of classes derived from these count as others.
    folder
        The only one that it may open files in, with those beside it: the temporary ones.
    findings
        Folder for inputs and tracebacks.
    """

    def __init__(
        self,
        read: Callable[[bytes], object],
        allowed: tuple[type[BaseException], ...],
        folder: Path,
        findings: Path,
    ) -> None:
        self._read, self._allowed, self._findings = read, allowed, findings
        libraries = {sys.prefix, sys.base_prefix, *sys.path}
        own = Path(__file__).resolve().parent.parent / "src"
        self._may_open = (
            str(folder.parent),
            str(own),
            *_SYSTEM,
            *(one for one in libraries if one),
        )
        self._is_reading = False
        self._forbidden: ForbiddenError | None = None
        sys.addaudithook(self._on_event)

    def __call__(self, data: bytes) -> None:
        """Read bytes, and keep them if that goes wrong."""
        self._is_reading, self._forbidden = True, None
        error: BaseException | None = None
        try:
            self._read(data)
        except (Exception, ForbiddenError) as raised:
            error = raised
        finally:
            self._is_reading = False
        if self._forbidden is not None:
            # A handler that catches everything hides it, but not that it was tried.
            self._keep(data, "forbidden", self._forbidden)
        elif error is not None and is_out_of_memory(error):
            self._keep(data, "memory", error)
        elif error is not None and type(error) not in self._allowed:
            self._keep(data, type(error).__name__, error)

    def _on_event(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._is_reading:
            return
        names = [os.fsdecode(one) for one in arguments if isinstance(one, str | bytes)]
        if any(name.startswith(self._may_open) for name in names):
            return
        if (event == "open" and names) or event.startswith(_NEVER) or event in _CODE:
            self._forbidden = ForbiddenError(f"{event} {str(arguments)[:200]}")
            raise self._forbidden

    def _keep(self, data: bytes, kind: str, error: BaseException) -> None:
        # The same error from the same line is the same finding.
        places = [
            f"{frame.filename}:{frame.lineno}"
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename != __file__
        ]
        key = hashlib.sha256(f"{kind} {places[-1:]}".encode()).hexdigest()[:12]
        file = self._findings / f"finding-{kind}-{key}"
        if file.exists():
            return
        file.write_bytes(data)
        text = "".join(traceback.format_exception(error))
        file.with_suffix(".txt").write_text(text, encoding="utf-8")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from, says that there is not enough memory."""
    seen = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        if isinstance(one, MemoryError) or "allocate memory" in str(one):
            return True
        one = one.__cause__ or one.__context__
    return False


def limit_memory(most: int = MOST_MEMORY) -> None:
    """Let this process have so many bytes more than it has, and no more."""
    # Not on Windows, where the readers are tested all the same.
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + most
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
