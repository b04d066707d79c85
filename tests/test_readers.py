"""Damaged files of every kind are read or refused, and what the fuzzer found stays mended."""

from __future__ import annotations

import json
import logging
import random
import socket
import sys
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fuzz.mutating import Mutator, packed, unpacked  # noqa: E402
from fuzz.targets import TARGETS, Prepared  # noqa: E402

DEEP = b"[" * 100_000
# Removed when the interpreter ends.
_FOLDER = TemporaryDirectory(prefix="readers-")
# Each of their files takes milliseconds.
SLOW = ("model", "training", "tiff", "zarr", "frames")


@cache
def prepared(name: str) -> Prepared:
    folder = Path(_FOLDER.name) / name
    folder.mkdir()
    return TARGETS[name].prepare(folder)


@pytest.fixture(autouse=True)
def quiet():
    # Damaged files make libraries warn and log; the message that counts is the exception's.
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def read_or_refused(name: str, data: bytes) -> None:
    """Read bytes; an error of another kind than the documented ones fails the test."""
    try:
        prepared(name).read(data)
    except Exception as error:
        # Not those derived from it, which come from somewhere deep and name no file.
        if type(error) not in TARGETS[name].allowed:
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_sound_files_are_read(name: str) -> None:
    for seed in prepared(name).seeds:
        prepared(name).read(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_files_cut_anywhere_are_read_or_refused(name: str) -> None:
    for seed in prepared(name).seeds:
        for part in range(8):
            read_or_refused(name, seed[: part * len(seed) // 8])


def changed_bytes(rng: random.Random):
    def change(data: bytes, largest: int) -> bytes:
        changed = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(changed) + 1)
            kind = rng.randrange(4)
            if kind == 0:
                changed[place:place] = rng.randbytes(rng.choice((1, 2, 4, 8)))
            elif kind == 1:
                del changed[place : place + rng.choice((1, 4, 16))]
            else:
                # Numbers of all sizes, at their largest or small.
                width = rng.choice((1, 2, 4, 8))
                value = 256**width - 1 if kind == 2 else rng.randrange(99)
                changed[place : place + width] = value.to_bytes(width, "little")
        return bytes(changed[:largest])

    return change


@pytest.mark.parametrize("name", TARGETS)
def test_changed_files_are_read_or_refused(name: str) -> None:
    # The fuzzer's changes, without its search for those that lead somewhere new.
    rng = random.Random(name)
    mutate = Mutator(changed_bytes(rng))
    for number in range(40 if name in SLOW else 200):
        data = rng.choice(prepared(name).seeds)
        for _ in range(rng.randint(1, 3)):
            data = mutate(data, 2 * len(data) + 512, rng.getrandbits(32))
        try:
            read_or_refused(name, data)
        except BaseException as error:
            error.add_note(f"change {number}: {data[:2000]!r}")
            raise


@settings(max_examples=30)
@given(name=st.sampled_from(list(TARGETS)), data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    read_or_refused(name, data)


def movie(**changes: object) -> bytes:
    """Return the folder of a movie, some of the facts about its frame replaced."""
    members = unpacked(prepared("movie").seeds[0])
    known = json.loads(members["frame_t0000.json"]) | changes
    return packed(members | {"frame_t0000.json": json.dumps(known).encode()})


def movie_with(name: str, content: bytes) -> bytes:
    return packed(unpacked(prepared("movie").seeds[0]) | {name: content})


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("movie", lambda: movie(ratios=7), "damaged"),
        ("movie", lambda: movie(intensities={"membrane_per_um2": 10**400}), "damaged"),
        ("movie", lambda: movie_with("frame_t0000.json", DEEP), "cannot be read"),
        ("movie", lambda: movie_with("movie.json", DEEP), "cannot be read"),
        (
            "table",
            lambda: b"stack,label\n" + b"a" * 10_000 + b",both\n",
            "line 2: stack: .* is no file",
        ),
        ("table", lambda: b"stack,name\na.tif," + b"a" * 300, "line 2: name: .* name of a folder"),
        ("settings", lambda: DEEP, "not a JSON file"),
        ("psf", lambda: DEEP, "not a JSON file"),
        ("session", lambda: packed({"session.json": DEEP}), "not a JSON file"),
    ],
)
def test_what_the_fuzzer_found_is_refused_in_words(name: str, make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepared(name).read(make())


@pytest.mark.parametrize("pid", [10**40, -1, "x", None])
def test_autosaves_of_no_process_are_passed_over(pid: object) -> None:
    running = {"computer": socket.gethostname(), "pid": pid, "began": 0, "image": ""}
    members = {"session.json": b"{}", "running.json": json.dumps(running).encode()}
    prepared("autosaves").read(packed(members))


def test_records_nested_without_end_are_passed_over() -> None:
    prepared("autosaves").read(packed({"session.json": b"{}", "running.json": DEEP}))
    prepared("outcome").read(DEEP)
