import time

import pytest
from cli_cases import run, run_process

from napari_deltamic import __version__
from napari_deltamic.cli.app import COMMANDS


def test_help_takes_less_than_a_second_and_names_every_command():
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = run_process("--help")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0
    assert done.returncode == 0
    assert all(f" {command} " in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_its_options(command, capsys):
    assert run(command, "--help") == 0
    shown = capsys.readouterr().out
    assert f"napari-deltamic {command}" in shown
    assert COMMANDS[command] in shown


def test_help_of_fit_shows_the_settings_without_loading_torch():
    done = run_process("fit", "--help")
    assert "--edge-length" in done.stdout
    assert "What the dye marks" in done.stdout


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["paint"], "paint"),
        (["measure"], "MESH"),
        (["measure", "no-such-file.rec"], "no-such-file.rec"),
        (["info", "--colour"], "--colour"),
        (["benchmark", "--repeats", "0"], "--repeats"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_names_what_is_wrong(words, message, capsys):
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert message in captured.err + captured.out
    assert "Traceback" not in captured.err + captured.out


def test_bad_input_gives_a_sentence_and_only_debug_the_traceback(tmp_path, capsys):
    broken = tmp_path / "broken.rec"
    broken.write_text("not a mesh")
    assert run("measure", broken) == 2
    plain = capsys.readouterr().err
    assert "broken.rec" in plain
    assert "Traceback" not in plain
    assert run("--debug", "measure", broken) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_failure_ends_with_1(tmp_path, capsys, monkeypatch):
    from napari_deltamic.cli import info

    def fail():
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(info, "installation", fail)
    assert run("info") == 1
    assert capsys.readouterr().err.strip() == "Error: somewhere: No space left on device"
