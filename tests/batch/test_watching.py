"""What is to be seen of a batch by the files of its folder."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batch_cases import LONG, QUICK, wait_until, write_balls
from napari_deltamic.batch import items_of_files, run_batch
from napari_deltamic.batch.command import COMMAND, read_command, write_command
from napari_deltamic.batch.one import STOP_FILE
from napari_deltamic.batch.outcome import LOG, Outcome, write_outcome
from napari_deltamic.batch.pulse import PULSE, Listener, began_at, is_beating, pulse
from napari_deltamic.batch.summary import SUMMARY
from napari_deltamic.batch.watching import BatchFolder, BatchState, ItemState, last_line, tail


def standings(state):
    return {item.name: item.standing for item in state.items}


def batch_command(*words):
    return [sys.executable, "-c", "from napari_deltamic.cli import main; main()", "batch", *words]


def test_a_batch_that_is_stopped_from_outside_and_gone_on_with(tmp_path):
    write_balls(tmp_path / "stacks", 3)
    (tmp_path / "stacks" / "ball0.tif").write_text("no TIFF")
    out = tmp_path / "out"
    command = batch_command(str(tmp_path / "stacks"), "-o", str(out), "--workers", "1", *LONG)
    batch = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    folder = BatchFolder(out)
    wait_until(lambda: folder.has_batch)
    wait_until(lambda: standings(folder.read()).get("ball1") == "running")
    wait_until(lambda: "stage 1" in folder.read().items[1].words)
    state = folder.read()
    assert state.is_running
    assert not state.is_stopping
    assert standings(state) == {"ball0": "refused", "ball1": "running", "ball2": "waiting"}
    assert "ball0.tif" in state.items[0].words
    assert 0 < state.items[1].seconds < 120
    assert state.items[1].attempts == 1
    folder.stop()
    assert folder.read().is_stopping
    assert batch.wait(timeout=60) == 130
    state = folder.read()
    assert not state.is_running
    # What had not begun was not begun.
    assert standings(state) == {"ball0": "refused", "ball1": "stopped", "ball2": "waiting"}
    assert not (out / "ball2").exists()
    assert not (out / PULSE).exists()
    words = read_command(out)
    assert words[:2] == ["batch", str(tmp_path / "stacks")]
    assert words[words.index("--output") + 1] == str(out)
    assert words[words.index("--workers") + 1] == "1"
    assert words[-len(LONG) :] == list(LONG)


def test_what_was_done_before_is_done_from_the_start(tmp_path):
    files = write_balls(tmp_path / "stacks", 2)
    out, seen = tmp_path / "out", []
    run_batch(items_of_files(files[1:], QUICK), out)
    assert BatchFolder(out).read().items[0].words

    def look():
        seen.append(standings(BatchFolder(out).read()))
        return False

    run_batch(items_of_files(files, QUICK), out, should_stop=look)
    assert seen[0]["ball1"] == "done"
    assert seen[0]["ball0"] in ("waiting", "running")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_batch_that_is_killed_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_deltamic.batch.pulse._LONGEST_PAUSE", 4.0)
    (file,) = write_balls(tmp_path / "stacks", 1)
    out = tmp_path / "out"
    batch = subprocess.Popen(batch_command(str(file), "-o", str(out), *LONG))
    folder = BatchFolder(out)
    wait_until((out / "ball0" / "checkpoint.npz").exists)
    assert standings(folder.read()) == {"ball0": "running"}
    batch.send_signal(signal.SIGKILL)
    batch.wait()
    wait_until(lambda: not folder.read().is_running)
    assert standings(folder.read()) == {"ball0": "cut off"}


def test_a_pulse_beats_and_ends(tmp_path, monkeypatch):
    assert not is_beating(tmp_path)
    assert began_at(tmp_path) is None
    monkeypatch.setattr("napari_deltamic.batch.pulse._BETWEEN_BEATS", 0.3)
    with pulse(tmp_path):
        assert is_beating(tmp_path)
        assert abs(began_at(tmp_path) / 1e9 - time.time()) < 5.0
        os.utime(tmp_path / PULSE, (1e9, 1e9))
        assert not is_beating(tmp_path)
        # By itself, whatever this thread does.
        wait_until(lambda: is_beating(tmp_path), seconds=10.0)
    assert not is_beating(tmp_path)
    assert not (tmp_path / PULSE).exists()


def test_two_batches_do_not_run_in_one_folder(tmp_path):
    items = items_of_files(write_balls(tmp_path / "stacks", 1), QUICK)
    with pulse(tmp_path):
        (tmp_path / STOP_FILE).touch()
        with pytest.raises(ValueError, match=f"folder: a batch is running in {tmp_path}; if it"):
            run_batch(items, tmp_path)
        # Nothing of the other is touched.
        assert (tmp_path / STOP_FILE).exists()
        assert is_beating(tmp_path)
    assert not (tmp_path / "ball0").exists()


def test_the_pulse_of_another_batch_is_left(tmp_path):
    with pulse(tmp_path):
        (tmp_path / PULSE).write_text("17")
    assert began_at(tmp_path) == 17


@pytest.mark.parametrize("another", [False, True])
def test_a_listener_hears_that_a_batch_is_gone(tmp_path, monkeypatch, another):
    monkeypatch.setattr("napari_deltamic.batch.pulse._BETWEEN_BEATS", 0.0)
    file = tmp_path / PULSE
    file.write_text("17")
    listener = Listener(tmp_path)
    for beat in range(100):
        # By a clock that is years behind.
        os.utime(file, (beat, beat))
        assert not listener.is_gone()
    if another:
        file.write_text("18")
        assert listener.is_gone()
        return
    assert not any(listener.is_gone() for _ in range(59))
    assert listener.is_gone()


def test_a_folder_without_a_pulse_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_deltamic.batch.pulse._BETWEEN_BEATS", 0.0)
    listener = Listener(tmp_path)
    assert not any(listener.is_gone() for _ in range(200))


def table(folder, *rows):
    with (folder / SUMMARY).open("w", newline="") as file:
        writer = csv.DictWriter(file, ["name", "source", "status", "message", "seconds"])
        writer.writeheader()
        writer.writerows(rows)


def test_a_record_of_an_earlier_batch_is_not_taken_for_this_one_s(tmp_path):
    table(tmp_path, {"name": "a", "source": "a.tif", "status": "waiting"})
    (tmp_path / "a").mkdir()
    write_outcome(tmp_path / "a", Outcome("a", "running"))
    os.utime(tmp_path / "a" / "item.json", (1e9, 1e9))
    with pulse(tmp_path):
        assert standings(BatchFolder(tmp_path).read()) == {"a": "waiting"}
        write_outcome(tmp_path / "a", Outcome("a", "running", attempts=2))
        (tmp_path / "a" / LOG).write_text("stage 1\n\nstage 2\n\n")
        (item,) = BatchFolder(tmp_path).read().items
        assert (item.standing, item.attempts, item.words) == ("running", 2, "stage 2")


def test_warnings_are_the_last_words_of_what_is_done(tmp_path):
    table(tmp_path, *({"name": name, "source": "", "status": "done"} for name in "abc"))
    for name, warnings in (("a", []), ("b", ["too bright", "too dim"])):
        (tmp_path / name).mkdir()
        facts = {"warnings": warnings, "stop_reason": "the loss has settled"}
        (tmp_path / name / "fit.json").write_text(json.dumps(facts))
    words = [item.words for item in BatchFolder(tmp_path).read().items]
    assert words == ["the loss has settled", "2 warnings: too bright", ""]


def test_progress_and_time_left():
    def item(standing, seconds=0.0):
        return ItemState("x", Path("x"), standing, seconds=seconds)

    assert BatchState().progress == 0.0
    assert BatchState((item("waiting"), item("running", 5.0))).seconds_left is None
    state = BatchState(
        (item("done", 10.0), item("failed", 1.0), item("running", 4.0), item("waiting"))
    )
    assert state.ended == 2
    assert state.progress == pytest.approx(2.4 / 4)
    assert state.seconds_left == pytest.approx(16.0)
    assert state.counts == {"done": 1, "failed": 1, "waiting": 1, "running": 1}
    late = BatchState((item("done", 10.0), item("running", 400.0)))
    assert late.seconds_left == 0.0
    assert late.progress < 1.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no batch"),
        (b"", None),
        (b"name,status\na,done\nb,unheard of\n", "no names with a status"),
        (b"cells,volume\n3,4\n", "no names with a status"),
        (b"\xff\xfe\x00", "is not the table of a batch"),
        (b"name,status,seconds,attempts\na,failed,soon,\n", None),
    ],
)
def test_folders_of_anything_else_are_told_apart(tmp_path, content, message):
    if content is not None:
        (tmp_path / SUMMARY).write_bytes(content)
    if message is None:
        assert not BatchFolder(tmp_path).read().is_running
        return
    with pytest.raises(ValueError, match=message):
        BatchFolder(tmp_path).read()


def test_logs_are_read_from_their_end(tmp_path):
    log = tmp_path / "log.txt"
    assert tail(log) == last_line(log) == ""
    log.write_bytes(b"first\n" + b"x" * 30_000 + b"\nlast \xff\n\n")
    assert last_line(log) == "last �"
    assert len(tail(log)) == 20_000


def test_commands_that_cannot_be_read_are_none(tmp_path):
    assert read_command(tmp_path) is None
    for text in ("", "[]", '{"words": 3}', '{"words": [1]}'):
        (tmp_path / COMMAND).write_text(text)
        assert read_command(tmp_path) is None
    write_command(tmp_path, ["batch", "ä b.tif"])
    assert read_command(tmp_path) == ["batch", "ä b.tif"]
