import csv
import json
import re

import numpy as np
import pytest
from cli_cases import run, run_process

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.fit import chosen_settings
from napari_deltamic.fitting import FitSettings
from napari_deltamic.imaging import read_stack
from napari_deltamic.mesh import mean_surface_distance, read_mesh, write_mesh
from napari_deltamic.optics import load_psf

QUICK = ("--stages", 2, "--max-iterations", 40)


@pytest.fixture(scope="session")
def fitted(sample, sample_files, sigma, tmp_path_factory):
    """Folder that one small fit has written into."""
    folder = tmp_path_factory.mktemp("fitted") / "made" / "here"
    start = sample_files / "start.rec"
    words = ("fit", sample_files / "stack.tif", "--mesh", start, "--sigma", *sigma)
    assert run(*words, "-o", folder, *QUICK) == 0
    return folder


def test_fit_finds_the_cell(fitted, sample):
    before = mean_surface_distance(sample.seed_mesh, sample.truth).mean
    after = mean_surface_distance(read_mesh(fitted / "mesh.rec"), sample.truth).mean
    assert after < 0.1 * before


def test_fit_leaves_all_files_and_no_others(fitted):
    assert sorted(file.name for file in fitted.iterdir()) == [
        "checkpoint.npz",
        "fit.json",
        "measures.csv",
        "mesh.ply",
        "mesh.rec",
        "picture.png",
        "psf.json",
        "rendering.ome.tif",
    ]


def test_the_two_mesh_files_hold_one_mesh(fitted):
    labelled, plain = read_mesh(fitted / "mesh.rec"), read_mesh(fitted / "mesh.ply")
    np.testing.assert_allclose(plain.vertices, labelled.vertices, atol=1e-5)
    with (fitted / "measures.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["volume"]) == pytest.approx(labelled.volumes()[0])


def test_the_rendering_lies_on_the_stacks_voxels_and_explains_it(fitted, sample):
    rendering = read_stack(fitted / "rendering.ome.tif")
    np.testing.assert_allclose(rendering.spacing, sample.stack.spacing)
    assert rendering.shape == sample.stack.shape
    residual = np.var(sample.stack.data - rendering.data)
    assert residual < 0.1 * np.var(sample.stack.data)


def test_fit_json_says_how_and_why(fitted, sample):
    facts = json.loads((fitted / "fit.json").read_text(encoding="utf-8"))
    assert facts["settings"]["stages"] == 2
    assert facts["settings"]["max_iterations"] == 40
    assert FitSettings(**facts["settings"]).label == "membrane"
    assert len(facts["stage_starts"]) == 2
    assert facts["loss_history"][-1] < 0.5 * facts["loss_history"][0]
    assert facts["stop_reason"].startswith("the last stage")
    assert facts["stack"]["spacing_um"] == pytest.approx(sample.stack.spacing)
    assert len(facts["intensities"]["membrane_per_um2"]) == 1
    assert facts["input"].endswith("stack.tif")
    assert facts["psf"].startswith("GaussianPSF(")
    assert re.match(r"\d+\.\d+", facts["versions"]["torch"])


def test_the_psf_of_a_fit_can_be_used_again(fitted, sample):
    again = load_psf(fitted / "psf.json")
    np.testing.assert_allclose(again.sigma.detach(), sample.psf.sigma.detach(), rtol=1e-5)


@pytest.mark.parametrize("words", [[], ["--sigma", 1, 1, 1, "--psf", "psf.json"]])
def test_the_blur_is_given_exactly_once(sample_files, fitted, tmp_path, capsys, monkeypatch, words):
    monkeypatch.chdir(fitted)
    stack, start = sample_files / "stack.tif", sample_files / "start.rec"
    assert run("fit", stack, "--mesh", start, "-o", tmp_path / "out", *words) == 2
    assert "give the blur once: --sigma" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_psf_file_takes_the_place_of_widths(fitted, sample_files, sample, tmp_path):
    words = ("fit", sample_files / "stack.tif", "--psf", fitted / "psf.json", "-o", tmp_path)
    start = ("--mesh", sample_files / "start.rec")
    assert run(*words, *start, "--stages", 1, "--max-iterations", 20) == 0
    facts = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    assert facts["psf"].startswith("GaussianPSF(")


def test_settings_of_an_earlier_fit_can_be_used_again_and_changed(fitted):
    again = chosen_settings(fitted / "fit.json", None)
    assert (again.stages, again.max_iterations) == (2, 40)
    changed = chosen_settings(fitted / "fit.json", FitSettings(stages=3))
    assert (changed.stages, changed.max_iterations) == (3, 40)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"stages": 0}', "stages"),
        ('{"stagse": 3}', "stagse"),
        ("[1, 2]", "no settings by name"),
        ("{", "not a JSON file"),
    ],
)
def test_bad_settings_files_are_refused(tmp_path, content, message):
    path = tmp_path / "settings.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=f"--settings: .*{message}"):
        chosen_settings(path, None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one start"),
        (["--auto", "--mesh", "start.rec"], "2 were given"),
        (["--points", "points.csv"], "--radius"),
        (["--mesh", "start.rec", "--resume"], "--resume"),
        (["--mesh", "start.rec", "--channel", "3"], "channel"),
        (["--mesh", "start.rec", "--stages", "0"], "Error: --stages: Input should be greater"),
        (["--auto", "--radius", "3"], "--radius: goes with --points"),
        (["--mesh", "start.rec", "--label", "inside"], "label"),
        (["--mesh", "start.rec", "--spacing", "1", "1", "0"], "spacing"),
    ],
)
def test_a_wrong_command_line_is_named(
    sample_files, sigma, tmp_path, capsys, monkeypatch, words, message
):
    monkeypatch.chdir(sample_files)
    (sample_files / "points.csv").write_text("z,y,x\n4.6,3.9,3.9\n")
    assert run("fit", "stack.tif", "--sigma", *sigma, "-o", tmp_path / "out", *words) == 2
    captured = capsys.readouterr()
    assert message in captured.err + captured.out
    assert "Traceback" not in captured.err


def test_a_seed_beside_the_stack_is_an_error_about_the_mesh(sample, sample_files, sigma, tmp_path):
    write_mesh(
        sample.seed_mesh.with_vertices(sample.seed_mesh.vertices + 100.0), tmp_path / "far.rec"
    )
    words = ("fit", sample_files / "stack.tif", "--sigma", *sigma, "-o", tmp_path / "out")
    done = run_process(*words, "--mesh", tmp_path / "far.rec")
    assert done.returncode == 2
    assert "Error: --mesh" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("start", [["--auto"], ["--points", "points.csv", "--radius", "2"]])
def test_other_starts_find_the_same_cell(
    sample, sample_files, sigma, tmp_path, capsys, monkeypatch, start
):
    monkeypatch.chdir(sample_files)
    (sample_files / "points.csv").write_text("z,y,x\n4.6,3.9,3.9\n")
    words = ("fit", "stack.tif", "--sigma", *sigma, "-o", tmp_path, *start)
    assert run(*words, "--stages", 1, "--max-iterations", 30) == 0
    assert "1 region fitted to stack.tif" in capsys.readouterr().out
    volume = read_mesh(tmp_path / "mesh.rec").volumes().sum()
    assert volume == pytest.approx(sample.truth.volumes()[0], rel=0.1)


def test_optics_are_learned_and_written(sample, sample_files, sigma, tmp_path, capsys):
    start = sample_files / "start.rec"
    words = ("fit", sample_files / "stack.tif", "--mesh", start, "--sigma", *sigma)
    folder = tmp_path / "learned"
    assert (
        run(*words, "-o", folder, *QUICK, "--learn", "sigma_z,sigma_y", "--learn", "sigma_x") == 0
    )
    facts = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    assert facts["settings"]["learn"] == ["sigma_z", "sigma_y", "sigma_x"]
    assert [one["name"] for one in facts["optics"]] == ["sigma_z", "sigma_y", "sigma_x"]
    for one, given in zip(facts["optics"], sigma, strict=True):
        assert one["start"] == pytest.approx(float(given))
        assert 0 < one["standard_error"] < one["value"]
    printed = capsys.readouterr()
    assert "sigma_y: 0." in printed.out + printed.err


def test_optics_that_there_are_not_are_named(sample_files, sigma, tmp_path, capsys):
    words = ("fit", sample_files / "stack.tif", "--mesh", sample_files / "start.rec")
    assert run(*words, "--sigma", *sigma, "-o", tmp_path / "none", "--learn", "na") == 2
    assert "has no quantity 'na'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def touching(tmp_path_factory):
    from napari_deltamic.imaging import make_embryo, write_stack

    folder = tmp_path_factory.mktemp("touching")
    embryo = make_embryo(2, seed=1)
    write_stack(folder / "pair.tif", embryo.stack.data, embryo.stack.spacing)
    centers = [embryo.truth.region_mesh(region).vertices.mean(axis=0) for region in (1, 2)]
    rows = "\n".join(",".join(f"{place:.3f}" for place in center) for center in centers)
    (folder / "cells.csv").write_text(f"z,y,x\n{rows}\n")
    return folder, embryo


@pytest.mark.parametrize("marked", [[], ["--points", "cells.csv"]])
def test_touching_cells_are_found_by_their_membranes(touching, tmp_path, capsys, marked):
    folder, embryo = touching
    marked = [folder / word if word.endswith(".csv") else word for word in marked]
    sigma = ("--sigma", 0.5, 0.3, 0.3, "--noise", "poisson", "--standard-errors")
    words = ("fit", folder / "pair.tif", *sigma, "-o", tmp_path, "--membranes", *marked)
    assert run(*words, "--stages", 1, "--max-iterations", 12, "--edge-length", 0.6) == 0
    assert "2 regions fitted" in capsys.readouterr().out
    fitted = read_mesh(tmp_path / "mesh.rec")
    assert fitted.interfaces.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert np.sort(fitted.volumes()) == pytest.approx(np.sort(embryo.volumes()), rel=0.05)
    with (tmp_path / "contacts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all(float(row["brightness"]) > float(row["brightness_error"]) > 0 for row in rows)


def test_membranes_go_with_no_other_start(sample_files, sigma, tmp_path, capsys):
    words = ("fit", sample_files / "stack.tif", "--sigma", *sigma, "-o", tmp_path, "--membranes")
    assert run(*words, "--auto") == 2
    assert "2 were given" in capsys.readouterr().err
    assert run(*words, "--radius", 2) == 2
    assert "--radius: does not go with --membranes" in capsys.readouterr().err
