import json

import pytest

from napari_deltamic.cli.outputs import replacing, write_json, write_table
from napari_deltamic.cli.paths import output_folder
from napari_deltamic.cli.words import counted


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")

    def write():
        with replacing(path) as name:
            name.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_succeeds_replaces_the_file(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with replacing(path) as name:
        assert name.suffix == ".txt"
        name.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_null_for_what_is_no_number_in_it(tmp_path):
    content = {"loss": [1.0, float("nan")], "more": {"area": float("inf")}}
    write_json(tmp_path / "fit.json", content)
    read = json.loads((tmp_path / "fit.json").read_text(), parse_constant=pytest.fail)
    assert read == {"loss": [1.0, None], "more": {"area": None}}


def test_tables_have_a_header(tmp_path):
    write_table(tmp_path / "table.csv", [{"region": 1, "error": 0.5}, {"region": 2, "error": -1}])
    assert (tmp_path / "table.csv").read_text() == "region,error\n1,0.5\n2,-1\n"


def abort(folder, name=None):
    with output_folder("--output", folder):
        if name is not None:
            (folder / name).write_text("done")
        raise KeyboardInterrupt


def test_a_folder_that_got_nothing_is_taken_away_with_the_parents_made_for_it(tmp_path):
    (tmp_path / "old").mkdir()
    with pytest.raises(KeyboardInterrupt):
        abort(tmp_path / "old" / "new" / "inner")
    assert list(tmp_path.rglob("*")) == [tmp_path / "old"]


def test_a_folder_that_was_there_or_got_something_stays(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        abort(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        abort(tmp_path / "new", "checkpoint.npz")
    assert [file.name for file in tmp_path.rglob("*.npz")] == ["checkpoint.npz"]


def test_numbers_go_with_their_nouns():
    assert [counted(n, "region") for n in (0, 1, 2)] == ["0 regions", "1 region", "2 regions"]
    assert counted(2, "nucleus", "nuclei") == "2 nuclei"
