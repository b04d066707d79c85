"""The tables of a fit, with standard errors where they were asked for."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from fitting_cases import blocks

from napari_deltamic.fitting import FitResult, FitSettings, fit
from napari_deltamic.fitting.result_tables import result_columns, write_result_tables
from napari_deltamic.imaging import ImageStack, gaussian_noise, render
from napari_deltamic.mesh import remesh
from napari_deltamic.optics import GaussianPSF

SPACING = (0.2, 0.2, 0.2)
TWO = remesh(blocks(np.array([[[1, 2]]]), 1.2, origin=(1.2, 1.2, 1.2)), 0.4)


@pytest.fixture(scope="module")
def result() -> FitResult:
    psf = GaussianPSF(0.3)
    image = render(TWO, psf, (18, 18, 24), SPACING, membrane=[1.0, 1.3, 2.0])
    stack = ImageStack(gaussian_noise(image, 0.05 * float(image.max()), seed=0), SPACING)
    settings = FitSettings(stages=1, max_iterations=20, edge_length=0.4, standard_errors=True)
    return fit(stack, TWO, psf, settings)


def test_two_cells_keep_their_contact(result: FitResult) -> None:
    assert result.mesh.interfaces.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert result.mesh.volumes() == pytest.approx(np.full(2, 1.2**3), rel=0.15)


def test_errors_are_of_every_cell_and_contact(result: FitResult) -> None:
    regions, contacts = result_columns(result)
    assert set(regions) == {"volume_error", "area_error"}
    assert set(contacts) == {"brightness", "area_error", "brightness_error"}
    for column in (*regions.values(), *contacts.values()):
        assert (column > 0).all()
    assert result.errors is not None
    assert result.errors.vertices.shape == (len(result.mesh.vertices),)
    assert (regions["volume_error"] < 0.1 * result.mesh.volumes()).all()


def test_tables_hold_the_errors(result: FitResult, tmp_path: Path) -> None:
    files = write_result_tables(tmp_path, result)
    assert [file.name for file in files] == ["measures.csv", "contacts.csv", "junctions.csv"]
    rows = list(csv.DictReader((tmp_path / "measures.csv").open()))
    assert [float(row["volume"]) for row in rows] == pytest.approx(result.mesh.volumes())
    assert result.errors is not None
    found = [float(row["volume_error"]) for row in rows]
    assert found == pytest.approx(result.errors.volumes)
    contacts = list(csv.DictReader((tmp_path / "contacts.csv").open()))
    found = [float(row["brightness"]) for row in contacts]
    assert found == pytest.approx(result.intensities.membrane)


def test_a_fit_stopped_meanwhile_has_no_errors() -> None:
    psf = GaussianPSF(0.3)
    stack = ImageStack(render(TWO, psf, (18, 18, 24), SPACING), SPACING)
    settings = FitSettings(stages=1, max_iterations=2, edge_length=0.4, standard_errors=True)
    seen: list[int] = []
    calls_after = iter(range(10**6))
    stopped = fit(
        stack,
        TWO,
        psf,
        settings,
        on_state=lambda state: seen.append(state.iteration),
        # A few polls after the last step, when the errors are being worked out.
        should_stop=lambda: len(seen) >= 2 and next(calls_after) > 6,
    )
    assert stopped.errors is None
    assert "stopped by the user" in stopped.stop_reason
    assert set(result_columns(stopped)[1]) == {"brightness"}
