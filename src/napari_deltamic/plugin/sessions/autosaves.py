"""Where fits are kept while they run, in case napari ends before they do; no Qt.

Each has a session folder of its own. A file in it names the process that fits, for as long as the
fit has not ended.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from napari_deltamic.plugin.sessions.checkpoints import CHECKPOINT, checkpoint_facts
from napari_deltamic.plugin.sessions.files import MAIN_FILE, SUFFIX
from napari_deltamic.replacing import replacing

ENVIRONMENT = "NAPARI_DELTAMIC_AUTOSAVE"
"""Names another folder for them; "off" keeps none."""
RUNNING = "running.json"
MOST_ENDED, MOST_DAYS, MOST_BYTES = 5, 7, 4 << 30
# Of a file that is missing, cut, nested without end, or holds numbers that no process has.
_DAMAGED = (OSError, ValueError, KeyError, RecursionError, OverflowError)


class Interrupted(NamedTuple):
    """A fit that never ended.

    Attributes
    ----------
    folder
        Its session.
    image
        Name of the layer that was fitted.
    when
        Seconds since the epoch when it was last heard of.
    iteration
        How far it had come then.
    """

    folder: Path
    image: str
    when: float
    iteration: int

    @property
    def sentence(self) -> str:
        """What happened, for the user."""
        then, today = time.localtime(self.when), time.localtime()
        clock = time.strftime("%H:%M", then)
        if then[:3] != today[:3]:
            clock += time.strftime(" on %d %B", then)
        far = f"at iteration {self.iteration}" if self.iteration else "soon after it began"
        return f"A fit of {self.image!r} was interrupted at {clock}, {far}."


def autosave_folder() -> Path | None:
    """Return the folder of all autosaves, which need not exist; None if none are wanted."""
    chosen = os.environ.get(ENVIRONMENT, "")
    if chosen.lower() == "off":
        return None
    if chosen:
        return Path(chosen).expanduser()
    # Not needed by those who have said where.
    from platformdirs import user_data_path

    return user_data_path("napari-deltamic", appauthor=False) / "autosaves"


def begin(root: Path, image: str) -> Path:
    """Make a folder for a fit that this process begins.

    Raises
    ------
    OSError
        If that is impossible.
    """
    word = re.sub(r"[^A-Za-z0-9]+", "-", image).strip("-")[:40] or "image"
    folder = root / f"{time.strftime('%Y%m%d-%H%M%S')}-{word}-{token_hex(3)}{SUFFIX}"
    folder.mkdir(parents=True)
    mark_running(folder, image)
    return folder


def mark_running(folder: Path, image: str) -> None:
    """Say that this process runs the fit of a folder."""
    import psutil

    pid = os.getpid()
    facts = {
        "pid": pid,
        "began": psutil.Process(pid).create_time(),
        "computer": socket.gethostname(),
        "image": image,
    }
    with replacing(folder / RUNNING) as temporary:
        temporary.write_text(json.dumps(facts) + "\n", encoding="utf-8")


def mark_ended(folder: Path) -> None:
    """Say that the fit of a folder has ended, or that nobody wants to go on with it."""
    (folder / RUNNING).unlink(missing_ok=True)


def claim(folder: Path) -> bool:
    """Make an interrupted fit this process's own; False if another one was faster."""
    running, taken = folder / RUNNING, folder / f"{RUNNING}.{token_hex(4)}.taken"
    try:
        facts = _running_facts(folder)
        if _is_alive(facts):
            return False
        # Just one of several processes can rename a file.
        running.rename(taken)
        if json.loads(taken.read_text(encoding="utf-8")) != facts:
            # Another one was between the two lines.
            taken.rename(running)
            return False
        mark_running(folder, str(facts["image"]))
        taken.unlink()
    except _DAMAGED:
        return False
    return True


def is_taken(folder: Path) -> bool:
    """Whether another process runs the fit of a folder."""
    try:
        facts = _running_facts(folder)
        return facts["pid"] != os.getpid() and _is_alive(facts)
    except _DAMAGED:
        return False


def interrupted(root: Path) -> list[Interrupted]:
    """Return the fits that ended with their process, the latest first."""
    found = []
    for folder in _folders(root):
        try:
            facts = _running_facts(folder)
            if _is_alive(facts) or not (folder / MAIN_FILE).is_file():
                continue
            checkpoint = folder / CHECKPOINT
            when, iteration = (folder / MAIN_FILE).stat().st_mtime, 0
            if checkpoint.is_file():
                when = checkpoint.stat().st_mtime
                iteration = checkpoint_facts(checkpoint).iteration
            found.append(Interrupted(folder, str(facts["image"]), when, iteration))
        except _DAMAGED:
            # Ended, or damaged beyond what can be gone on with.
            continue
    return sorted(found, key=lambda one: -one.when)


def prune(root: Path) -> None:
    """Remove autosaves that are old, or of ended fits and more than the latest few.

    Those of fits that run, here or on another computer that shares the folder, are left alone.
    """
    kept = kept_bytes = 0
    for folder in sorted(_folders(root), key=_changed, reverse=True):
        try:
            is_running = _is_alive(_running_facts(folder))
            has_ended = False
        except _DAMAGED:
            is_running, has_ended = False, True
        if is_running:
            continue
        kept += has_ended
        kept_bytes += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        is_old = time.time() - _changed(folder) > MOST_DAYS * 86_400
        too_many = has_ended and (kept > MOST_ENDED or kept_bytes > MOST_BYTES)
        if is_old or too_many or not (folder / MAIN_FILE).is_file():
            shutil.rmtree(folder, ignore_errors=True)


def discard(folder: Path) -> None:
    """Remove the autosave of a fit that nobody wants to go on with."""
    if claim(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [one for one in root.glob(f"*{SUFFIX}") if one.is_dir() and not one.is_symlink()]


def _changed(folder: Path) -> float:
    try:
        return max(entry.stat().st_mtime for entry in (folder, *folder.iterdir()))
    except OSError:
        return 0.0


def _running_facts(folder: Path) -> dict[str, object]:
    facts = json.loads((folder / RUNNING).read_text(encoding="utf-8"))
    if not isinstance(facts, dict):
        raise ValueError(f"{folder}: {RUNNING} says nothing")
    return facts


def _is_alive(facts: dict[str, object]) -> bool:
    """Whether the process that fits still runs; of another computer that cannot be told."""
    import psutil

    if facts["computer"] != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(str(facts["pid"])))
        # Numbers of processes are used again.
        same = abs(process.create_time() - float(str(facts["began"]))) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
