"""Disks that are full, and files and folders that go away or cannot be written, in mid-run.

The disk is full in earnest: the process may write no file longer than so many bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from cli_cases import PROGRAM, run

from napari_deltamic.archives import read_npz
from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.paths import output_folder
from napari_deltamic.imaging import read_stack
from napari_deltamic.mesh import read_mesh

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs limits and signals of POSIX")

FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
from napari_deltamic.cli import main
main()
"""
EARLIER = ("--stages", 1, "--max-iterations", 2)
LATER = ("--stages", 1, "--max-iterations", 6)


@pytest.fixture(scope="module")
def words(sample_files, sigma):
    """Words of a fit; the place it writes to comes behind."""
    start = sample_files / "start.rec"
    return ("fit", sample_files / "stack.tif", "--mesh", start, "--sigma", *sigma, "-o")


@pytest.fixture(scope="module")
def earlier(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    assert run(*words, folder, *EARLIER) == 0
    return folder


@pytest.fixture
def folder(earlier, tmp_path):
    """Folder that holds the result of an earlier fit."""
    return shutil.copytree(earlier, tmp_path / "out")


def contents(folder):
    return {one.name: one.read_bytes() for one in folder.iterdir()}


def run_full(most, *words):
    """Run a command that can write no file of more than so many bytes."""
    return subprocess.run(
        [sys.executable, "-c", FULL, str(most), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def begun(*words):
    """Return a command that runs, once its first stage has begun."""
    process = subprocess.Popen([*PROGRAM, *map(str, words)], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "stage 1" in line:
            return process
    raise AssertionError("the fit ended before it began")


def ended(process):
    """Stop a command as Ctrl-C does; return its exit code and what it said."""
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    return process.returncode, said


def test_a_disk_that_is_full_from_the_first_byte(words, folder):
    before = contents(folder)
    done = run_full(0, *words, folder, *LATER)
    assert done.returncode == 1
    assert f"the progress could not be kept in {folder / 'checkpoint.npz'}" in done.stderr
    assert f"Error: {folder / 'mesh.ply'}: File too large" in " ".join(done.stderr.split())
    # The checkpoint is the earlier fit's.
    assert "--resume" not in done.stderr
    assert contents(folder) == before


def test_a_disk_that_gets_full_while_the_result_is_written(words, folder):
    before = contents(folder)
    # Room for the first mesh, but not for the longer one that keeps the regions.
    done = run_full(len(before["mesh.rec"]) - 1000, *words, folder, *LATER)
    assert done.returncode == 1
    assert "mesh.rec: File too large" in " ".join(done.stderr.split())
    after = contents(folder)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {"mesh.ply"}
    assert len(read_mesh(folder / "mesh.ply").faces) == len(read_mesh(folder / "mesh.rec").faces)


def test_a_result_that_could_not_be_written_is_not_fitted_again(words, earlier, tmp_path, capsys):
    (tmp_path / "mesh.ply").mkdir()
    assert run(*words, tmp_path, *EARLIER) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"{tmp_path / 'mesh.ply'}: Is a directory" in said
    assert f"is kept in {tmp_path}: put that right" in said
    assert "run the same command with --resume" in said
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["checkpoint.npz"]
    (tmp_path / "mesh.ply").rmdir()
    assert run(*words, tmp_path, *EARLIER, "--resume") == 0
    assert (tmp_path / "mesh.rec").read_bytes() == (earlier / "mesh.rec").read_bytes()


def test_the_stack_is_deleted_in_mid_run(words, sample_files, tmp_path):
    stack = shutil.copy(sample_files / "stack.tif", tmp_path / "stack.tif")
    words = (words[0], stack, *words[2:])
    process = begun(*words, tmp_path / "out", "--tolerance", 1e-9, "--max-iterations", 2000)
    Path(stack).unlink()
    code, said = ended(process)
    assert code == 130, said
    assert len(read_mesh(tmp_path / "out" / "mesh.rec").faces) > 0
    # Only who goes on needs it again, and is told.
    assert run(*words, tmp_path / "out", "--resume") == 2


def test_the_output_folder_is_deleted_in_mid_run(words, tmp_path):
    out = tmp_path / "out"
    process = begun(*words, out, "--tolerance", 1e-9, "--max-iterations", 2000)
    shutil.rmtree(out)
    code, said = ended(process)
    assert code == 130, said
    assert "could not be kept" in said
    facts = json.loads((out / "fit.json").read_text(encoding="utf-8"))
    assert facts["stop_reason"].startswith("stopped by the user")
    shape = read_stack(out / "rendering.ome.tif").data.shape
    assert facts["stack"]["shape"] == list(shape)


@pytest.fixture
def read_only():
    """A folder that this process may not write into, whoever runs it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "inner"
        folder.mkdir()
        Path(name).chmod(0o755)
        folder.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


@pytest.mark.parametrize("inside", [".", "new"])
def test_a_folder_that_cannot_be_written_into_is_refused_at_once(read_only, inside):
    with (
        pytest.raises(UsageError, match=r"--output: cannot .* folder .*inner.*Permission denied"),
        output_folder("--output", read_only / inside),
    ):
        pytest.fail("the work began")


def test_a_checkpoint_cut_in_half(words, folder, capsys):
    file = folder / "checkpoint.npz"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    before = contents(folder)
    assert run(*words, folder, *EARLIER, "--resume") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"--resume: {file} cannot be read" in said
    assert "start without --resume" in said or "start afresh" in said
    assert contents(folder) == before
    assert run(*words, folder, *EARLIER) == 0
    assert len(read_npz(file)) > 0


def test_a_checkpoint_of_another_fit(words, folder, capsys):
    before = contents(folder)
    assert run(*words, folder, "--stages", 2, "--resume") == 2
    assert "belongs to a fit of another" in " ".join(capsys.readouterr().err.split())
    assert contents(folder) == before


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_process_killed_while_it_writes_a_file_leaves_the_earlier_one(share, tmp_path):
    file = tmp_path / "mesh.rec"
    file.write_bytes(b"earlier")
    content = bytes(range(256)) * 4000
    writer = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from napari_deltamic.replacing import replacing\n"
        f"with replacing(Path({str(file)!r})) as name:\n"
        f"    name.write_bytes(bytes({int(share * len(content))}))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", writer]).returncode == -signal.SIGKILL
    assert file.read_bytes() == b"earlier"
    (left,) = (one for one in tmp_path.iterdir() if one != file)
    assert left.name.startswith(".mesh.")


def test_what_a_killed_process_left_is_taken_away_later(tmp_path):
    from napari_deltamic.mesh import icosphere, write_mesh

    names = {"old": "0" * 16, "new": "1" * 16}
    left = {key: tmp_path / f".mesh.{token}.rec" for key, token in names.items()}
    other = tmp_path / f".other.{names['old']}.rec"
    for one in (*left.values(), other):
        one.write_text("half")
    for one in (left["old"], other):
        os.utime(one, (0, 0))
    write_mesh(icosphere(np.zeros(3), 1.0, 1), tmp_path / "mesh.rec")
    # One of another file, and one that somebody may be writing now, stay.
    assert set(tmp_path.iterdir()) == {tmp_path / "mesh.rec", left["new"], other}
