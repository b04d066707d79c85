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
import os, sys
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

acts = {
    b"read": lambda: None,
    b"refused": lambda: refused(lambda: 1 / 0),
    b"inside": lambda: (folder / "in" / "a").write_bytes(b""),
    b"division": lambda: 1 / 0,
    b"derived": wrong,
    b"outside": lambda: hidden(lambda: open("/etc/passwd")),
    b"program": lambda: hidden(lambda: os.system("exit 0")),
    b"memory": lambda: refused(lambda: bytearray(3 << 30)),
}
folder = Path(sys.argv[1])
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
    assert found == {
        b"division": "ZeroDivisionError",
        b"derived": "Derived",
        b"outside": "forbidden",
        b"program": "forbidden",
        b"memory": "memory",
    }
    texts = [file.read_text() for file in (tmp_path / "found").glob("*.txt")]
    assert any("/etc/passwd" in text for text in texts)


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
