"""The fuzzer's guard keeps what a reader must not do; in a process of its own, which it limits."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.mutating import Mutator, packed, unpacked

from test_readers import changed_bytes

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import os, shutil, socket, subprocess, sys
from pathlib import Path
from fuzz.guarding import Guard, limit_memory

def hidden(act):
    # As parsers do that catch everything.
    try:
        act()
    except BaseException:
        pass

def refused(act):
    try:
        act()
    except Exception as error:
        raise ValueError("no file of this kind") from error

class Derived(ValueError):
    pass

def wrong():
    raise Derived

folder = Path(sys.argv[1])
inside, beside = folder / "in", folder.with_name(folder.name + "-beside")
up = os.path.join(inside, *[".."] * 40)
acts = {
    b"read": lambda: None,
    b"refused": lambda: refused(lambda: 1 / 0),
    b"inside": lambda: (inside / "a").write_bytes(b""),
    b"round": lambda: open(inside / ".." / "in" / "a").close(),
    b"moved inside": lambda: os.rename(inside / "a", inside / "b"),
    b"removed inside": lambda: (inside / "b").unlink(),
    b"library": lambda: open(os.__file__).close(),
    b"descriptor": lambda: open(os.open(inside / "c", os.O_CREAT)).close(),
    b"nothing": lambda: open(os.devnull).close(),
    b"division": lambda: 1 / 0,
    b"derived": wrong,
    b"outside": lambda: hidden(lambda: open("/etc/passwd")),
    b"upwards": lambda: hidden(lambda: open(os.path.join(up, "etc", "passwd"))),
    b"upwards from a library": lambda: hidden(lambda: open(sys.prefix + "/../../../etc/passwd")),
    b"relative": lambda: hidden(lambda: open("pyproject.toml")),
    b"path": lambda: hidden(lambda: os.open(Path("/etc/passwd"), os.O_RDONLY)),
    b"similar": lambda: hidden(lambda: open(beside / "a")),
    b"similar to nothing": lambda: hidden(lambda: open(os.devnull + "-beside")),
    b"moved out": lambda: hidden(lambda: os.rename(inside / "c", beside)),
    b"moved in": lambda: hidden(lambda: os.rename(beside, inside / "c")),
    b"removed": lambda: hidden(lambda: beside.unlink()),
    b"removed from a library": lambda: hidden(lambda: os.remove(os.__file__ + "-absent")),
    b"tree": lambda: hidden(lambda: shutil.rmtree(beside)),
    b"program": lambda: hidden(lambda: os.system("exit 0")),
    b"interpreter": lambda: hidden(lambda: subprocess.run([sys.executable, "-c", ""])),
    b"program inside": lambda: hidden(lambda: os.execv(inside / "c", ["c"])),
    b"connection": lambda: hidden(lambda: socket.socket().connect(("127.0.0.1", 9))),
    b"memory": lambda: refused(lambda: bytearray(3 << 30)),
}
for name in ("in", "found"):
    (folder / name).mkdir()
guard = Guard(lambda data: acts[data](), (ValueError,), folder / "in", folder / "found")
limit_memory()
for data in acts:
    guard(data)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the fuzzer is for Linux")
def test_what_a_reader_must_not_do_is_kept(tmp_path) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, check=True)
    found = {
        file.read_bytes(): file.name.split("-")[1]
        for file in (tmp_path / "found").iterdir()
        if file.suffix != ".txt"
    }
    forbidden = (
        *("outside", "upwards", "upwards from a library", "relative", "path", "similar"),
        *("similar to nothing", "moved out", "moved in", "removed", "removed from a library"),
        *("tree", "program", "interpreter", "program inside", "connection"),
    )
    assert found == {
        b"division": "ZeroDivisionError",
        b"derived": "Derived",
        b"memory": "memory",
        **{name.encode(): "forbidden" for name in forbidden},
    }
    texts = [file.read_text() for file in (tmp_path / "found").glob("*.txt")]
    assert any("/etc/passwd" in text for text in texts)


SOUND = """
import sys, warnings
from pathlib import Path
from fuzz.guarding import Guard
from fuzz.targets import TARGETS

warnings.simplefilter("ignore")
place, findings = Path(sys.argv[1]), Path(sys.argv[2])
for name in sys.argv[3:]:
    (place / name).mkdir()
    target = TARGETS[name]
    prepared = target.prepare(place / name)
    for seed in prepared.seeds:
        # As the fuzzer does, for what is imported late.
        prepared.read(seed)
    guard = Guard(prepared.read, target.allowed, place / name, findings)
    for seed in prepared.seeds:
        guard(seed)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the fuzzer is for Linux")
def test_sound_inputs_are_not_kept(tmp_path) -> None:
    place, findings = tmp_path / "place", tmp_path / "found"
    for folder in (place, findings):
        folder.mkdir()
    names = ("ply", "rec", "tiff", "zarr", "session", "movie", "table")
    command = [sys.executable, "-c", SOUND, str(place), str(findings), *names]
    subprocess.run(command, cwd=ROOT, check=True)
    assert [file.read_text() for file in findings.glob("*.txt")] == []


def test_changes_leave_archives_and_json_readable() -> None:
    rng = random.Random(0)
    mutate = Mutator(changed_bytes(rng))
    inner = packed({"array": b"\x93NUMPY" + bytes(50)})
    whole = packed({"facts.json": b'{"a": [1, {"b": "text"}], "c": null}', "inner.npz": inner})
    changed = [unpacked(mutate(whole, 10_000, seed)) for seed in range(300)]
    sound = [members for members in changed if members]
    assert len(sound) > 240
    assert len({members.get("facts.json") for members in sound}) > 60
    depths = [unpacked(members.get("inner.npz", b"")) for members in sound]
    assert len({inside.get("array") for inside in depths}) > 40
