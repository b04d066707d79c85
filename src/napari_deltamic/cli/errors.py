"""How user errors are told apart and put in words."""

from __future__ import annotations


class UsageError(ValueError):
    """A command line that cannot be obeyed as it stands."""


def sentence(error: BaseException) -> str:
    """Return what to tell the user about an error."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); crop or bin the stack, or fit fewer regions"
    if isinstance(error, ValueError | OSError | RuntimeError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error} (run again with --debug for the traceback)"
