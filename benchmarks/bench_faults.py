"""What fits killed with SIGKILL come back to, and what becomes of earlier results beside them.

    python benchmarks/bench_faults.py [--kills 50] [--cuts 10] [--seed 0]

A generated embryo of three touching cells is fitted by ``napari-deltamic fit`` in three stages with
remeshing, into a folder that holds the result of another fit. It is killed with SIGKILL and run
again with --resume (without it where no checkpoint had been written) until it ends:

- once in each of so many fits, at any moment from the fit's begin to the process' end;
- again and again, so many times in a row, each time within a second of its steps (the
  next fit takes its place if it ends before);
- amid the writing of a checkpoint, once a part of its bytes is on the disk.

After each kill every file of the folder must be the earlier fit's, or the undisturbed fit's, to the
last byte; at the end the mesh is held against that of the undisturbed fit. Checkpoints are written
every 0.1 s instead of 8 s, so that a fit of seconds is gone on with and not merely begun again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from machine import describe

INTERVAL = 0.1
LONGEST_LIFE = 1.0
GOAL = 1e-5
CHECKPOINT = "checkpoint.npz"
REFUSED = 2


def child(words: list[str], cut: tuple[int, float] | None) -> None:
    """Run the command line, saying when the fit and its steps begin."""
    from napari_deltamic import fitting
    from napari_deltamic.cli import main
    from napari_deltamic.fitting import loop

    loop._SECONDS_BETWEEN_CHECKPOINTS = INTERVAL
    loop._CHECKPOINTS_SHARE = 1.0
    fit, run = fitting.fit, loop._run

    def told_fit(*arguments, **options):
        print("fit", flush=True)
        return fit(*arguments, **options)

    def told_run(*arguments):
        print("steps", flush=True)
        return run(*arguments)

    fitting.fit, loop._run = told_fit, told_run
    if cut is not None:
        die_while_writing(*cut)
    main(words)


def die_while_writing(number: int, share: float) -> None:
    """Let this process be killed when it has written a share of the bytes of a checkpoint."""
    whole, left = np.savez, number

    def cut(file, **arrays):
        nonlocal left
        left -= 1
        if left > 0:
            whole(file, **arrays)
            return
        content = io.BytesIO()
        whole(content, **arrays)
        file.write(content.getvalue()[: int(share * content.tell())])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    np.savez = cut


@dataclass
class Count:
    """What was seen in one kind of trial."""

    kills: int = 0
    fits: int = 0
    afresh: int = 0
    left: int = 0
    damaged: list[str] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    other_faces: int = 0


class Trial:
    """A fit to be killed, with what its folder may hold at any moment.

    Parameters
    ----------
    home
        Folder for stack, results and all.
    """

    def __init__(self, home: Path) -> None:
        from napari_deltamic.imaging import make_embryo, write_stack

        self.home = home
        embryo = make_embryo(3, (24, 56, 56), (0.6, 0.25, 0.25), seed=1)
        write_stack(home / "stack.tif", embryo.stack.data, embryo.stack.spacing)
        write_stack(home / "labels.tif", embryo.labels, embryo.stack.spacing)
        self.sigma = [str(width) for width in embryo.psf.sigma.tolist()]
        self.earlier, self.whole = home / "earlier", home / "whole"
        # The first run compiles.
        for folder, stages in ((self.earlier, 1), (self.whole, 3)):
            life = Life(self.words(folder, stages))
            if life.wait() != 0:
                raise RuntimeError(f"the fit failed: {life.said()}")
        self.seconds = life.lasted
        self.allowed = [contents(self.earlier), contents(self.whole)]
        from napari_deltamic.mesh import read_mesh

        self.mesh = read_mesh(self.whole / "mesh.rec")

    def words(self, folder: Path, stages: int = 3) -> list[str]:
        """Return the command line of the fit into a folder."""
        where = [str(self.home / "stack.tif"), "--labels", str(self.home / "labels.tif")]
        return ["fit", *where, "--sigma", *self.sigma, "--stages", str(stages), "-o", str(folder)]

    def folder(self, name: str) -> Path:
        """Return a folder that holds the earlier result."""
        return Path(shutil.copytree(self.earlier, self.home / name))

    def damage(self, folder: Path) -> list[str]:
        """Return the files that are neither the earlier fit's nor this one's."""
        now = contents(folder)
        return [
            f"{folder.name}: {name}"
            for name in sorted(self.allowed[0].keys() | now.keys())
            if now.get(name) not in [each.get(name) for each in self.allowed]
        ]

    def begun(self, folder: Path, count: Count) -> Life:
        """Return the fit as it goes on in a folder, begun afresh where nothing was kept."""
        life = Life(["fit", "--resume", *self.words(folder)[1:]])
        if not life.reached("steps"):
            if life.wait() != REFUSED:
                raise RuntimeError(f"resuming ended with {life.process.returncode}: {life.said()}")
            count.afresh += 1
            life = Life(self.words(folder))
            life.reached("steps")
        return life

    def killed(self, folder: Path, count: Count) -> None:
        """Note a kill and what it left behind."""
        count.kills += 1
        count.damaged += self.damage(folder)
        count.left = max(count.left, sum(one.name.startswith(".") for one in folder.iterdir()))

    def ended(self, folder: Path, count: Count) -> None:
        """Hold the mesh that came out against the undisturbed one, and drop the folder."""
        from napari_deltamic.mesh import read_mesh

        mesh = read_mesh(folder / "mesh.rec")
        count.fits += 1
        count.damaged += [
            f"{folder.name}: {name} at the end"
            for name, content in contents(folder).items()
            if content != self.allowed[1].get(name)
        ]
        if np.array_equal(mesh.faces, self.mesh.faces):
            count.differences.append(float(np.abs(mesh.vertices - self.mesh.vertices).max()))
        else:
            count.other_faces += 1
        shutil.rmtree(folder)

    def finish(self, folder: Path, count: Count) -> None:
        """Go on to the end."""
        life = self.begun(folder, count)
        if life.wait() != 0:
            raise RuntimeError(f"the fit ended with {life.process.returncode}: {life.said()}")
        self.ended(folder, count)


class Life:
    """A process that fits, until it ends or is killed.

    Parameters
    ----------
    words
        Of its command line.
    cut
        If given, it dies in the writing of that checkpoint, after that share of its bytes.
    """

    def __init__(self, words: list[str], cut: tuple[int, float] | None = None) -> None:
        own = [] if cut is None else ["--cut", *map(str, cut)]
        # A pipe that nobody reads would fill up.
        self._errors = Path(words[-1]).parent / "errors.txt"
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, __file__, *own, "--child", *words],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._fit_began = 0.0
        self.lasted = 0.0

    def reached(self, mark: str = "") -> bool:
        """Wait until the process says this; False if it ends without."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == "fit":
                self._fit_began = time.monotonic()
            if line.strip() == mark:
                return True
        return False

    def kill_after(self, seconds: float) -> bool:
        """Kill it, unless it ends before; return whether it was killed."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.process.wait() == -signal.SIGKILL

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        self.reached()
        code = self.process.wait()
        self.lasted = time.monotonic() - self._fit_began
        return code

    def said(self) -> str:
        """Return what it wrote to standard error."""
        return self._errors.read_text()


def contents(folder: Path) -> dict[str, str]:
    """Return what tells each file's content from another's, by name; hidden files are left out."""
    return {one.name: content(one) for one in folder.iterdir() if not one.name.startswith(".")}


def content(file: Path) -> str:
    """Return a digest, of what does not depend on how often the command was run."""
    import tifffile

    from napari_deltamic.archives import read_npz

    try:
        if file.name == CHECKPOINT:
            # Any one will do, as long as it can be read.
            return f"{len(read_npz(file)) > 0}"
        if file.name == "fit.json":
            facts = json.loads(file.read_text(encoding="utf-8"))
            del facts["command_line"]
            return json.dumps(facts)
        raw = tifffile.imread(file) if file.suffix == ".tif" else file.read_bytes()
    # Whatever is wrong with it, it is not whole.
    except Exception as error:
        return f"damaged: {error!r}"
    return hashlib.sha256(np.ascontiguousarray(raw) if file.suffix == ".tif" else raw).hexdigest()


def one_kill_each(trial: Trial, kills: int, chance: random.Random) -> Count:
    """Kill each of so many fits once, and let it go on to its end."""
    count = Count()
    while count.kills < kills:
        folder = trial.folder(f"once-{count.kills}")
        life = Life(trial.words(folder))
        life.reached("fit")
        if life.kill_after(chance.uniform(0.0, trial.seconds)):
            trial.killed(folder, count)
            trial.finish(folder, count)
        else:
            shutil.rmtree(folder)
        progress("killed once", count)
    return count


def many_kills_in_a_row(trial: Trial, kills: int, chance: random.Random) -> Count:
    """Kill a fit again and again; another one where it ends before so many kills."""
    count = Count()
    while count.kills < kills:
        folder = trial.folder(f"often-{count.fits}")
        while count.kills < kills:
            life = trial.begun(folder, count)
            if life.kill_after(chance.uniform(0.0, LONGEST_LIFE)):
                trial.killed(folder, count)
                progress("killed again and again", count)
            else:
                if life.wait() != 0:
                    raise RuntimeError(f"the fit ended with an error: {life.said()}")
                trial.ended(folder, count)
                break
        else:
            trial.finish(folder, count)
    return count


def kills_while_writing(trial: Trial, kills: int, chance: random.Random) -> Count:
    """Kill each of so many fits in the writing of a checkpoint."""
    count = Count()
    while count.kills < kills:
        folder = trial.folder(f"cut-{count.kills}")
        life = Life(trial.words(folder), (chance.randint(1, 8), chance.random()))
        if life.wait() != -signal.SIGKILL:
            raise RuntimeError(f"the fit wrote too few checkpoints: {life.said()}")
        trial.killed(folder, count)
        trial.finish(folder, count)
        progress("killed while it wrote a checkpoint", count)
    return count


def progress(name: str, count: Count) -> None:
    print(f"{name}: {count.kills} kills, {count.fits} fits ended", file=sys.stderr, flush=True)


def rows(counts: dict[str, Count]) -> Iterator[str]:
    yield (
        f"{'':36} {'kills':>5} {'fits':>5} {'afresh':>7} {'damaged':>8} {'left over':>10} "
        f"{'other faces':>12} {'largest (um)':>13}"
    )
    for name, count in counts.items():
        largest = max(count.differences, default=float("nan"))
        is_met = largest <= GOAL and not count.other_faces and not count.damaged
        verdict = "met" if is_met else "MISSED"
        yield (
            f"{name:36} {count.kills:5} {count.fits:5} {count.afresh:7} {len(count.damaged):8} "
            f"{count.left:10} {count.other_faces:12} {largest:13.2g}  {verdict}"
        )
        yield from (f"    damaged: {one}" for one in count.damaged)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--cuts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cut", nargs=2, type=float, help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        cut = None if options.cut is None else (int(options.cut[0]), options.cut[1])
        child(options.child, cut)
        return
    chance = random.Random(options.seed)
    print(describe("napari-deltamic", "numpy", "torch"))
    with tempfile.TemporaryDirectory() as home:
        trial = Trial(Path(home))
        print(
            f"The undisturbed fit: {len(trial.mesh.faces):,} faces, {trial.seconds:.1f} s from its "
            f"begin to the process' end; checkpoints every {INTERVAL:g} s\n"
        )
        counts = {
            "killed once, at any moment": one_kill_each(trial, options.kills, chance),
            "killed again and again": many_kills_in_a_row(trial, options.kills, chance),
            "killed while it wrote a checkpoint": kills_while_writing(trial, options.cuts, chance),
        }
    print(f"Goal: no difference above {GOAL:g} um, the same faces, nothing damaged")
    print("\n".join(rows(counts)))


if __name__ == "__main__":
    main()
