"""Fits of which some vertices stay where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deltamic.fitting.densities import topology_of
from napari_deltamic.fitting.leg import leg_problem, run_leg
from napari_deltamic.fitting.misfit import evaluate
from napari_deltamic.fitting.preconditioner import smoother
from napari_deltamic.fitting.prepared_fit import PreparedFit, prepare
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.still_light import StillLight
from napari_deltamic.mesh import graph_laplacian, icosphere
from tissue_cases import row


def begun(label: str) -> tuple[PreparedFit, Progress]:
    case = row(3, label)
    whole = case.stack.part((0, 0, 0), case.stack.shape)
    settings = FitSettings(stages=1, label=label)
    prepared, progress = prepare(whole, case.seed, case.psf, settings)
    beyond = prepared.start.vertices[:, 2] > np.median(prepared.start.vertices[:, 2])
    prepared = prepared._replace(held=beyond)
    progress.begin_leg(prepared.start, on_voxels=True)
    return prepared, progress


@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_still_light_changes_neither_misfit_nor_gradient(label: str) -> None:
    prepared, progress = begun(label)
    held = prepared.held
    assert held is not None
    problem = leg_problem(progress, prepared, prepared.plan[0])
    topology = topology_of(progress.mesh)
    still = StillLight(topology, held)
    rng = np.random.default_rng(0)
    brightness = progress.brightness._replace(
        membrane=rng.uniform(1.0, 2.0, len(progress.brightness.membrane)),
        interior=rng.uniform(1.0, 2.0, len(progress.brightness.interior)),
    )
    for factor in (1.0, 3.0):
        moved = rng.normal(scale=0.02, size=(*held.shape, 3)) * ~held[:, None]
        vertices = torch.from_numpy(progress.mesh.vertices + moved)
        scaled = brightness._replace(
            membrane=factor * brightness.membrane, interior=factor * brightness.interior
        )
        plain = evaluate(problem, vertices, topology, scaled)
        split = evaluate(problem, vertices, topology, scaled, still=still)
        assert split.loss == pytest.approx(plain.loss, rel=1e-5)
        largest = plain.gradient.abs().max()
        difference = (split.gradient - plain.gradient)[torch.from_numpy(~held)].abs().max()
        assert difference < 2e-5 * largest
        brightness = brightness._replace(membrane=brightness.membrane[::-1].copy())


def test_held_vertices_stay_and_the_others_move() -> None:
    prepared, progress = begun("membrane")
    held = prepared.held
    before = progress.mesh.vertices.copy()
    for _ in run_leg(progress, prepared, prepared.plan[0], 5, 1e-3):
        pass
    moved = np.linalg.norm(progress.mesh.vertices - before, axis=1)
    assert held is not None
    assert (moved[held] == 0.0).all()
    assert np.median(moved[~held]) > 0.01


@pytest.mark.parametrize("stiffness", [0.0, 50.0])
def test_the_metric_of_free_vertices_is_that_of_their_part_of_the_laplacian(stiffness):
    mesh = icosphere(np.zeros(3), 1.0, 2)
    free = mesh.vertices[:, 0] > -0.3
    gradient = torch.randn(len(free), 3, dtype=torch.float64, generator=torch.manual_seed(0))
    found = smoother(mesh, 2.0, torch.device("cpu"), stiffness, free)(gradient)
    part = graph_laplacian(mesh).toarray()[np.ix_(free, free)]
    whole = np.linalg.matrix_power(np.eye(len(part)) + 2.0 * part, 2)
    if stiffness:
        second = np.sqrt(stiffness) / 2.0
        whole = np.linalg.matrix_power(np.eye(len(part)) + second * part, 2) @ whole
    np.testing.assert_allclose(found[free], np.linalg.solve(whole, gradient[free]), rtol=1e-8)
    assert not found[~free].any()
