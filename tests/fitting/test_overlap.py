"""Bodies that are apart cost nothing; those in one place are pushed apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting_cases import SPACING, ball

from napari_deltamic.fitting import FitSettings, fit
from napari_deltamic.fitting.densities import topology_of
from napari_deltamic.fitting.overlap import Overlap, overlap
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging import ImageStack, gaussian_noise, render
from napari_deltamic.mesh import TriangleMesh, concatenate, icosphere
from napari_deltamic.optics import GaussianPSF

BOX = (40, 40, 60)
STEP = np.full(3, SPACING)
STAGE = Stage(2.0, (8, 8, 12), 0.1, 0.2, 0.01, 1)
FIRST = (2.0, 2.0, 2.0)


def two(distance: float, radius: float = 0.8) -> TriangleMesh:
    second = np.add(FIRST, (0, 0, distance))
    return concatenate([icosphere(FIRST, 1.0, 3), icosphere(second, radius, 3)])


def prior(mesh: TriangleMesh) -> Overlap:
    found = overlap(mesh, topology_of(mesh), STAGE, BOX, STEP, "cpu")
    assert found is not None
    return found


def energy(mesh: TriangleMesh) -> float:
    return prior(mesh).energy(torch.tensor(mesh.vertices))[0]


def test_one_body_has_nothing_to_overlap() -> None:
    mesh = icosphere(FIRST, 1.0, 2)
    assert overlap(mesh, topology_of(mesh), STAGE, BOX, STEP, "cpu") is None


# Apart; box beside box; and boxes that meet where the balls do not.
@pytest.mark.parametrize("shift", [(0, 0, 2.5), (0, 0, 1.85), (0, 1.4, 1.4)])
def test_bodies_that_are_apart_cost_nothing(shift: tuple[float, float, float]) -> None:
    mesh = concatenate([icosphere(FIRST, 1.0, 3), icosphere(np.add(FIRST, shift), 0.8, 3)])
    cost, gradient = prior(mesh).energy(torch.tensor(mesh.vertices))
    assert cost < 1e-9
    assert gradient.abs().max() < 1e-9


def test_the_deeper_the_dearer() -> None:
    costs = [energy(two(distance)) for distance in (1.5, 1.2, 0.8, 0.0)]
    assert costs == sorted(costs)
    assert costs[0] > 5e-4
    # Two bodies in one place cost more than any image can gain by it.
    assert energy(two(0.0, 0.99)) > 1.0


def test_a_body_with_a_cavity_for_another_does_not_overlap_it() -> None:
    nested = two(0.0, 0.6)
    labels = np.array(nested.labels)
    labels[labels[:, 0] == 2] = [2, 1]
    assert energy(nested) > 0.1
    assert energy(TriangleMesh(nested.vertices, nested.faces, labels)) < 1e-9


def test_gradient() -> None:
    mesh = two(1.3)
    found = prior(mesh)
    # Smooth moves, since the computation is in single precision.
    moves = [np.broadcast_to(along, mesh.vertices.shape) for along in ((0, 0, 1.0), (0, 1.0, 0.3))]
    moves += [mesh.vertices - [2.0, 2.0, 3.3], (mesh.vertices - [2.0, 2.0, 3.3]) * [1.0, 0.5, -1.0]]
    second = np.arange(len(mesh.vertices))[:, None] >= len(mesh.vertices) // 2
    step = 1e-2
    for move in (np.where(second, each, 0.0) for each in moves):
        ahead = found.energy(torch.tensor(mesh.vertices + step * move))[0]
        behind = found.energy(torch.tensor(mesh.vertices - step * move))[0]
        expected = (ahead - behind) / (2 * step)
        shares = float((found.energy(torch.tensor(mesh.vertices))[1].numpy() * move).sum())
        assert shares == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("label", ["interior", "membrane"])
def test_seeds_that_overlap_end_apart(label: str) -> None:
    shape, psf = (30, 36, 64), GaussianPSF(0.15)
    centers = np.array([[1.45, 1.75, 1.6], [1.45, 1.75, 4.0]])
    truth = concatenate([icosphere(center, 1.0, 4) for center in centers])
    # The dim body gains by growing round the bright one.
    light = {label: np.array([5.0, 1.0])}
    dark = {} if label == "membrane" else {"membrane": 0.0}
    image = render(truth, psf, shape, STEP, **light, **dark, background=1.0)
    image = gaussian_noise(image, 0.02 * float(image.max()), seed=3)
    seeds = concatenate([icosphere(centers[0], 0.8, 2), icosphere(centers[1], 1.6, 3)])
    result = fit(ImageStack(image, STEP), seeds, psf, FitSettings(label=label, stages=2))
    assert result.warnings == []
    assert result.mesh.volumes() == pytest.approx(truth.volumes(), rel=0.03)


def test_a_single_body_is_fitted_as_ever() -> None:
    result = ball().fit()
    assert result.warnings == []
