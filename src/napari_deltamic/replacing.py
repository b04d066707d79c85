"""Files that are replaced at once or not at all."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from secrets import token_hex

_TOKEN = 8
_CANNOT_WAIT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
# Windows replaces no file while somebody reads it.
_READERS_BLOCK = os.name == "nt"
_SECONDS_OF_READING, _BETWEEN_TRIALS = 2.0, 0.05
# Nobody writes for so long without a byte.
_SECONDS_UNTIL_FORGOTTEN = 3600.0


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a file to write in place of another, which it becomes if nothing goes wrong.

    What processes that were killed left behind of the same file is taken away an hour later.

    Parameters
    ----------
    target
        The file to replace or to make; the one given lies beside it and has its ending.

    Raises
    ------
    OSError
        If the file cannot be written; it names the target.
    """
    # In the same folder, so that the replacement is a rename.
    temporary = _beside(target, token_hex(_TOKEN))
    try:
        yield temporary
        _to_disk(temporary)
        _put_in_place(temporary, target)
    except OSError as error:
        raise _about(target, temporary, error) from error
    finally:
        # What went wrong before says more than what goes wrong here.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _take_away_forgotten(target)


def _put_in_place(temporary: Path, target: Path) -> None:
    end = time.monotonic() + _SECONDS_OF_READING
    while True:
        try:
            temporary.replace(target)
        except PermissionError:
            if not _READERS_BLOCK or time.monotonic() > end:
                raise
            time.sleep(_BETWEEN_TRIALS)
        else:
            return


def _to_disk(file: Path) -> None:
    """Wait for the bytes: after a power failure some file systems keep a rename without them."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_WAIT:
            raise
    finally:
        os.close(descriptor)


def _beside(target: Path, token: str) -> Path:
    return target.with_name(f".{target.stem}.{token}{target.suffix.lower()}")


def _about(target: Path, temporary: Path, error: OSError) -> OSError:
    """Return an error of writing with the name that the user knows."""
    if error.errno is None:
        # As numpy says it of a full disk: "6272 requested and 0 written".
        return OSError(f"{target} cannot be written: {error}")
    if error.filename is None or Path(error.filename) == temporary:
        return OSError(error.errno, error.strerror, str(target))
    return error


def _take_away_forgotten(target: Path) -> None:
    last = time.time() - _SECONDS_UNTIL_FORGOTTEN
    any_token = "[0-9a-f]" * (2 * _TOKEN)
    pattern = f".{escape(target.stem)}.{any_token}{escape(target.suffix.lower())}"
    # Another process may be faster, or the folder be one that cannot be listed.
    with suppress(OSError):
        for one in target.parent.glob(pattern):
            if one.stat().st_mtime < last:
                one.unlink(missing_ok=True)
