"""Standard errors of the shape, against dense matrices of differences and against refits."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from napari_deltamic.fitting import FitSettings
from napari_deltamic.fitting.densities import Brightness
from napari_deltamic.fitting.local_inverse import Solver, compact_groups
from napari_deltamic.fitting.loop import fit_states
from napari_deltamic.fitting.measure_gradients import area_gradients, volume_gradients
from napari_deltamic.fitting.normal_equations import (
    _offset,
    _variance,
    _weights,
    ended,
    normal_equations,
)
from napari_deltamic.fitting.point_spread_table import point_spread_table
from napari_deltamic.fitting.prepared_fit import PreparedFit, prepare
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.shape_errors import ShapeErrors, shape_covariance, shape_errors
from napari_deltamic.fitting.shape_unknowns import quadrature, unknowns
from napari_deltamic.fitting.stage_blur import StageBlur
from napari_deltamic.imaging import ImageStack, gaussian_noise, poisson_noise, render
from napari_deltamic.imaging.image_model import image_of_modes
from napari_deltamic.mesh import TriangleMesh, bumpy_sphere, icosphere
from napari_deltamic.meshft import MeshFourierTransform
from napari_deltamic.optics import GaussianPSF

SPACING = np.array([0.2, 0.1, 0.1])
SHAPE = (16, 28, 28)
CENTER = 0.5 * SPACING * (np.array(SHAPE) - 1)
PSF = GaussianPSF(1.2 * SPACING)
LIGHT = {"membrane": (1.0, 0.0), "interior": (0.0, 5.0), "both": (1.0, 5.0)}


def value_of(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def two_tetrahedra() -> TriangleMesh:
    """Regions 1 and 2 with a shared triangle, whose edges are triple lines."""
    vertices = [[0, 0, 0], [1, 0, 0.1], [0, 1, 0], [0.3, 0.2, 1], [0.2, 0.4, -0.9]]
    faces = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 4, 1], [1, 4, 2], [2, 4, 0]]
    labels = [[1, 2]] + 3 * [[1, 0]] + 3 * [[2, 0]]
    return TriangleMesh(vertices, faces, labels)


class Fitted(NamedTuple):
    prepared: PreparedFit
    progress: Progress


@cache
def at_truth(label: str, noise: str, offset: float = 0.0) -> Fitted:
    """Where a fit might have ended: at the true shape and brightness."""
    truth = bumpy_sphere(
        CENTER + np.array([0.0, 0.0, offset]), 0.7, 0.15, subdivisions=2, seed=1, order=4
    )
    membrane, interior = LIGHT[label]
    image = render(truth, PSF, SHAPE, SPACING, membrane=membrane, interior=interior)
    scale = 20.0 / float(image.max())
    stack = ImageStack(poisson_noise(image, 20.0, 0, 1.0), SPACING)
    settings = FitSettings(label=label, noise=noise, edge_length=0.15)
    prepared, progress = prepare(stack, truth, PSF, settings)
    progress.on_voxels = True
    light = [np.array([value * scale / prepared.scale])[: value > 0] for value in LIGHT[label]]
    progress.brightness = Brightness(*light, (1.0 - prepared.level) / prepared.scale)
    return Fitted(prepared, progress)


def dense_covariance(fitted: Fitted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariance of (V + K) unknowns from differences of renderings, bias, and the directions."""
    prepared, progress = fitted
    stage, mesh = prepared.plan[-1], progress.mesh
    fit, every = ended(prepared, progress, stage), unknowns(progress.mesh)
    transform = MeshFourierTransform(
        prepared.box, SPACING, tolerance=1e-8, band=stage.band, backend="cpu"
    )
    frequencies = transform.frequencies()
    blur = torch.exp(-2 * torch.pi**2 * stage.blur**2 * frequencies.square().sum(dim=-1))
    known = [part.sum() for part in progress.brightness[:2]]

    def images(vertices: np.ndarray, light: Any) -> list[np.ndarray]:
        per_face = [torch.full((len(mesh.faces),), float(value)).double() for value in light]
        with torch.no_grad():
            modes = transform(torch.tensor(vertices), mesh.faces, *per_face)
            modes = modes * PSF.otf(frequencies)
            both = [modes * blur, modes * blur**2]
        return [image_of_modes(one, prepared.box, SPACING, SHAPE).numpy().ravel() for one in both]

    columns = []
    for vertex, direction in zip(*every, strict=True):
        ahead, behind = mesh.vertices.copy(), mesh.vertices.copy()
        ahead[vertex] += 1e-4 * direction
        behind[vertex] -= 1e-4 * direction
        pairs = zip(images(ahead, known), images(behind, known), strict=True)
        columns.append([(a - b) / 2e-4 for a, b in pairs])
    columns += [images(mesh.vertices, unit) for unit in np.eye(2)[np.array(known) > 0]]
    columns.append([np.ones(prepared.stack.data.size)] * 2)
    seen_by_misfit, noisy = (np.array([pair[which] for pair in columns]) for which in range(2))
    weight, variance = _weights(fit), value_of(_variance(fit))
    information = (seen_by_misfit * weight) @ seen_by_misfit.T
    scatter = (noisy * (weight**2 * variance)) @ noisy.T
    # One shift a vertex: what its offset gains across the surface, by the rows of all vertices.
    across = _offset(fit).toarray() * (every.direction @ every.direction.T)
    prior = across.T @ across
    size = len(prior)
    pull = np.zeros(len(information))
    offsets = (_offset(fit) @ mesh.vertices * every.direction).sum(axis=1)
    pull[:size] = fit.prior * across.T @ offsets
    information[:size, :size] += fit.prior * prior
    scatter[:size, :size] += fit.prior**2 * prior
    inverse = np.linalg.inv(information)
    held_back = inverse @ pull
    held_back[size:] = 0.0
    held_back[:size] += (inverse[:, :size] @ (fit.prior * prior @ held_back[:size]))[:size]
    return inverse @ scatter @ inverse, held_back[:size], every.direction


@pytest.mark.parametrize(("label", "noise"), [("membrane", "gaussian"), ("both", "poisson")])
def test_errors_are_those_of_dense_matrices_of_differences(label: str, noise: str) -> None:
    fitted = at_truth(label, noise)
    covariance, held_back, direction = dense_covariance(fitted)
    stage, mesh = fitted.prepared.plan[-1], fitted.progress.mesh
    known = value_of(shape_covariance(*fitted, stage))
    count = len(mesh.vertices)
    variance, factor = np.diag(covariance)[:count], np.empty(count)
    for group in compact_groups(mesh.vertices):
        by_precision = np.average(
            held_back[group] ** 2 / variance[group], weights=1 / variance[group]
        )
        factor[group] = 1.0 + by_precision
    assert factor.min() > 1.02
    expected = np.sqrt(factor * variance)
    ratio = known.vertex_errors() / expected
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    assert np.percentile(ratio, [5, 95]) == pytest.approx(1.0, abs=0.12)
    gradients = np.stack(
        [one.toarray().reshape(-1, 3) for one in (volume_gradients(mesh), area_gradients(mesh))]
    )
    sums = (gradients * direction).sum(axis=-1)
    spread = sums @ covariance[:count, :count] @ sums.T
    wanted = np.sqrt(np.diag(spread) + np.square(sums @ held_back))
    assert known.errors_of(gradients) == pytest.approx(wanted, rel=0.05)
    light = np.sqrt(np.diag(value_of(known.brightness_covariance())))
    assert light == pytest.approx(np.sqrt(np.diag(covariance)[count:]), rel=0.05)


def test_the_report_agrees_with_the_covariance_and_comes_in_small_steps() -> None:
    fitted = at_truth("both", "gaussian")
    stage, mesh = fitted.prepared.plan[-1], fitted.progress.mesh
    steps = shape_errors(*fitted, stage)
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: ShapeErrors = end.value
            break
        count += 1
    assert count > 20
    known = value_of(shape_covariance(*fitted, stage))
    assert (found.vertices == known.vertex_errors()).all()
    volume = volume_gradients(mesh).toarray().reshape(-1, 3)
    assert found.volumes[0] == pytest.approx(known.error_of(volume), rel=1e-3)
    assert found.areas[0] == pytest.approx(found.interface_areas[0])
    light = np.sqrt(np.diag(value_of(known.brightness_covariance())))
    assert found.intensities.membrane[0] == pytest.approx(fitted.prepared.scale * light[0])
    assert found.intensities.background == pytest.approx(fitted.prepared.scale * light[2])


def test_neighbourhoods_reach_as_far_as_the_prior_hands_on_what_data_say() -> None:
    shape, spacing = (20, 44, 44), np.array([0.4, 0.2, 0.2])
    center, psf = 0.5 * spacing * (np.array(shape) - 1), GaussianPSF(1.2 * spacing)
    truth = icosphere(center, 2.5, 3)
    image = render(truth, psf, shape, spacing)
    stack = ImageStack(poisson_noise(image, 100.0, 0, 1.0), spacing)
    prepared, progress = prepare(stack, truth, psf, FitSettings())
    stage = prepared.plan[-1]
    light = 100.0 / float(image.max()) / prepared.scale
    background = (1.0 - prepared.level) / prepared.scale
    progress.brightness = Brightness(np.array([light]), np.empty(0), background)
    found = value_of(normal_equations(ended(prepared, progress, stage)))
    solver = Solver(found.equations, truth.vertices, 0.5 * found.reach)
    local = np.empty(len(truth.vertices))
    for core, covariance in value_of(solver.local_covariances(found.reach)):
        local[core] = np.diag(covariance)
    known = found.equations
    both = np.block([[known.sparse.toarray(), known.border], [known.border.T, known.corner]])
    inverse = np.linalg.inv(both)[: len(local)]
    noise = [known.noise_sparse.toarray(), known.noise_border], [known.noise_border.T]
    scatter = np.block([noise[0], [*noise[1], known.noise_corner]])
    exact = np.diag(inverse @ scatter @ inverse.T)
    assert found.reach < 2.5
    assert np.median(np.sqrt(local / exact)) == pytest.approx(1.0, abs=0.07)
    assert np.sqrt(local / exact).min() > 0.8


def test_a_gradient_of_another_mesh_is_refused() -> None:
    fitted = at_truth("membrane", "gaussian")
    known = value_of(shape_covariance(*fitted, fitted.prepared.plan[-1]))
    with pytest.raises(ValueError, match="gradients: expected shape"):
        known.error_of(np.zeros((5, 3)))


def test_beyond_the_border_hardly_anything_is_known() -> None:
    fitted = at_truth("membrane", "gaussian", offset=1.2)
    mesh = fitted.progress.mesh
    errors = value_of(shape_errors(*fitted, fitted.prepared.plan[-1])).vertices
    last = SPACING * (np.array(SHAPE) - 1)
    inside = mesh.vertices[:, 2] < last[2] - 0.3
    beyond = mesh.vertices[:, 2] > last[2] + 0.3
    assert np.isfinite(errors).all()
    assert np.median(errors[beyond]) > 5 * np.median(errors[inside])
    assert errors.max() <= np.ptp(mesh.vertices, axis=0).max()


def test_a_vertex_on_a_triple_line_is_seen_across_it() -> None:
    mesh = two_tetrahedra()
    every = unknowns(mesh)
    assert every.vertex.tolist() == [0, 0, 1, 1, 2, 2, 3, 4]
    frames = every.direction @ every.direction.T
    same = every.vertex[:, None] == every.vertex
    assert np.where(same, frames, 0.0) == pytest.approx(np.eye(8))


@pytest.mark.parametrize("gradients", [volume_gradients, area_gradients])
def test_gradients_are_those_of_differences(gradients: Any) -> None:
    mesh = two_tetrahedra()

    def values(vertices: np.ndarray) -> np.ndarray:
        moved = mesh.with_vertices(vertices)
        if gradients is volume_gradients:
            return moved.volumes()
        return np.bincount(mesh.face_interfaces, moved.face_normals_and_areas()[1])

    step = 1e-5 * np.random.default_rng(0).normal(size=mesh.vertices.shape)
    difference = values(mesh.vertices + step) - values(mesh.vertices - step)
    assert gradients(mesh) @ (2 * step).ravel() == pytest.approx(difference, rel=1e-5, abs=1e-12)


def test_the_table_holds_a_gaussian_and_its_slope() -> None:
    sigma, blur = np.array([0.24, 0.12, 0.12]), 0.05
    table = point_spread_table(GaussianPSF(sigma), StageBlur(blur), SPACING, 0.445 / sigma)
    place = (1, 2, 0)
    shift = np.array(place) / table.values.shape[:3]
    offsets = [np.arange(-r, r + 2) for r in table.reach]
    grid = np.stack(np.meshgrid(*offsets, indexing="ij"), axis=-1)
    position = (grid - shift) * SPACING
    for which, times in enumerate((1, 2)):
        width = np.sqrt(sigma**2 + times * blur**2)
        peak = 1.0 / np.prod(np.sqrt(2 * np.pi) * width)
        exact = peak * np.exp(-0.5 * np.square(position / width).sum(axis=-1))
        found = table.values[place][which]
        assert found[0] == pytest.approx(exact, abs=5e-3 * peak)
        slope = -exact * position[..., 2] / width[2] ** 2
        assert found[3] == pytest.approx(slope, abs=1e-2 * peak / width[2])


@pytest.mark.parametrize("edge", [0.3, 3.0])
def test_quadrature_serves_small_and_large_faces(edge: float) -> None:
    mesh = TriangleMesh([[0, 0, 0], [0, edge, 0], [0, 0, edge]], [[0, 1, 2]])
    points = quadrature(mesh, np.array([2.0, 2.0, 2.0]))
    assert points.weight.sum() == pytest.approx(1.0)
    along = (points.corners @ mesh.vertices)[:, 1]
    wave = (points.weight * np.exp(2j * np.pi * 2.0 * along)).sum()
    phase = 2 * np.pi * 2.0 * edge
    # Mean over the triangle of a wave that runs along one side.
    exact = 2 * (1 + 1j * phase - np.exp(1j * phase)) / phase**2
    assert wave == pytest.approx(exact, abs=2e-2)


@pytest.mark.slow
def test_volumes_scatter_as_claimed() -> None:
    shape, spacing = (18, 34, 34), np.array([0.3, 0.15, 0.15])
    center = 0.5 * spacing * (np.array(shape) - 1)
    psf = GaussianPSF(1.2 * spacing)
    image = render(icosphere(center, 1.5, 4), psf, shape, spacing)
    volumes, claimed = [], []
    for seed in range(8):
        noisy = ImageStack(gaussian_noise(image, 0.15 * float(image.max()), seed), spacing)
        fitted = Fitted(*prepare(noisy, icosphere(center + 0.1, 1.3, 2), psf, FitSettings()))
        for _ in fit_states(*fitted):
            pass
        volumes.append(fitted.progress.mesh.volumes()[0])
        claimed.append(value_of(shape_errors(*fitted, fitted.prepared.plan[-1])).volumes[0])
    # Between the 0.2 % and 99.8 % points of a chi-square of seven degrees of freedom.
    ratio = np.var(volumes, ddof=1) / np.mean(np.square(claimed))
    assert 0.10 < ratio < 3.2
