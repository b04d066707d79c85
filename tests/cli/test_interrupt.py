import json
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


def test_the_first_interrupt_asks_to_stop_and_the_second_aborts(capsys):
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt() as pressed:
        assert not pressed()
        signal.raise_signal(signal.SIGINT)
        assert pressed()
        assert "Stopping" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_leave_signals_alone():
    answers = []

    def work():
        with stop_on_interrupt() as pressed:
            answers.append(pressed())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]


@pytest.mark.skipif(sys.platform == "win32", reason="a console is needed to send Ctrl-C there")
def test_ctrl_c_leaves_the_best_mesh_and_resume_goes_on(sample, sample_files, sigma, tmp_path):
    words = ["fit", sample_files / "stack.tif", "--mesh", sample_files / "start.rec", "--sigma"]
    words += [*sigma, "-o", tmp_path, "--tolerance", "1e-9", "--max-iterations", "200"]
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    line = process.stderr.readline()
    while "stage 2" not in line:
        assert line, "the fit ended before it could be stopped"
        line = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    pressed = time.perf_counter()
    while "Stopping" not in line:
        assert line, "Ctrl-C was not acknowledged"
        line = process.stderr.readline()
    while "stopped by the user" not in line:
        assert line, "the fit did not say that it was stopped"
        line = process.stderr.readline()
    # 0.3 s is the aim; the rest is room for whatever else holds the cores.
    assert time.perf_counter() - pressed < 5.0
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "--resume" in errors

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
        return FitResult(mesh, stack.data, [], [], why, dark, settings, [], psf)

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
