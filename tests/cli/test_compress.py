"""The commands below ``compress``, and the files that they leave."""

import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import numpy as np
import pytest
import tifffile
from cli_cases import PROGRAM, run
from test_errors import PYTHON_NAME
from test_interrupt import wait_for_line

import napari_deltamic as dm
from napari_deltamic.cli.compress import COMPRESS_COMMANDS
from napari_deltamic.cli.compress_files import write_frames
from napari_deltamic.compressive import (
    acquisition_of,
    load_model,
    read_frames,
    read_masks,
    reconstruct,
    save_model,
    simulate,
)
from napari_deltamic.imaging import read_stack, render, render_frames, write_stack
from napari_deltamic.mesh import bumpy_sphere, read_mesh, write_mesh

SHAPE, SPACING = (16, 32, 32), (0.4, 0.2, 0.2)
SIGMA = (0.5, 0.3, 0.3)
QUICK = ("--epochs", 2, "--binning", 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with a cell as body.rec and start.rec, a stack of it, and labels of that."""
    made = tmp_path_factory.mktemp("compress")
    body = bumpy_sphere((3.0, 3.1, 3.1), 1.9, 0.15, seed=1)
    write_mesh(body, made / "body.rec")
    write_mesh(dm.seed_spheres([(3.1, 3.0, 3.2)], radius=1.9), made / "start.rec")
    image = render(body, dm.GaussianPSF(SIGMA), SHAPE, SPACING, interior=50.0, membrane=20.0)
    write_stack(made / "stack.tif", image, SPACING)
    write_stack(made / "labels.tif", (image > 0.5 * image.max()).astype(np.uint8), SPACING)
    return made


@pytest.fixture(scope="module")
def trained(folder):
    words = ("compress", "train", folder / "stack.tif", "-o", folder / "model.pt", *QUICK)
    assert run(*words) == 0
    return folder / "model.pt"


@pytest.mark.parametrize("command", COMPRESS_COMMANDS)
def test_every_command_explains_its_options(command, capsys):
    assert run("compress", command, "--help") == 0
    shown = capsys.readouterr().out
    assert f"napari-deltamic compress {command}" in shown
    assert COMPRESS_COMMANDS[command] in shown


def test_train_writes_a_model_and_says_how_good_it_is(folder, tmp_path, capsys):
    words = ("--photons", 200, "--frames", 3, "--psf", tmp_path / "psf.json")
    dm.save_psf(dm.GaussianPSF(SIGMA), tmp_path / "psf.json")
    files = (folder / "stack.tif", folder / "stack.tif", "-o", tmp_path / "m.pt")
    assert run("compress", "train", *files, *QUICK, *words, "--excitation-sigma", 1, 1, 1) == 0
    captured = capsys.readouterr()
    number = r" +-?\d+\.\d+"
    assert re.search(rf"model {3 * number} *\n", captured.out)
    assert re.search(rf"even light, bicubic {3 * number} *\n", captured.out)
    assert "Dice" not in captured.out
    assert "Fields of 32 x 32 voxels, 5.33 times fewer numbers" in captured.err
    assert re.search(r"epoch 2 of 2: loss 0\.\d+, validation loss 0\.\d+", captured.err)
    assert "all 2 epochs are done" in captured.err
    model = load_model(tmp_path / "m.pt")
    assert (model.settings.frames, model.settings.photons) == (3, 200.0)
    np.testing.assert_allclose(model.spacing, SPACING, rtol=1e-6)
    np.testing.assert_allclose(model.emission.sigma.detach(), SIGMA)
    np.testing.assert_allclose(model.excitation.sigma.detach(), 1.0)


@pytest.mark.parametrize(("task", "rounds"), [(None, 2), ("joint", 3)])
def test_train_finds_labels(folder, tmp_path, capsys, task, rounds):
    words = ("--labels", folder / "labels.tif", *(("--task", task) if task else ()))
    files = (folder / "stack.tif", "-o", tmp_path / "m.pt")
    assert run("compress", "train", *files, *QUICK, *words) == 0
    captured = capsys.readouterr()
    ended = re.findall(r"(\w+): all 2 epochs", captured.err)
    assert ended == ["reconstruct", "segment", "joint"][:rounds]
    assert "Dice" in captured.out
    assert re.search(r"even light, bicubic .* - *\n", captured.out)


def test_a_resumed_training_ends_like_an_undisturbed_one(folder, tmp_path, capsys, monkeypatch):
    words = ("compress", "train", folder / "stack.tif", "--labels", folder / "labels.tif", *QUICK)
    assert run(*words, "-o", tmp_path / "whole.pt") == 0

    def pressed():
        """Ctrl-C once the second task has an epoch."""
        return (tmp_path / "c-segment.pt").exists()

    progress = "napari_deltamic.cli.compress_progress.stop_on_interrupt"
    monkeypatch.setattr(progress, lambda kept: nullcontext(pressed))
    kept = ("-o", tmp_path / "part.pt", "--checkpoint", tmp_path / "c.pt")
    assert run(*words, *kept) == 130
    said = capsys.readouterr().err
    assert "segment: stopped by the user in epoch 1; the best was epoch 1" in said
    assert "Run the same command with --resume to go on." in said
    assert {"c.pt", "c-segment.pt"} < {file.name for file in tmp_path.iterdir()}
    monkeypatch.undo()
    assert run(*words, *kept, "--resume") == 0
    whole, part = (load_model(tmp_path / f"{name}.pt").state_dict() for name in ("whole", "part"))
    assert all((value == part[name]).all() for name, value in whole.items())


@pytest.mark.skipif(sys.platform == "win32", reason="a console is needed to send Ctrl-C there")
def test_ctrl_c_leaves_the_best_model(folder, tmp_path):
    words = ["compress", "train", folder / "stack.tif", "-o", tmp_path / "m.pt", "--epochs", 500]
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    wait_for_line(process, "epoch 2 of 500")
    process.send_signal(signal.SIGINT)
    pressed = time.perf_counter()
    wait_for_line(process, "Stopping, and keeping the best model")
    wait_for_line(process, "stopped by the user in epoch")
    # 0.3 s is the aim; the rest is room for whatever else holds the cores.
    assert time.perf_counter() - pressed < 5.0
    shown, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"Wrote {tmp_path / 'm.pt'}" in said
    assert "even light, bicubic" in shown
    assert run("compress", "patterns", tmp_path / "m.pt", "-o", tmp_path / "p.tif") == 0


def test_patterns_are_those_of_the_model(trained, tmp_path, capsys):
    assert run("compress", "patterns", trained, "-o", tmp_path / "p.tif") == 0
    assert "4 patterns of 32 x 32 pixels" in capsys.readouterr().err
    masks = load_model(trained).patterns.binary().numpy()
    np.testing.assert_array_equal(read_masks(tmp_path / "p.tif"), masks)


def test_frames_that_were_simulated_are_reconstructed(folder, trained, tmp_path, capsys):
    files = ("-o", tmp_path / "out.tif", "--frames", tmp_path / "frames.tif")
    assert run("compress", "simulate", trained, folder / "stack.tif", *files) == 0
    assert re.search(r"model +\d\.\d+ +\d+\.\d +0\.\d+", capsys.readouterr().out)
    model = load_model(trained)
    expected = simulate(model, read_stack(folder / "stack.tif").data)
    found = read_stack(tmp_path / "out.tif")
    np.testing.assert_allclose(found.data, expected.reconstruction, atol=1e-5)
    np.testing.assert_allclose(found.spacing, SPACING, rtol=1e-6)
    frames = read_frames(tmp_path / "frames.tif", model)
    np.testing.assert_allclose(frames, expected.frames, atol=1e-5)

    raised = tmp_path / "raised.tif"
    tifffile.imwrite(raised, frames + 100, photometric="minisblack")
    words = ("compress", "reconstruct", trained, raised, "-o", tmp_path / "image.tif")
    assert run(*words, "--offset", 100) == 0
    image = read_stack(tmp_path / "image.tif")
    np.testing.assert_allclose(image.data, reconstruct(model, frames), atol=1e-3)
    np.testing.assert_allclose(image.spacing, SPACING, rtol=1e-6)


def test_simulate_warns_of_other_voxels(folder, trained, tmp_path, capsys):
    write_stack(tmp_path / "fine.tif", read_stack(folder / "stack.tif").data, (0.4, 0.1, 0.1))
    words = ("compress", "simulate", trained, tmp_path / "fine.tif", "-o", tmp_path / "out.tif")
    assert run(*words) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "Voxels of fine.tif are 0.1 x 0.1 um (y, x), the model's 0.2 x 0.2" in said


@pytest.mark.parametrize("start", ["mesh", "points"])
def test_a_mesh_is_fitted_to_frames(folder, trained, tmp_path, capsys, start):
    model, body = load_model(trained), read_mesh(folder / "body.rec")
    acquisition = acquisition_of(model, SHAPE[0], dm.GaussianPSF(SIGMA))
    write_frames(tmp_path / "frames.tif", render_frames(body, acquisition), model)
    (tmp_path / "points.csv").write_text("z,y,x\n7.75,15,16\n")
    words = {
        "mesh": ("--mesh", folder / "start.rec"),
        "points": ("--points", tmp_path / "points.csv", "--points-unit", "voxel", "--radius", 1.9),
    }[start]
    made = ("-o", tmp_path / "fitted", "--sigma", *SIGMA, "--max-iterations", 30)
    assert run("compress", "fit", trained, tmp_path / "frames.tif", *words, *made) == 0
    assert "1 region fitted to frames.tif" in capsys.readouterr().out
    found = read_mesh(tmp_path / "fitted" / "mesh.rec").volumes()
    np.testing.assert_allclose(found, body.volumes(), rtol=0.05)
    assert read_stack(tmp_path / "fitted" / "rendering.ome.tif").data.shape == SHAPE
    names = {file.name for file in (tmp_path / "fitted").iterdir()}
    assert {"mesh.ply", "measures.csv", "fit.json", "psf.json"} < names
    assert "picture.png" not in names


@pytest.fixture(scope="module")
def wrong(folder, trained, tmp_path_factory):
    """Folder with sound files, and with files that are each wrong in one way."""
    made = tmp_path_factory.mktemp("wrong")
    for name in ("stack.tif", "labels.tif", "start.rec", "model.pt"):
        (made / name).write_bytes((folder / name).read_bytes())
    image = read_stack(folder / "stack.tif").data
    write_stack(made / "thin.tif", image[5:11], SPACING)
    write_stack(made / "flat.tif", np.ones(SHAPE, np.float32), SPACING)
    write_stack(made / "small.tif", image[:, :10, :10], SPACING)
    write_stack(made / "coarse.tif", image, (0.4, 0.3, 0.3))
    tifffile.imwrite(made / "bare.tif", image)
    tifffile.imwrite(
        made / "film.tif", np.stack([image] * 2), imagej=True, metadata={"axes": "TZYX"}
    )
    (made / "text.pt").write_text("no model")
    model = load_model(trained)
    write_frames(made / "even.tif", np.ones((4, 8, 8, 8), np.float32), model)
    bright = np.arange(2048, dtype=np.float32).reshape(4, 8, 8, 8)
    write_frames(made / "frames.tif", bright, model)
    write_frames(made / "plane.tif", np.ones((4, 1, 8, 8), np.float32), model)
    write_frames(made / "three.tif", np.ones((3, 8, 8, 8), np.float32), model)
    return made


TRAIN = "train stack.tif -o made.pt --epochs 1"
FIT = "fit model.pt frames.tif -o made --sigma .5 .3 .3 --mesh start.rec"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train -o made.pt", "STACKS is missing"),
        (TRAIN.replace("made.pt", "made.tif"), "--output: made.tif must end in .pt"),
        (TRAIN.replace("stack", "none"), '"none.tif" does not exist'),
        (TRAIN.replace("stack", "bare"), "pass the voxel size in um as --spacing Z Y X"),
        (TRAIN.replace("stack", "film"), "--time-point: film.tif has 2 frames"),
        (TRAIN.replace("stack", "film"), "choose one with --time-point 0 to 1"),
        (TRAIN.replace("stack", "thin"), "thin.tif: "),
        (TRAIN.replace("stack", "flat"), "flat.tif: "),
        (TRAIN.replace("stack", "small"), "--binning: 8 needs images of at least 16 x 16"),
        (TRAIN.replace("stack.tif", "stack.tif coarse.tif"), "--spacing: voxels of coarse.tif are"),
        (TRAIN.replace("stack", "text") + " --size 32", "text.tif"),
        (TRAIN + " --size 30", "--size: expected multiples of 16"),
        (TRAIN + " --size 64", "--size: patches of 64 voxels"),
        (TRAIN + " --binning 5 --size 32", "--binning: "),
        (TRAIN + " --frames 0", "--frames: "),
        (TRAIN + " --patterns wavy", "--patterns: Input should be 'learned'"),
        (TRAIN + " --patterns hadamard --binning 2 --frames 5", "--binning: Hadamard masks need"),
        (TRAIN + " --sigma 1 1 0", "--sigma: expected three positive widths"),
        (TRAIN + " --excitation-sigma 1 1 0", "--excitation-sigma: expected three positive"),
        (TRAIN + " --sigma 1 1 1 --psf stack.tif", "--sigma: give it or --psf, not both"),
        (TRAIN + " --psf stack.tif", "a PSF file ends in .json"),
        (TRAIN + " --task joint", "--task: joint needs --labels"),
        (TRAIN + " --task reconstruct --labels labels.tif", "--labels: goes with --task segment"),
        (TRAIN + " --labels labels.tif labels.tif", "--labels: 2 files for 1 stack; give one"),
        (TRAIN + " --labels stack.tif", "--labels: stack.tif holds float32"),
        (TRAIN + " --labels thin.tif", "--labels: thin.tif has shape (6, 32, 32)"),
        (TRAIN + " --resume", "--resume: goes with --checkpoint"),
        (TRAIN + " --resume --checkpoint none.pt", "--resume: none.pt does not exist"),
        (
            TRAIN + " --resume --checkpoint text.pt",
            "cannot be read; start without --resume",
        ),
        (TRAIN + " --checkpoint made.pt", "--checkpoint: made.pt is --output too"),
        ("patterns text.pt -o made.tif", "MODEL: text.pt is not a model; give a file"),
        ("patterns model.pt -o made.png", "--output: made.png must end in .tif"),
        ("simulate model.pt bare.tif -o made.tif --seed -1", "--seed. Must be >= 0"),
        ("simulate model.pt text.pt -o made.tif", "STACK: text.pt is not a readable"),
        ("simulate model.pt small.tif -o made.tif", "STACK: planes of at least 11 x 11"),
        ("simulate model.pt film.tif -o made.tif", "choose one with --time-point 0 to 1"),
        (
            "simulate model.pt stack.tif -o made.tif --frames made.tif",
            "--frames: made.tif is --o",
        ),
        ("reconstruct model.pt three.tif -o made.tif", "FRAMES: three.tif holds frames of shape"),
        ("reconstruct model.pt text.pt -o made.tif", "FRAMES: text.pt is not a readable TIFF file"),
        ("reconstruct text.pt frames.tif -o made.tif", "MODEL: text.pt is not a model"),
        ("reconstruct model.pt even.tif -o made.tif --offset 1", "FRAMES: their mean is 0"),
        (FIT.replace("--sigma .5 .3 .3", ""), "give --sigma or --psf"),
        (FIT.replace("frames", "plane"), "FRAMES: plane.tif holds a single plane"),
        (FIT.replace("--mesh start.rec", ""), "--points with --radius; none was given"),
        (FIT + " --points labels.tif", "--points with --radius; both were given"),
        (FIT + " --radius 2", "--radius: goes with --points"),
        (FIT + " --resume", "--resume: made/checkpoint.npz does not exist"),
        (FIT + " --learn sigma", "--learn: not possible with frames"),
        (FIT.replace("frames", "even"), "FRAMES: every pixel is 1, so there is nothing to fit"),
    ],
)
def test_a_refusal_speaks_of_options_and_leaves_nothing(wrong, capsys, monkeypatch, line, message):
    monkeypatch.chdir(wrong)
    before = sorted(wrong.iterdir())
    assert run("compress", *line.split()) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len([part for part in said.splitlines() if "Error" in part]) == 1
    assert said.splitlines()[-1].startswith("Error: ")
    assert not PYTHON_NAME.search(said)
    assert "Traceback" not in said
    assert sorted(wrong.iterdir()) == before


def test_a_model_with_a_blur_needs_none_to_fit(folder, tmp_path):
    model = load_model_with_blur(folder / "model.pt", tmp_path / "blurred.pt")
    acquisition = acquisition_of(model, SHAPE[0])
    frames = render_frames(read_mesh(folder / "body.rec"), acquisition)
    write_frames(tmp_path / "frames.tif", frames, model)
    files = (tmp_path / "blurred.pt", tmp_path / "frames.tif", "-o", tmp_path / "fitted")
    words = ("--mesh", folder / "start.rec", "--max-iterations", 3)
    assert run("compress", "fit", *files, *words) == 0
    psf = dm.load_psf(tmp_path / "fitted" / "psf.json")
    np.testing.assert_allclose(psf.sigma.detach(), SIGMA)


def load_model_with_blur(path, out):
    model = load_model(path)
    model.emission = dm.GaussianPSF(SIGMA)
    save_model(model, out)
    return load_model(out)
