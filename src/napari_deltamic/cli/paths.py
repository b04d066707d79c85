"""What the commands ask of the paths they are given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from cyclopts import validators

from napari_deltamic.cli.errors import UsageError

FILE = validators.Path(exists=True, dir_okay=False)
"""An existing file."""
STACK = validators.Path(exists=True)
"""An existing file, or the folder that a stack in zarr format is."""
FOLDER = validators.Path(file_okay=False)
"""A folder, or a name that is still free for one."""


def check_output_file(option: str, path: Path, *endings: str) -> None:
    """Raise a :class:`UsageError` unless a file of that name can be made.

    Before the work, not after it.
    """
    if endings and path.suffix.lower() not in endings:
        raise UsageError(f"{option}: {path} must end in {' or '.join(endings)}")
    if not path.parent.is_dir():
        raise UsageError(f"{option}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise UsageError(f"{option}: {path} is a folder; give a file name")


@contextmanager
def output_folder(option: str, path: Path) -> Iterator[None]:
    """Make a folder for what a block writes, and take it away if the block fails before that.

    Raises
    ------
    UsageError
        If the folder cannot be made or written into.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option}: cannot make the folder {path}: {error.strerror}") from error
    try:
        # Better known now than after hours.
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UsageError(
            f"{option}: cannot write into the folder {path}: {error.strerror}"
        ) from error
    try:
        yield
    except BaseException:
        for folder in missing:
            # One that is not empty stays.
            with suppress(OSError):
                folder.rmdir()
        raise
