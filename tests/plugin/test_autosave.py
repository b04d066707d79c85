"""Fits are kept while they run, and go on after the process was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from plugin_cases import click, make_short, open_dock, wait_for_iterations

from napari_deltamic.fitting import leg
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.sessions import autosaves
from napari_deltamic.plugin.sessions.autosaves import (
    CHECKPOINT,
    RUNNING,
    begin,
    claim,
    interrupted,
    is_taken,
    mark_ended,
    prune,
)
from napari_deltamic.plugin.sessions.checkpoints import checkpoint_facts
from napari_deltamic.plugin.sessions.files import read_session, write_session
from napari_deltamic.plugin.sessions.saved import SavedSession

MOST_SECONDS_LOST = 10.0


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def kept(root, image="ball", dead=True):
    """Return an autosave of a fit, of a process that is gone or of this one."""
    folder = begin(root, image)
    write_session(folder, SavedSession())
    if dead:
        text = (folder / RUNNING).read_text()
        (folder / RUNNING).write_text(text.replace(f'"pid": {os.getpid()}', f'"pid": {dead_pid()}'))
    return folder


def test_only_fits_whose_process_is_gone_are_offered(tmp_path):
    gone, running, ended = kept(tmp_path, "gone"), kept(tmp_path, dead=False), kept(tmp_path)
    mark_ended(ended)
    assert [one.folder for one in interrupted(tmp_path)] == [gone]
    assert interrupted(tmp_path)[0].image == "gone"
    assert "'gone' was interrupted at" in interrupted(tmp_path)[0].sentence
    assert not is_taken(running)  # by another process
    assert interrupted(tmp_path / "none") == []


def test_a_process_number_that_is_used_again_is_no_running_fit(tmp_path):
    folder = kept(tmp_path, dead=False)
    text = (folder / RUNNING).read_text()
    began = text.split('"began": ')[1].split(",")[0]
    (folder / RUNNING).write_text(text.replace(began, str(float(began) - 3600)))
    assert [one.folder for one in interrupted(tmp_path)] == [folder]


def test_fits_of_another_computer_are_left_alone(tmp_path):
    folder = kept(tmp_path)
    text = (folder / RUNNING).read_text()
    (folder / RUNNING).write_text(text.replace('"computer": "', '"computer": "another-'))
    assert interrupted(tmp_path) == []
    prune(tmp_path)
    assert folder.is_dir()


def test_just_one_of_two_windows_gets_a_fit(tmp_path):
    folder = kept(tmp_path)
    code = (
        "import sys; from pathlib import Path; "
        "from napari_deltamic.plugin.sessions.autosaves import claim; "
        "print(claim(Path(sys.argv[1])), flush=True); sys.stdin.read()"
    )
    others = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    answers = [other.stdout.readline().strip() for other in others]
    taken = is_taken(folder)
    for other in others:
        other.communicate()
    assert sorted(answers) == ["False", "False", "True"]
    assert taken
    # The winner has ended too now, so the fit is offered anew.
    assert [one.folder for one in interrupted(tmp_path)] == [folder]


def test_old_and_many_ended_autosaves_are_removed(tmp_path, monkeypatch):
    folders = [kept(tmp_path) for _ in range(autosaves.MOST_ENDED + 3)]
    waiting = kept(tmp_path, "waiting")
    for number, folder in enumerate(folders):
        mark_ended(folder)
        for entry in (folder, *folder.iterdir()):
            os.utime(entry, (time.time() - 1000 + number,) * 2)
    prune(tmp_path)
    assert {one for one in folders if one.is_dir()} == set(folders[3:])
    assert waiting.is_dir()
    now = time.time()
    monkeypatch.setattr(autosaves.time, "time", lambda: now + 8 * 86_400)
    prune(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_claimed_fit_is_this_process_s(tmp_path):
    folder = kept(tmp_path)
    assert claim(folder)
    assert interrupted(tmp_path) == []
    assert [path.name for path in folder.glob("running*")] == [RUNNING]


@pytest.mark.usefixtures("_engine")
def test_a_fit_is_kept_while_it_runs(viewer, dock, qtbot, autosaves):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 3)
    (folder,) = autosaves.iterdir()
    qtbot.waitUntil((folder / "session.json").is_file, timeout=20_000)
    assert (folder / RUNNING).is_file()
    saved = read_session(folder)
    np.testing.assert_array_equal(saved.image.arrays["data"], viewer.layers["ball"].data)
    assert saved.fit.settings == live_view_of(viewer).session.fitted.settings
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(lambda: not (folder / RUNNING).exists(), timeout=20_000)
    assert checkpoint_facts(folder / CHECKPOINT).iteration >= 3


@pytest.mark.usefixtures("_engine")
def test_closing_the_window_is_no_interruption(viewer, dock, qtbot, autosaves):
    click(qtbot, dock.fit_button)
    wait_for_iterations(qtbot, dock, 3)
    viewer.close()
    assert interrupted(autosaves) == []
    assert not list(autosaves.glob(f"*/{RUNNING}"))


@pytest.mark.usefixtures("_engine")
def test_it_can_be_switched_off(viewer, dock, qtbot, autosaves, monkeypatch):
    monkeypatch.setenv("NAPARI_DELTAMIC_AUTOSAVE", "off")
    make_short(dock)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(lambda: live_view_of(viewer).session.result is not None, timeout=60_000)
    assert not autosaves.exists()


@pytest.mark.usefixtures("_engine")
def test_a_fit_runs_where_nothing_can_be_kept(viewer, dock, qtbot, tmp_path, monkeypatch, notes):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAPARI_DELTAMIC_AUTOSAVE", str(tmp_path / "file"))
    make_short(dock)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(lambda: live_view_of(viewer).session.result is not None, timeout=60_000)
    assert any("The fit is not kept" in note for note in notes)


@pytest.mark.usefixtures("_engine")
def test_after_a_kill_the_fit_goes_on(
    make_napari_viewer_proxy, qtbot, autosaves, tmp_path, monkeypatch
):
    states = tmp_path / "states.txt"
    script = Path(__file__).with_name("killed_fit.py")
    with states.open("w") as output:
        child = subprocess.Popen([sys.executable, str(script)], stdout=output)
    try:
        deadline = time.monotonic() + 120
        while not (found := list(autosaves.glob(f"*/{CHECKPOINT}"))):
            assert child.poll() is None, "napari ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.2)
        time.sleep(3.0)
        assert child.poll() is None
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    killed = time.time()
    seen = [line.split() for line in states.read_text().splitlines()[:-1]]
    earlier = [int(n) for at, n in seen if float(at) < killed - MOST_SECONDS_LOST]
    at_checkpoint = checkpoint_facts(found[0]).iteration
    assert (found[0].parent / RUNNING).is_file(), "the fit ended before it was killed"

    # Nor is it to end before it is stopped.
    monkeypatch.setattr(leg, "_WINDOW", 10**6)
    viewer = make_napari_viewer_proxy(show=True)
    guide = open_dock(viewer, "deltaMic")
    bar = guide.restore_bar
    qtbot.waitUntil(bar.isVisible, timeout=20_000)
    assert f"A fit of 'ball' was interrupted at {time.strftime('%H:')}" in bar.text.text()
    assert f"iteration {at_checkpoint}" in bar.text.text()
    iterations = []
    session = live_view_of(viewer).session
    session.advanced.connect(lambda state: iterations.append(state.iteration))
    click(qtbot, bar.restore_button)
    qtbot.waitUntil(lambda: len(iterations) > 1, timeout=180_000)
    assert not bar.isVisible()
    assert iterations[0] > at_checkpoint
    assert at_checkpoint >= max(earlier, default=0)
    before = checkpoint_facts(found[0]).losses[:at_checkpoint]
    assert session.worker.losses[:at_checkpoint] == before
    assert {"ball", "mesh", "Fitted mesh"} <= {layer.name for layer in viewer.layers}
    assert guide.fit.form.settings().stages == 12
    assert interrupted(autosaves) == []  # it is this process's now
    click(qtbot, guide.fit.stop_button)
    qtbot.waitUntil(lambda: session.result is not None, timeout=180_000)
    assert len(session.result.loss_history) >= iterations[-1]
    assert not (found[0].parent / RUNNING).exists()


def test_discarding_removes_it(make_napari_viewer_proxy, qtbot, autosaves):
    folders = [kept(autosaves), kept(autosaves)]
    guide = open_dock(make_napari_viewer_proxy(show=True), "deltaMic")
    bar = guide.restore_bar
    qtbot.waitUntil(bar.isVisible, timeout=20_000)
    assert "1 more after this" in bar.text.text()
    click(qtbot, bar.discard_button)
    qtbot.waitUntil(lambda: "more" not in bar.text.text(), timeout=20_000)
    click(qtbot, bar.discard_button)
    qtbot.waitUntil(lambda: not bar.isVisible(), timeout=20_000)
    assert not any(folder.exists() for folder in folders)
