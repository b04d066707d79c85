import csv
import json
import time

import numpy as np
import pytest
from cli_cases import run

from napari_deltamic.cli.demo import HEADINGS, comparison
from napari_deltamic.mesh import concatenate, icosphere


def test_comparison_of_spheres_by_hand():
    truth = concatenate([icosphere((0, 0, 0), 2.0, 4), icosphere((0, 0, 9), 3.0, 4)])
    found = concatenate([icosphere((0, 0, 0.3), 2.0, 4), icosphere((0, 0, 9), 3.3, 4)])
    moved, grown = comparison(found, truth)
    assert list(moved) == list(HEADINGS)
    assert moved["volume_error"] == pytest.approx(0.0, abs=1e-6)
    assert moved["centroid_error"] == pytest.approx(0.3)
    assert moved["max_distance"] == pytest.approx(0.3, rel=0.02)
    assert grown["volume_error"] == pytest.approx(100 * (1.1**3 - 1))
    assert grown["area_error"] == pytest.approx(21.0)
    assert grown["mean_distance"] == pytest.approx(0.3, rel=0.02)


@pytest.mark.slow
def test_demo_is_right_and_quick(tmp_path, capsys):
    start = time.perf_counter()
    assert run("demo", "--output", tmp_path / "demo") == 0
    assert time.perf_counter() - start < 120
    shown = capsys.readouterr().out
    assert "The fit against the truth" in shown
    with (tmp_path / "demo" / "comparison.csv").open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert len(rows) == 5
    for row in rows:
        assert abs(row["volume_error"]) < 0.5
        assert abs(row["area_error"]) < 0.5
        assert row["mean_distance"] < 0.02  # a tenth of a lateral voxel
    written = {file.name for file in (tmp_path / "demo").iterdir()}
    assert {"stack.ome.tif", "truth.rec", "mesh.rec", "picture.png", "fit.json"} <= written
    facts = json.loads((tmp_path / "demo" / "fit.json").read_text(encoding="utf-8"))
    assert facts["sample"] == {"name": "cells", "seed": 0}


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
def test_demo_on_real_nuclei(tmp_path, capsys):
    assert run("demo", "--real", "mouse-nuclei", "--output", tmp_path) == 0
    assert "8 nuclei" in capsys.readouterr().out
    with (tmp_path / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert np.mean([float(row["dice"]) for row in rows]) > 0.6
    assert np.mean([float(row["dice_with_offset"]) for row in rows]) > 0.72


def test_real_demo_without_data_says_where_they_come_from(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NAPARI_DELTAMIC_DATA", str(tmp_path))
    assert run("demo", "--real", "mouse-nuclei", "--output", tmp_path / "out") == 1
    assert "funalab/QCANet" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
