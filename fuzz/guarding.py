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
_PROGRAMS = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen")
_NEVER = (*_PROGRAMS, "socket.connect", "pickle.find_class", "ctypes.dlopen")
_CHANGES = ("shutil.rmtree", "os.remove", "os.rename", "os.link", "os.symlink", "os.truncate")
# Tables of the processor and of memory, which libraries read whenever they like.
_SYSTEM = ("/proc", "/sys", "/dev/null", "/dev/urandom")
_ROOT = Path(__file__).resolve().parent.parent


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
        The only one that it may open and change files in, with those beside it: the temporary
        ones. It may also open what belongs to the package, to libraries or to the system.
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
        # The repository is on the path too, and only a part of it is code.
        libraries = {sys.prefix, sys.base_prefix, *filter(None, sys.path)} - {str(_ROOT)}
        own = (str(_ROOT / "src"), str(_ROOT / "fuzz"))
        self._may_change = (os.path.abspath(folder.parent),)
        self._may_open = (*self._may_change, *own, *_SYSTEM, *map(os.path.abspath, libraries))
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
        if event == "open":
            # Its mode is a text as well; a number is a file that is open already.
            is_forbidden = not all(_lies_in(one, self._may_open) for one in _paths(arguments[:1]))
        elif event in _CHANGES:
            is_forbidden = not all(_lies_in(one, self._may_change) for one in _paths(arguments))
        else:
            is_forbidden = event.startswith(_NEVER)
        if is_forbidden:
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


def _paths(arguments: tuple[object, ...]) -> list[str]:
    """Return the paths among an event's arguments, without any ``..``."""
    kinds = str | bytes | os.PathLike
    return [os.path.abspath(os.fsdecode(one)) for one in arguments if isinstance(one, kinds)]


def _lies_in(path: str, folders: tuple[str, ...]) -> bool:
    """Whether a path is one of some folders or lies below it, and not only begins as it does."""
    return any(path == one or path.startswith(one + os.sep) for one in folders)


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
