"""What a session comes to for other stacks: options, sentences, the PSF's file; and plans."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from batch_cases import QUICK, SPACING, write_balls
from napari_deltamic.batch import Item
from napari_deltamic.batch.outcome import Outcome, task_of, write_outcome
from napari_deltamic.fitting import FitSettings
from napari_deltamic.imaging import read_stack
from napari_deltamic.mesh import icosphere, write_mesh
from napari_deltamic.optics import load_psf
from napari_deltamic.plugin.batches.options import SharedOptions, known_of
from napari_deltamic.plugin.batches.plan import arguments_of, plan_of
from napari_deltamic.plugin.batches.results import add_result, read_result
from napari_deltamic.plugin.cell_finder import InteriorFinder, MembraneFinder
from napari_deltamic.plugin.psf_choice import PsfChoice, gaussian
from napari_deltamic.plugin.session import Session

CONFOCAL = PsfChoice(
    "ConfocalPSF", {"na": 0.9, "excitation_wavelength": 0.488, "emission_wavelength": 0.52}
)
PLACED = SimpleNamespace(spacing=np.array(SPACING))


def options(**changes):
    values = {"settings": FitSettings(), "psf": gaussian((0.6, 0.3, 0.3)), "start": "membranes"}
    return SharedOptions(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "--sigma 0.6 0.3 0.3 --membranes"),
        ({"start": "threshold"}, "--sigma 0.6 0.3 0.3 --auto"),
        ({"start": "threshold", "threshold": 7.5}, "--sigma 0.6 0.3 0.3 --threshold 7.5"),
        ({"start": "table", "more": "--radius 4"}, "--sigma 0.6 0.3 0.3 --radius 4"),
        (
            {"settings": FitSettings(stages=3), "more": "--stages 2 --sigma 1 1 1"},
            "--membranes --stages 2 --sigma 1 1 1",
        ),
        (
            {"settings": FitSettings(remesh=False, learn=("na",))},
            "--sigma 0.6 0.3 0.3 --membranes --no-remesh --learn na",
        ),
        ({"spacing": SPACING, "channel": 0}, None),
    ],
)
def test_choices_as_options(tmp_path, changes, expected):
    made = options(**changes)
    words = made.words(made.psf_place(tmp_path))
    if expected is None:
        expected = "--sigma 0.6 0.3 0.3 --membranes --spacing 0.6 0.25 0.25 --channel 0"
    assert words == expected.split()


def test_a_psf_of_a_microscope_gets_a_file_that_is_named_by_its_content(tmp_path):
    made = options(psf=CONFOCAL)
    assert made.psf_place(tmp_path) == tmp_path / "psf.json"
    written = made.write_psf(tmp_path)
    assert load_psf(written).arguments()["na"] == 0.9
    assert options(psf=CONFOCAL).write_psf(tmp_path) == written
    other = PsfChoice("ConfocalPSF", {**CONFOCAL.arguments, "na": 0.8})
    assert options(psf=other).write_psf(tmp_path) != written
    assert len(list(tmp_path.iterdir())) == 2
    # A plain Gaussian needs none, and a file is its own.
    assert options().write_psf(tmp_path) == (0.6, 0.3, 0.3)
    assert options(psf=written).write_psf(tmp_path) == written


def test_choices_in_sentences(tmp_path):
    settings = FitSettings(label="interior", stages=2, remesh=False, learn=("na", "depth"))
    assert options(settings=settings).sentences(with_psf=False) == (
        "The dye marks insides. Not the defaults: stages: 2; remesh: no; learn optics: na, depth."
    )
    from_file = options(settings=tmp_path / "fit.json", psf=tmp_path / "psf.json")
    assert from_file.sentences() == "Settings as in fit.json. PSF: psf.json beside it."


def test_what_a_session_knows():
    session = Session()
    assert known_of(session, None).psf is None
    known = known_of(session, PLACED)
    assert known.is_guess
    assert "guess" in known.note
    assert known.start == "membranes"
    session.marks = "interior"
    assert known_of(session, PLACED).start == "threshold"
    session.finder = MembraneFinder()
    session.choose_psf(gaussian((0.6, 0.3, 0.3)))
    known = known_of(session, PLACED)
    assert (known.start, known.is_guess) == ("membranes", False)
    assert "anew" not in known.note
    session.finder = InteriorFinder(threshold=20.0)
    known = known_of(session, PLACED)
    assert (known.start, known.threshold) == ("threshold", 20.0)
    assert "anew" not in known.note
    session.finder = MembraneFinder(cell_size=12.0)
    assert "found for each stack anew" in known_of(session, PLACED).note


def test_a_table_may_say_where_the_cells_are(tmp_path):
    write_balls(tmp_path, 2)
    (tmp_path / "seeds.csv").write_text("z,y,x\n4,4,4\n")
    table = tmp_path / "table.csv"
    table.write_text("stack,points\nball0.tif,seeds.csv\nball1.tif,\n")
    plan = plan_of([table], False, options(start="table", more="--radius 2"))
    assert plan.settings_problem.startswith("ball1.tif: nothing says where its cells are")
    table.write_text("stack,points\nball0.tif,seeds.csv\nball1.tif,seeds.csv\n")
    plan = plan_of([table], False, options(start="table", more="--radius 2"))
    assert plan.settings_problem == ""
    assert [item.name for item in plan.items] == ["ball0", "ball1"]
    assert (
        "more than one way" in plan_of([table], False, options(start="threshold")).settings_problem
    )
    # Of cells with membranes a point says which they are.
    assert plan_of([table], False, options()).settings_problem == ""
    missing = options(settings=tmp_path / "gone.json")
    assert "there is no file" in plan_of([table], False, missing).settings_problem


def test_arguments_of_an_item(tmp_path):
    (file,) = write_balls(tmp_path, 1)
    given = arguments_of(Item("a", "fit", file, (*QUICK, "--channel=1", "--origin", "1", "2", "3")))
    assert (given["channel"], given["origin"]) == (1, (1.0, 2.0, 3.0))


def fitted(folder, source, command="fit", options=()):
    """Write what a batch leaves of an item into a folder."""
    item = Item("ball", command, source, (*QUICK, *options))
    own = folder / "ball"
    own.mkdir()
    write_outcome(own, Outcome("ball", "done", task=task_of(item)))
    return own


def test_of_a_large_stack_the_part_that_was_fitted_is_shown(tmp_path):
    (file,) = write_balls(tmp_path, 1)
    own = fitted(tmp_path, file, options=("--origin", "10", "0", "-5"))
    ball = icosphere((14.0, 4.0, -1.0), 2.0, 2)
    write_mesh(ball, own / "mesh.rec")
    (own / "fit.json").write_text(
        '{"stack": {"shape": [6, 20, 24], "origin_um": [11.2, 1.0, -4.0]}}'
    )
    result = read_result(tmp_path, "ball")
    whole = read_stack(file).data
    np.testing.assert_array_equal(result.data, whole[2:8, 4:24, 4:28])
    np.testing.assert_allclose(result.origin, (11.2, 1.0, -4.0))
    np.testing.assert_allclose(result.spacing, SPACING)


def test_a_movie_is_shown_with_the_meshes_of_its_frames(tmp_path):
    import tifffile

    frames = np.random.default_rng(0).random((5, 6, 8, 8)).astype(np.float32)
    metadata = {"axes": "TZYX", "PhysicalSizeZ": 0.6, "PhysicalSizeY": 0.25, "PhysicalSizeX": 0.25}
    movie = tmp_path / "movie.ome.tif"
    tifffile.imwrite(movie, frames, ome=True, metadata=metadata)
    own = fitted(tmp_path, movie, "timelapse", ("--frames", "1:4"))
    for number in (1, 2, 3):
        write_mesh(icosphere((1.5, 1.0, 1.0), 0.1 * number, 1), own / f"mesh_t{number:04d}.rec")
    result = read_result(tmp_path, "ball")
    assert result.first == 1
    np.testing.assert_array_equal(np.asarray(result.data), frames[1:4])
    viewer = ViewerModel()
    add_result(viewer, None, result)
    image, surface = viewer.layers
    np.testing.assert_allclose(image.scale, (1.0, *SPACING))
    np.testing.assert_allclose(image.translate, (1.0, 0.0, 0.0, 0.0))
    assert set(surface.data[0][:, 0]) == {1.0, 2.0, 3.0}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda own, file: (own / "item.json").unlink(), "does not say what was fitted"),
        (lambda own, file: file.unlink(), "is not there any more"),
        (lambda own, file: None, "mesh.rec"),
    ],
)
def test_results_that_are_incomplete_are_named(tmp_path, spoil, message):
    (file,) = write_balls(tmp_path, 1)
    own = fitted(tmp_path, file)
    spoil(own, file)
    with pytest.raises((ValueError, OSError), match=message):
        read_result(tmp_path, "ball")
