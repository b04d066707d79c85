import ast
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cli_cases import run

import napari_deltamic
from napari_deltamic.cli.app import COMMANDS, app
from napari_deltamic.cli.compress import COMPRESS_COMMANDS
from napari_deltamic.cli.errors import ADVICE, LIBRARY_NAMES, as_typed, typed_names
from napari_deltamic.mesh import TriangleMesh, icosphere, write_mesh

PACKAGE = Path(napari_deltamic.__file__).parent
PYTHON_NAME = re.compile(r"^Error: [a-z_]+:|\b(?!header)\w+=|\w_\w*:", re.MULTILINE)


@pytest.mark.parametrize(
    ("command", "said", "typed"),
    [
        ("fit", "spacing: pass it as spacing=(z, y, x)", "--spacing: pass it as --spacing Z Y X"),
        ("fit", "frame: choose one with frame=0 to 20", "--frame: choose one with --frame 0 to 20"),
        ("fit", "backend: use backend='cpu'", "--backend: use --backend cpu"),
        ("fit", "edge_length: too short", "--edge-length: too short"),
        ("fit", "psf: too wide", "--sigma: too wide"),
        ("fit", "path: a.tif is no TIFF", "STACK: a.tif is no TIFF"),
        ("fit", "a.tif: data: NaN in 3 voxels", "a.tif: NaN in 3 voxels"),
        ("fit", "mesh: not closed", "--mesh: not closed"),
        ("render", "mesh: not closed", "MESH: not closed"),
        ("render", "frame: not one of this command's", "frame: not one of this command's"),
        ("info", "path: a.tif is no TIFF", "FILE: a.tif is no TIFF"),
        ("fit", "--points: a.csv is empty", "--points: a.csv is empty"),
    ],
)
def test_python_names_become_what_is_typed(command, said, typed):
    assert as_typed(said, typed_names(app[command])) == typed


def test_a_name_of_two_options_means_the_one_that_was_typed():
    said = "psf: too wide"
    assert as_typed(said, typed_names(app["fit"], ["--psf=a.json"])) == "--psf: too wide"
    assert as_typed(said, typed_names(app["fit"], ["--sigma", "1"])) == "--sigma: too wide"


def test_the_advice_that_is_reworded_is_still_given():
    texts = [
        node.value
        for path in PACKAGE.rglob("*.py")
        if path.parent.name not in ("cli", "plugin")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    # Formatted parts stand between the constants of a message, so the advice may lie in two.
    assert [advice for advice in ADVICE if not any(advice in text for text in texts)] == []


def test_the_library_names_belong_to_parameters_of_commands():
    below = [app["compress"][name] for name in COMPRESS_COMMANDS]
    commands = [*below, *(app[command] for command in COMMANDS)]
    parameters = {name for command in commands for name in typed_names(command)}
    assert LIBRARY_NAMES.keys() <= parameters


@pytest.fixture(scope="session")
def bad_files(sample, sample_files, tmp_path_factory):
    """Folder with a sound stack and start, and with files that are each wrong in one way."""
    folder = tmp_path_factory.mktemp("bad")
    data = sample.stack.data
    (folder / "stack.tif").write_bytes((sample_files / "stack.tif").read_bytes())
    (folder / "start.rec").write_bytes((sample_files / "start.rec").read_bytes())
    (folder / "points.csv").write_text("z,y,x\n4.6,3.9,3.9\n")
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    (folder / "text.tif").write_text("no image")
    holed = data.copy()
    holed[0, 0, 0] = np.nan
    for name, image in (
        ("bare", data),
        ("holed", holed),
        ("flat", np.ones_like(data)),
        ("film", np.stack([data, data])),
        ("plane", data[0]),
    ):
        axes = "TZYX"[4 - image.ndim :]
        tifffile.imwrite(folder / f"{name}.tif", image, imagej=True, metadata={"axes": axes})
    ball = icosphere((4.6, 3.9, 3.9), 2.0, 2)
    write_mesh(TriangleMesh(ball.vertices, ball.faces[1:]), folder / "open.ply")
    write_mesh(ball.with_vertices(ball.vertices + 100.0), folder / "far.rec")
    return folder


FIT = "fit stack.tif --mesh start.rec --sigma .5 .3 .3 -o made/here"
RENDER = "render start.rec --shape 20 20 20 --spacing 1 1 1 --sigma 1 1 1 -o made.tif"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (FIT.replace("stack", "bare"), "pass the voxel size in um as --spacing Z Y X"),
        (FIT.replace("stack", "film") + " --spacing 1 1 1", "choose one with --frame 0 to 1"),
        (FIT.replace("stack", "holed") + " --spacing 1 1 1", "NaN or infinite"),
        (FIT.replace("stack", "flat") + " --spacing 1 1 1", "STACK: every voxel"),
        (FIT.replace("stack", "plane") + " --spacing 1 1 1", "STACK:"),
        (FIT.replace("stack", "text"), "STACK:"),
        (FIT.replace(".5 .3", ".5 -.3"), "--sigma: expected three positive widths"),
        (FIT.replace(".5 .3", ".5"), "--sigma: needs 3 values, got 2"),
        (FIT.replace("--sigma .5 .3 .3", ""), "give the blur once: --sigma"),
        (FIT + " --psf start.rec", "give the blur once: --sigma"),
        (FIT.replace("--sigma .5 .3 .3", "--psf start.rec"), "a PSF file ends in .json"),
        (FIT.replace(".5", "50"), "--sigma: along z"),
        (FIT + " --spacing 1 1 -1", "--spacing: expected"),
        (FIT + " --spacing 1 1 nan", "--spacing. Must be finite"),
        (FIT + " --channel 0.6", '--channel: unable to convert "0.6"'),
        (FIT + " --channel 3", "--channel:"),
        (FIT + " --edge-length 0.0001 --stages 1", "--edge-length:"),
        (FIT + " --stages 2.5", "--stages:"),
        (FIT + " --resume", "--resume:"),
        (FIT + " more", "not expected: more"),
        (FIT.replace("start", "far"), "--mesh: region 1 lies outside"),
        (FIT.replace("start.rec", "open.ply"), "--mesh: the surface of region 1 is not closed"),
        (FIT.replace("--mesh start.rec", "--threshold 1e9"), "lower --threshold, check"),
        (FIT.replace("--mesh start.rec", "--threshold 1e9"), "by hand (--points)"),
        (FIT.replace("--mesh start.rec", "--threshold nan"), "--threshold. Must be finite"),
        (FIT.replace("--mesh start.rec", "--points points.csv --radius -1"), "--radius: must be"),
        (FIT.replace("--mesh start.rec", "--points binary.csv --radius 1"), "is not a CSV file"),
        (FIT.replace("--mesh start.rec", ""), "none was given"),
        (FIT.replace("made/here", "stack.tif/here"), "--output: cannot make the folder"),
        (RENDER.replace("20 20 20", "20 20.5 20"), '--shape: unable to convert "20.5"'),
        (RENDER + " --origin 99 0 0", "MESH: it lies outside the stack: it spans"),
        (RENDER + " --background nan", "--background. Must be finite"),
        (RENDER.replace("start.rec", "open.ply") + " --interior 1", "or leave --interior out"),
        ("measure text.tif", "unknown mesh format"),
        ("info text.tif", "FILE: text.tif is not a readable TIFF"),
        ("demo --seed -1 -o made/here", "--seed. Must be >= 0"),
    ],
)
def test_a_refusal_speaks_of_options_and_leaves_nothing(
    bad_files, capsys, monkeypatch, line, message
):
    monkeypatch.chdir(bad_files)
    before = sorted(bad_files.iterdir())
    assert run(*line.split()) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert not PYTHON_NAME.search(shown)
    assert "Traceback" not in shown
    assert sorted(bad_files.iterdir()) == before


def test_warnings_speak_of_options_too(bad_files, capsys, monkeypatch):
    monkeypatch.chdir(bad_files)
    assert run(*RENDER.replace("--sigma 1 1 1", "--sigma 90 90 90").split()) == 0
    (bad_files / "made.tif").unlink()
    assert "--sigma: its half-width" in capsys.readouterr().err
    assert run("measure", "open.ply") == 0
    assert "napari_deltamic.mesh.closed may mend it, in Python" in capsys.readouterr().err


def test_a_file_name_is_not_folded(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert run("measure", "a/long/path/that/does/not/exist/at/all.rec") == 2
    assert '"a/long/path/that/does/not/exist/at/all.rec" does not exist' in capsys.readouterr().err
