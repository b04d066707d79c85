import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from cli_cases import PROGRAM, run

from napari_deltamic.cli.interrupt import stop_on_interrupt
from napari_deltamic.fitting import FitResult, Intensities
from napari_deltamic.imaging import read_stack
from napari_deltamic.mesh import read_mesh


def test_the_first_interrupt_asks_to_stop_and_the_second_aborts(capfd):
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt() as pressed:
        assert not pressed()
        signal.raise_signal(signal.SIGINT)
        assert pressed()
        assert "Stopping" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_while_a_line_is_written_to_the_terminal(capfd, monkeypatch):
    class Interrupting(io.RawIOBase):
        def writable(self):
            return True

        def write(self, line):
            signal.raise_signal(signal.SIGINT)
            return len(line)

    with stop_on_interrupt() as pressed:
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(Interrupting())))
        sys.stderr.write("stage 2")
        sys.stderr.flush()
        assert pressed()
    monkeypatch.undo()
    assert "Stopping" in capfd.readouterr().err


def test_other_threads_leave_signals_alone():
    answers = []

    def work():
        with stop_on_interrupt() as pressed:
            answers.append(pressed())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]


def wait_for_line(process, words):
    """Read what a program says until a line has these words; fail where it ends before that."""
    said = []
    for line in process.stderr:
        said.append(line)
        if words in line:
            return
    pytest.fail(f"it ended without saying {words!r}: {''.join(said)}")


@pytest.mark.skipif(sys.platform == "win32", reason="a console is needed to send Ctrl-C there")
def test_ctrl_c_leaves_the_best_mesh_and_resume_goes_on(sample, sample_files, sigma, tmp_path):
    words = ["fit", sample_files / "stack.tif", "--mesh", sample_files / "start.rec", "--sigma"]
    words += [*sigma, "-o", tmp_path, "--tolerance", "1e-9", "--max-iterations", "200"]
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # As users run it: with a buffer, in the middle of whose flush Ctrl-C may come.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    wait_for_line(process, "stage 2")
    process.send_signal(signal.SIGINT)
    pressed = time.perf_counter()
    wait_for_line(process, "Stopping")
    wait_for_line(process, "stopped by the user")
    # 0.3 s is the aim; the rest is room for whatever else holds the cores.
    assert time.perf_counter() - pressed < 5.0
    wait_for_line(process, "--resume")
    process.communicate(timeout=120)
    assert process.returncode == 130

    facts = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    stopped_at = len(facts["loss_history"])
    assert facts["stop_reason"].startswith("stopped by the user")
    assert 0 < stopped_at < 800
    assert read_mesh(tmp_path / "mesh.rec").volumes()[0] == pytest.approx(
        sample.truth.volumes()[0], rel=0.2
    )
    rendering = read_stack(tmp_path / "rendering.ome.tif").data
    assert np.corrcoef(rendering.ravel(), sample.stack.data.ravel())[0, 1] > 0.8
    assert (tmp_path / "picture.png").stat().st_size > 10_000

    assert run(*words, "--resume") == 0
    resumed = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    assert resumed["loss_history"][:stopped_at] == facts["loss_history"]
    assert len(resumed["loss_history"]) > stopped_at


def test_a_demo_that_was_stopped_ends_with_130(tmp_path, capsys, monkeypatch):
    from napari_deltamic.cli import running

    def stopped(stack, mesh, psf, settings):
        dark = Intensities(np.ones(1), np.empty(0), 0.0)
        why = "stopped by the user at iteration 0"
        return FitResult(mesh, [], [], why, dark, settings, [], psf, lambda: stack.data)

    monkeypatch.setattr(running, "run_fit", stopped)
    assert run("demo", "--sample", "bumpy", "-o", tmp_path / "demo") == 130
    assert (tmp_path / "demo" / "mesh.rec").is_file()


def test_a_benchmark_that_was_stopped_shows_no_figures_of_its_fit(capsys, monkeypatch):
    from napari_deltamic.cli import benchmark, running

    class Stopped:
        stop_reason = "stopped by the user at iteration 0"

    monkeypatch.setattr(benchmark, "BANDS", ())
    monkeypatch.setattr(running, "run_fit", lambda *_: Stopped)
    assert run("benchmark") == 130
    assert "Fit:" not in capsys.readouterr().out
