"""How the program ends, and how errors are put in words that a user can type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cyclopts import App
from cyclopts.exceptions import MissingArgumentError, UnusedCliTokensError
from rich.text import Text

from napari_deltamic.cli.words import counted

SUCCESS, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130

LIBRARY_NAMES = {
    "sigma": ("psf",),
    "stack": ("path", "image"),
    "file": ("path",),
    "mesh": ("vertices", "faces"),
    "points": ("centers", "positions"),
    "resume": ("checkpoint",),
    "real": ("name",),
    "stacks": ("volumes", "path"),
    "size": ("field",),
    "time_point": ("frame",),
}
"""Under a parameter of a command, what the library calls the same thing in its messages."""

ADVICE = {
    "lower the threshold or the smallest size": "lower --threshold",
    "spheres by hand": "spheres by hand (--points)",
    "lower threshold, or pass positions": "lower --threshold, or give --points",
    "lower separation": "lower --separation",
    "set immersion_index": "set --immersion-index",
    "one or three positive widths": "three positive widths",
    "repair, crop or mask them": "repair them or crop the stack",
    "or set interior to 0": "or leave --interior out",
    "napari_deltamic.mesh.closed(mesh) fills its holes": "napari_deltamic.mesh.closed fills its "
    "holes, in Python",
    "try napari_deltamic.mesh.closed": "napari_deltamic.mesh.closed may mend it, in Python",
}
"""What the library advises a programmer to do, and what a user of the command line does instead."""


class UsageError(ValueError):
    """A command line that cannot be obeyed as it stands."""


def command_line_error(error: Exception) -> Text:
    """Return what to tell the user about a command line that could not be read."""
    return Text(f"Error: {parsing_sentence(error)}", "red")


def parsing_sentence(error: Exception) -> str:
    """Return what is wrong with a command line, in a sentence."""
    if errors := getattr(error.__cause__, "errors", None):
        # pydantic's own text is a paragraph with a link.
        first = errors()[0]
        option = str(first["loc"][-1]).replace("_", "-")
        return f"--{option}: {first['msg']}, got {first['input']!r}"
    if isinstance(error, UnusedCliTokensError):
        return f"not expected: {' '.join(error.unused_tokens or ())}"
    if isinstance(error, MissingArgumentError) and "Did you mean" not in str(error):
        assert error.argument is not None
        if error.keyword is None:
            return f"{error.argument.name} is missing; --help explains it"
        needed, given = error.argument.token_count()[0], len(error.tokens_so_far)
        return f"{error.keyword}: needs {counted(needed, 'value')}, got {given}"
    return str(error)


def typed_names(command: App, tokens: Sequence[str] = ()) -> dict[str, str]:
    """Return what the user types for each name by which a message may call an argument.

    Parameters
    ----------
    command
        The command that was run.
    tokens
        What was typed: where a name may mean several options, the one among these is meant.
    """
    names: dict[str, str] = {}
    if command.default_command is None:
        return names
    typed = {token.partition("=")[0] for token in tokens}
    for argument in command.assemble_argument_collection():
        parameter = argument.field_info.name
        for name in (parameter, *LIBRARY_NAMES.get(parameter, ())):
            if name not in names or argument.name in typed:
                names[name] = argument.name
    return names


def as_typed(message: str, names: Mapping[str, str]) -> str:
    """Return a message of the library with its Python names as the user would type them.

    ``spacing: expected ...`` becomes ``--spacing: expected ...``, and ``spacing=(z, y, x)`` becomes
    ``--spacing Z Y X``.

    Parameters
    ----------
    message
        What the library said.
    names
        From :func:`typed_names`.
    """
    for advice, instead in ADVICE.items():
        message = message.replace(advice, instead)
    # In the message about a file's content, the name of the array that was made of it.
    message = message.replace(": data: ", ": ")

    def leading(match: re.Match[str]) -> str:
        return names.get(match[1], match[1]) + ":"

    def keyword(match: re.Match[str]) -> str:
        name, value = match[1], match[2].strip("'")
        if name not in names:
            return match[0]
        if value.startswith("("):
            value = value.strip("()").replace(", ", " ").upper()
        return f"{names[name]} {value}"

    message = re.sub(r"^(\w+):", leading, message)
    return re.sub(r"\b(\w+)=(\([^)]*\)|'\w+'|\w+)", keyword, message)


def sentence(error: BaseException) -> str:
    """Return what to tell the user about an error."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); take a smaller or coarser stack, or fewer regions"
    if isinstance(error, ValueError | OSError | RuntimeError | ImportError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error} (run again with --debug for the traceback)"
