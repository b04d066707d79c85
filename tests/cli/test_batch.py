"""The command ``batch``; what it runs is tested in tests/batch."""

import csv
from contextlib import nullcontext

import pytest
from cli_cases import run

from napari_deltamic.batch.command import read_command
from napari_deltamic.batch.pulse import pulse
from napari_deltamic.imaging import render, write_stack
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF

SPACING, BLUR = (0.6, 0.3, 0.3), ("--sigma", 0.6, 0.3, 0.3)
QUICK = (*BLUR, "--auto", "--label", "interior", "--stages", 1, "--max-iterations", 3)


@pytest.fixture
def stack(tmp_path):
    ball = icosphere((4.0, 4.0, 4.0), 2.0, 3)
    psf = GaussianPSF(SPACING)
    image = render(ball, psf, (14, 28, 28), SPACING, membrane=0.0, interior=100.0)
    path = tmp_path / "ball.tif"
    write_stack(path, image, SPACING)
    return path


def test_a_dry_run_prints_what_would_be_run(stack, tmp_path, capsys):
    assert run("batch", stack, "-o", tmp_path / "out", *QUICK, "--dry-run") == 0
    printed = capsys.readouterr().err
    assert printed.startswith(f"napari-deltamic fit {stack} --sigma 0.6 0.3 0.3 --auto")
    assert not (tmp_path / "out").exists()


def test_one_broken_stack_makes_the_exit_code_and_a_line(stack, tmp_path, capsys):
    (tmp_path / "broken.tif").write_text("none")
    out = tmp_path / "out"
    assert run("batch", stack, tmp_path / "broken.tif", "-o", out, *QUICK, "--workers", 2) == 1
    captured = capsys.readouterr()
    assert "2 items: 1 done, 1 refused." in captured.err
    assert "What needs a look" in captured.out
    with (out / "batch.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done", "refused"]
    assert run("batch", stack, "-o", out, *QUICK) == 0
    assert "1 item: 1 done before." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{stack}", *BLUR, "--auto", "--labl", "interior"), "ball.tif: Unknown option: --labl"),
        (
            ("{stack}", *BLUR, "--stages", "many"),
            "ball.tif: --stages: Input should be a valid integer",
        ),
        (("{stack}", "--psf", "none.json"), "--psf: there is no file"),
        (("none.tif", "--auto"), "there is no file"),
        (("--auto", "{stack}"), "name the stacks first"),
        (("{table}", "{stack}"), "give one table"),
        (("{table}", *BLUR), "table.csv, line 3: stack: there is no file"),
        (("{stack}", *QUICK, "--workers", -1), "--workers"),
    ],
)
def test_wrong_words_are_refused_before_anything_runs(stack, tmp_path, capsys, words, message):
    table = tmp_path / "table.csv"
    table.write_text("stack\nball.tif\nnone.tif\n")
    given = [str(word).format(stack=stack, table=table) for word in words]
    assert run("batch", *given, "-o", tmp_path / "out") == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_folder_in_which_a_batch_runs_is_refused(stack, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    with pulse(out):
        assert run("batch", stack, "-o", out, *QUICK) == 2
    said = capsys.readouterr().err
    assert f"Error: --output: a batch is running in {out}; if it was killed, wait 20 s" in said


def test_the_file_of_a_scheduler_is_kept_by_its_whole_path(stack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scheduler.json").write_text('{"address": "tcp://127.0.0.1:9"}')
    monkeypatch.setattr("napari_deltamic.cli.batch.executor_of", lambda _: nullcontext())
    out = tmp_path / "out"
    assert run("batch", stack, "-o", out, *QUICK, "--scheduler", "scheduler.json") == 0
    words = read_command(out)
    assert words[words.index("--scheduler") + 1] == str(tmp_path / "scheduler.json")
