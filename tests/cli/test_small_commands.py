import csv
import re

import numpy as np
import pytest
import tifffile
from cli_cases import run

from napari_deltamic.imaging import read_stack, render
from napari_deltamic.mesh import (
    TriangleMesh,
    cut_ball,
    icosphere,
    measure,
    measure_contacts,
    measure_junctions,
    write_mesh,
)
from napari_deltamic.optics import GaussianPSF


@pytest.fixture
def ball(tmp_path):
    mesh = icosphere((4.0, 5.0, 6.0), 2.0, 3)
    write_mesh(mesh, tmp_path / "ball.rec")
    return mesh


def test_measure_prints_and_writes_the_measures(ball, tmp_path, capsys):
    assert run("measure", tmp_path / "ball.rec", "--csv", tmp_path / "out.csv") == 0
    (expected,) = measure(ball)
    assert f"{expected.volume:#.4g}" in capsys.readouterr().out
    with (tmp_path / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["volume"]) == pytest.approx(expected.volume)
    assert float(row["centroid_x"]) == pytest.approx(6.0)


def test_measure_refuses_a_csv_that_cannot_be_made(ball, tmp_path, capsys):
    assert run("measure", tmp_path / "ball.rec", "--csv", tmp_path / "none" / "out.csv") == 2
    assert "--csv: there is no folder" in capsys.readouterr().err


def test_measure_shows_and_writes_contacts_and_lines(tmp_path, capsys):
    mesh = cut_ball(2.0, 0.5).mesh((4, 5, 6), 0.4)
    write_mesh(mesh, tmp_path / "cut.rec")
    files = [tmp_path / "contacts.csv", tmp_path / "junctions.csv"]
    words = ("--contacts", files[0], "--junctions", files[1])
    assert run("measure", tmp_path / "cut.rec", *words) == 0
    shown = capsys.readouterr().out
    contact = measure_contacts(mesh)[2]
    assert re.search(rf"1, 2 +{contact.area:#.4g} ", shown)
    (line,) = measure_junctions(mesh)
    angles = ", ".join(f"{angle:.1f}" for angle in line.angles)
    assert re.search(rf"0, 1, 2 +{line.length:#.4g} +{angles} ", shown)
    assert re.search(r"1 +\d\.\d{3}, \d\.\d{3}, \d\.\d{3} .* 1 *\n", shown)
    for file, length, column in zip(files, (3, 1), ("area", "length"), strict=True):
        with file.open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        assert len(rows) == length
        assert float(rows[-1][column]) > 0


def test_measure_of_separate_bodies_shows_no_contacts(ball, tmp_path, capsys):
    assert run("measure", tmp_path / "ball.rec", "--junctions", tmp_path / "lines.csv") == 0
    assert "Contacts" not in capsys.readouterr().out
    assert (tmp_path / "lines.csv").read_text().startswith("region_a,region_b,region_c,length")


@pytest.mark.parametrize("option", ["--contacts", "--junctions"])
def test_measure_refuses_tables_that_cannot_be_made(ball, tmp_path, capsys, option):
    assert run("measure", tmp_path / "ball.rec", option, tmp_path / "none" / "out.csv") == 2
    assert f"{option}: there is no folder" in capsys.readouterr().err


def render_words(folder, **changes):
    words = {
        "shape": [20, 24, 28],
        "spacing": [0.4, 0.4, 0.4],
        "sigma": [0.6, 0.4, 0.4],
        "output": [folder / "out.tif"],
        **changes,
    }
    flat = [word for name, values in words.items() for word in (f"--{name}", *values)]
    return ["render", folder / "ball.rec", *flat]


def test_render_writes_what_the_library_renders(ball, tmp_path):
    assert run(*render_words(tmp_path, membrane=[3], background=[10])) == 0
    stack = read_stack(tmp_path / "out.tif")
    expected = render(
        ball, GaussianPSF((0.6, 0.4, 0.4)), (20, 24, 28), (0.4,) * 3, membrane=3.0, background=10.0
    )
    np.testing.assert_allclose(stack.data, expected, rtol=1e-5)
    np.testing.assert_allclose(stack.spacing, 0.4)


def test_render_of_an_interior_has_no_membrane_unless_asked(ball, tmp_path):
    assert run(*render_words(tmp_path, interior=[1])) == 0
    image = tifffile.imread(tmp_path / "out.tif")
    assert image.sum() * 0.4**3 == pytest.approx(ball.volumes()[0], rel=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma": [0.6, 0.0, 0.4]}, "--sigma:"),
        ({"spacing": [0.4, -0.4, 0.4]}, "--spacing:"),
        ({"shape": [1, 24, 28]}, "--shape:"),
        ({"origin": [500, 0, 0]}, "MESH:"),
    ],
)
def test_render_names_a_bad_argument(ball, tmp_path, capsys, changes, message):
    assert run(*render_words(tmp_path, **changes)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.tif").exists()


def test_render_refuses_other_files_than_tiff(ball, tmp_path, capsys):
    assert run(*render_words(tmp_path, output=[tmp_path / "out.png"])) == 2
    assert "must end in .tif" in capsys.readouterr().err


def test_info_describes_the_installation(capsys):
    assert run("info") == 0
    shown = capsys.readouterr().out
    assert re.search(r"cores +\d+", shown)
    assert re.search(r"device +CPU: ", shown)
    assert re.search(r"numpy +2\.", shown)


def test_info_describes_a_mesh(ball, tmp_path, capsys):
    assert run("info", tmp_path / "ball.rec") == 0
    shown = capsys.readouterr().out
    assert re.search(r"faces +1,280", shown)
    assert re.search(r"closed +yes", shown)
    assert re.search(r"self-intersections +none", shown)


def test_what_an_open_mesh_has_no_value_of_is_a_dash(ball, tmp_path, capsys):
    write_mesh(TriangleMesh(ball.vertices, ball.faces[1:]), tmp_path / "open.ply")
    assert run("measure", tmp_path / "open.ply") == 0
    assert re.search(r"1 +- +\d+\.\d+ +-, -, - +- +-", capsys.readouterr().out)
    assert run("info", tmp_path / "open.ply") == 0
    assert re.search(r"closed +no, not region 1", capsys.readouterr().out)


def test_info_describes_a_stack(sample_files, capsys):
    assert run("info", sample_files / "stack.tif") == 0
    shown = capsys.readouterr().out
    assert re.search(r"shape +24 x 40 x 40", shown)
    assert "0.4 x 0.2 x 0.2 µm" in shown


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_info_describes_an_ome_zarr_image(tmp_path, capsys, version):
    from zarr_cases import write_ome_zarr

    data = np.zeros((2, 3, 8, 16, 20), np.uint8)
    folder = write_ome_zarr(tmp_path / "x.zarr", data, "tczyx", version=version)
    assert run("info", folder) == 0
    shown = capsys.readouterr().out
    for words in ("axes +TCZYX", "shape +2 x 3 x 8 x 16 x 20", "channels +3", "frames +2"):
        assert re.search(words, shown)
    assert re.search("chunks +2 x 3 x 8 x 8 x 8", shown)
    assert "0.5 x 0.2 x 0.2 µm" in shown
    assert run("info", tmp_path) == 1
    assert "FILE: " in capsys.readouterr().err


def test_info_says_when_the_voxel_size_is_not_known(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "bare.tif", np.zeros((4, 8, 8), np.uint8))
    assert run("info", tmp_path / "bare.tif") == 0
    assert "give --spacing" in capsys.readouterr().out
