"""Fuzz the readers one after the other: ``python -m fuzz.run [SECONDS] [TARGET ...]``.

Prints a table of what was tried, and ends with 1 if anything was found. What was found lies in
``fuzz-output/TARGET/findings``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "fuzz-output"
MOST_SECONDS_AN_INPUT = 10
MOST_MEGABYTES = 4096
# An input that takes too long or breaks the process ends it; then it is started again.
_MOST_STARTS = 20
_MEMORY = Path("/dev/shm")


class Outcome(NamedTuple):
    """What came of one target."""

    target: str
    seconds: float
    executions: int
    findings: int

    def row(self) -> str:
        """Return its row of the table."""
        rate = self.executions / max(self.seconds, 1e-9)
        numbers = f"{self.seconds:>9.0f}{self.executions:>13,}{rate:>9.0f}{self.findings:>10}"
        return f"{self.target:<12}{numbers}"


def fuzz(target: str, seconds: float) -> Outcome:
    """Fuzz one reader for so many seconds, its preparation not counted.

    Raises
    ------
    RuntimeError
        If it does not even read its first inputs.
    """
    folder = OUTPUT / target
    findings = folder / "findings"
    shutil.rmtree(findings, ignore_errors=True)
    findings.mkdir(parents=True)
    executions, spent = 0, 0.0
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        for _ in range(_MOST_STARTS):
            begun = time.monotonic()
            text = _run(target, folder, max(1, round(seconds - spent)))
            log.write(text)
            log.flush()
            found = re.findall(r"stat::number_of_executed_units: *(\d+)", text)
            done = re.findall(r"^Done \d+ runs in (\d+) second", text, re.MULTILINE)
            # A process that was ended says neither; its last line of progress counts.
            lines = re.findall(r"^#(\d+)\s", text, re.MULTILINE)
            if not (found or lines):
                raise RuntimeError(f"{target}: nothing was tried, see {log.name}\n{text[-2000:]}")
            executions += int((found or lines)[-1])
            spent += float(done[-1]) if done else time.monotonic() - begun
            if done or spent >= seconds:
                break
    kept = [one for one in findings.iterdir() if one.suffix != ".txt"]
    return Outcome(target, spent, executions, len(kept))


def _run(target: str, folder: Path, seconds: int) -> str:
    command = [sys.executable, "-m", "fuzz.one", target, str(folder)]
    command += [f"-max_total_time={seconds}", f"-timeout={MOST_SECONDS_AN_INPUT}"]
    command += [f"-rss_limit_mb={MOST_MEGABYTES}", "-print_final_stats=1", "-verbosity=1"]
    command += [f"-artifact_prefix={folder / 'findings'}/"]
    # One thread, and few arenas, for the limit is on addresses and not on what is used of them.
    calm = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    # Each input becomes a file, which need not reach a disk; libFuzzer ends without tidying up.
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as place:
        calm["TMPDIR"] = place
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(command, env=os.environ | calm, cwd=ROOT, check=False, **pipes)
    return done.stdout.decode(errors="replace")


def main() -> int:
    """Fuzz the targets named, or all."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    names = sys.argv[2:] or list(TARGETS)
    print(f"{'reader':<12}{'seconds':>9}{'executions':>13}{'a second':>9}{'findings':>10}")
    outcomes = []
    for name in names:
        sys.stdout.flush()
        outcomes.append(fuzz(name, seconds))
        print(outcomes[-1].row(), flush=True)
    return int(any(one.findings for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
