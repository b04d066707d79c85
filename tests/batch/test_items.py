"""Items of files and of tables."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.batch import Item, items_of_files, items_of_table
from napari_deltamic.batch.items import SWITCHES, _named, with_whole_paths
from napari_deltamic.batch.options import files_of, later_wins
from napari_deltamic.cli.app import app


@pytest.fixture
def folder(tmp_path):
    for name in ("a.tif", "b.tiff", "notes.txt", "movie.tif", "psf.json"):
        (tmp_path / name).write_text("")
    return tmp_path


def table(folder, text):
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_a_folder_gives_its_stacks_and_files_themselves(folder):
    items = items_of_files([folder, folder / "a.tif"], ("--auto",))
    assert [item.name for item in items] == ["a", "b", "movie", "a-2"]
    assert items[0].words(folder / "out") == [
        "fit", str(folder / "a.tif"), "--auto", "--output", str(folder / "out"),
    ]  # fmt: skip


def test_a_row_of_a_table_is_a_command_line(folder):
    items = items_of_table(
        table(
            folder,
            "stack,movie,name,channel,sigma,psf,auto,membranes,reseed\n"
            "a.tif,,first,1,0.5 0.2 0.2,,yes,no,\n"
            ",movie.tif,,,,psf.json,,True,\n",
        ),
        ("--label", "interior"),
    )
    shared = ("--label", "interior")
    psf = str(folder / "psf.json")
    assert items == [
        Item(
            "first",
            "fit",
            folder / "a.tif",
            (*shared, "--channel", "1", "--sigma", "0.5", "0.2", "0.2", "--auto"),
        ),
        Item("movie", "timelapse", folder / "movie.tif", (*shared, "--psf", psf, "--membranes")),
    ]


def test_no_turns_an_option_off_that_all_share_or_that_is_on_by_itself(folder):
    shared = ("--auto", "--remesh", "--stages", "3", "--origin", "-1", "0", "0")
    stack, movie, empty = items_of_table(
        table(
            folder,
            "stack,movie,auto,remesh,fit_background,reseed,stages,origin\n"
            "a.tif,,no,False,no,no,2,1 2 3\n"
            ",movie.tif,,,,no,,\n"
            "b.tiff,,,,,,,\n",
        ),
        shared,
    )
    own = ("--no-remesh", "--no-fit-background", "--stages", "2", "--origin", "1", "2", "3")
    assert stack.options == own
    assert movie.options == (*shared, "--no-reseed")
    assert empty.options == shared


@pytest.mark.parametrize("command", ["fit", "timelapse"])
def test_switches_are_all_that_the_command_line_can_turn_off(command):
    arguments = app[command].assemble_argument_collection()
    names = {name for one in arguments for name in one.negatives if name.startswith("--no-")}
    assert names == {f"--no-{name}" for name in SWITCHES[command]}


def test_the_later_of_two_options_wins():
    earlier = ("--origin", "-1", "0", "0", "--edge-length=0.5", "--no-remesh", "--auto")
    later = ("--edge_length", "1", "--remesh")
    assert later_wins(earlier, later) == ("--origin", "-1", "0", "0", "--auto", *later)
    assert later_wins(("--learn", "sigma", "--learn", "background"), ()) == (
        "--learn", "sigma", "--learn", "background",
    )  # fmt: skip
    assert later_wins((), ()) == ()


def test_files_of_options():
    words = ("--psf", "a.json", "--label", "b.json", "--mesh=c.rec", "--auto", "--points")
    assert files_of(words) == [Path("a.json"), Path("c.rec")]


@pytest.mark.parametrize("name", ["batch.json", "all_measures.csv", ".hidden", "end.", "Con.x"])
def test_names_that_would_be_in_the_way_are_refused(folder, name):
    with pytest.raises(ValueError, match=r"line 2: name: .* cannot be the name of a folder"):
        items_of_table(table(folder, f"stack,name\na.tif,{name}\n"))
    (folder / f"{name}.tif").write_text("")
    with pytest.raises(ValueError, match="cannot be the name of a folder: rename"):
        items_of_files([folder / f"{name}.tif"])


def test_hidden_files_are_no_stacks(folder):
    (folder / "._a.tif").write_text("")
    assert [item.name for item in items_of_files([folder])] == ["a", "b", "movie"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a column named stack or movie"),
        ("file\na.tif\n", "its columns are file"),
        ("stack\n", "and a row for each"),
        ("stack\nmissing.tif\n", "line 2: stack: there is no file"),
        ("stack,psf\na.tif,none.json\n", "line 2: psf: there is no file"),
        ("stack,movie\na.tif,movie.tif\n", "line 2: give either"),
        ("stack,movie\n,\n", "line 2: give either"),
        ("stack\na.tif,more\n", "line 2: there are more cells"),
        ("stack,name\na.tif,../up\n", "line 2: name: '../up' cannot"),
        ("stack,stack\na.tif,b.tiff\n", "'stack' as the name of two"),
    ],
)
def test_tables_that_make_no_sense_are_refused_with_the_line(folder, text, message):
    with pytest.raises(ValueError, match=message):
        items_of_table(table(folder, text))


def test_binary_tables_are_refused(folder):
    path = folder / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00stack")
    with pytest.raises(ValueError, match="is not a CSV file"):
        items_of_table(path)


def test_files_that_are_not_there_are_refused(folder):
    with pytest.raises(ValueError, match="there is no file"):
        items_of_files([folder / "c.tif"])
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="holds nothing that ends in"):
        items_of_files([folder / "empty"])


def test_shared_files_are_named_by_their_whole_paths(folder, monkeypatch):
    monkeypatch.chdir(folder)
    whole = str(folder / "psf.json")
    assert with_whole_paths(["--psf", "psf.json", "--label", "psf.json"]) == (
        "--psf", whole, "--label", "psf.json",
    )  # fmt: skip
    assert with_whole_paths(["--psf=psf.json"]) == (f"--psf={whole}",)
    with pytest.raises(ValueError, match="--psf: there is no file"):
        with_whole_paths(["--psf", "none.json"])


@given(st.lists(st.sampled_from(["a", "A", "b", "a-2"]), max_size=12))
def test_every_item_has_a_folder_of_its_own(names):
    items = _named([Item(name, "fit", None) for name in names])
    assert len({item.name.lower() for item in items}) == len(names)
    assert all(item.name.startswith(name) for item, name in zip(items, names, strict=True))
