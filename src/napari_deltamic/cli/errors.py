"""How user errors are told apart and put in words."""

from __future__ import annotations


class UsageError(ValueError):
    """A command line that cannot be obeyed as it stands."""


def command_line_error(error: Exception) -> str:
    """Return what to tell the user about a command line that could not be read."""
    cause = error.__cause__
    errors = getattr(cause, "errors", None)
    if errors is None:
        return f"Error: {error}"
    # pydantic's own text is a paragraph with a link.
    first = errors()[0]
    option = str(first["loc"][-1]).replace("_", "-")
    return f"Error: --{option}: {first['msg']}, got {first['input']!r}"


def sentence(error: BaseException) -> str:
    """Return what to tell the user about an error."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); crop or bin the stack, or fit fewer regions"
    if isinstance(error, ValueError | OSError | RuntimeError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error} (run again with --debug for the traceback)"
