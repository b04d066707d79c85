"""The misfit: its value, its gradient, and the brightness that is solved for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fitting_cases import brightness_of

from napari_deltamic.fitting import misfit as of_fit
from napari_deltamic.fitting.brightness import solve_brightness
from napari_deltamic.fitting.densities import Brightness, topology_of
from napari_deltamic.fitting.misfit import Evaluation
from napari_deltamic.fitting.problem import (
    Problem,
    band_problem,
    density_modes,
    image_problem,
    model_image,
    reweighted,
)
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging import ImageStack, gaussian_noise, render
from napari_deltamic.imaging.image_model import padded_shape
from napari_deltamic.mesh import TriangleMesh, bumpy_sphere, concatenate, icosphere
from napari_deltamic.meshft import MeshFourierTransform
from napari_deltamic.optics import GaussianPSF

SPACING = (0.25, 0.2, 0.2)
SHAPE = (15, 17, 27)
PSF = GaussianPSF((0.35, 0.3, 0.3))

TWO = concatenate([icosphere((1.7, 1.6, 1.4), 0.9, 2), icosphere((1.8, 1.7, 3.6), 0.7, 2)])


def evaluate(problem: Problem, vertices: np.ndarray, *rest: object) -> Evaluation:
    """Return the misfit, with its gradient as an array."""
    found = of_fit.evaluate(problem, torch.tensor(vertices), *rest)
    return found._replace(gradient=found.gradient.numpy())


def stage_of(band: tuple[int, int, int], blur: float = 0.0) -> Stage:
    return Stage(1.5, band, blur, 0.2, 0.01, 1)


def ones(mesh: TriangleMesh, label: str) -> Brightness:
    membrane = np.ones(len(mesh.interfaces) if label != "interior" else 0)
    interior = np.ones(len(mesh.regions) if label != "membrane" else 0)
    return Brightness(membrane, interior, 0.0)


def noisy_stack(mesh: TriangleMesh, label: str, **options: object) -> ImageStack:
    image = render(mesh, PSF, SHAPE, SPACING, **brightness_of(label), background=1.0)
    return ImageStack(gaussian_noise(image, 0.05 * float(image.max()), seed=3), SPACING, **options)


def problem_of(kind: str, stack: ImageStack, stage: Stage, fit_background: bool = True) -> Problem:
    box = padded_shape(SHAPE, stack.spacing, PSF.extent())
    choose = band_problem if kind == "band" else image_problem
    return choose(stack, box, PSF, stage, fit_background, "cpu")


@pytest.mark.parametrize("label", ["membrane", "interior"])
def test_rendering_and_gradient_are_exact_far_beyond_the_noise(label: str) -> None:
    stack = noisy_stack(TWO, label)
    problem = problem_of("voxels", stack, stage_of((13, 14, 19)))
    exact = MeshFourierTransform(
        problem.transform.shape, SPACING, band=problem.transform.band, tolerance=1e-9, backend="cpu"
    )
    topology, brightness = topology_of(TWO), ones(TWO, label)
    found = []
    for transform, dtype in ((problem.transform, torch.float32), (exact, torch.float64)):
        positions = torch.tensor(TWO.vertices, dtype=dtype, requires_grad=True)
        densities = replace(problem, transform=transform)
        modes = density_modes(densities, positions, topology, brightness)
        seen = problem.project((modes * problem.transfer).to(torch.complex128))
        (gradient,) = torch.autograd.grad((seen - problem.target).square().sum(), positions)
        found.append((seen.detach(), gradient.double()))
    for rough, fine, allowed in zip(*found, (3e-5, 6e-4), strict=True):
        assert torch.linalg.vector_norm(rough - fine) < allowed * torch.linalg.vector_norm(fine)


@pytest.mark.parametrize("blur", [0.0, 0.15])
@pytest.mark.parametrize("kind", ["band", "voxels", "masked", "weighted"])
@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_gradient_is_that_of_the_profiled_loss(label: str, kind: str, blur: float) -> None:
    mask = np.ones(SHAPE, bool)
    mask[:, 9:, 20:] = kind != "masked"
    stack = noisy_stack(TWO, label, mask=mask)
    problem = problem_of(kind, stack, stage_of((7, 7, 9), blur))
    rng = np.random.default_rng(7)
    topology = topology_of(TWO)
    # Away from the optimum, so that the gradient is not lost in rounding.
    middle = TWO.vertices.mean(axis=0)
    vertices = middle + 0.9 * (TWO.vertices - middle) + [0.05, -0.08, 0.06]
    brightness = ones(TWO, label)
    for values in brightness[:2]:
        values *= np.array([1.0, 0.6])[: len(values)]
    if kind == "weighted":
        here = evaluate(problem, vertices, topology, brightness).brightness
        problem = reweighted(problem, model_image(problem, vertices, here, topology, stack))
    gradient = evaluate(problem, vertices, topology, brightness).gradient
    # Along the gradient, roughened: a random direction alone is nearly orthogonal to it.
    direction = gradient / np.abs(gradient).max() + 0.3 * rng.normal(size=vertices.shape)
    step = 4e-3
    ahead, behind = (
        evaluate(problem, vertices + sign * step * direction, topology, brightness).loss
        for sign in (1, -1)
    )
    assert (gradient * direction).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-2)


@pytest.mark.parametrize("fit_background", [True, False])
@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_parseval_makes_band_and_voxels_one(label: str, fit_background: bool) -> None:
    mesh = icosphere((1.7, 1.6, 2.6), 0.9, 2)
    stack = noisy_stack(mesh, label)
    full = stage_of(tuple((n - 1) // 2 for n in SHAPE))
    seed = mesh.with_vertices(mesh.vertices + 0.1)
    found = [
        evaluate(
            choose(stack, SHAPE, PSF, full, fit_background, "cpu"),
            seed.vertices,
            topology_of(seed),
            ones(mesh, label),
        )
        for choose in (band_problem, image_problem)
    ]
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-4)
    difference = np.abs(found[0].gradient - found[1].gradient).max()
    assert difference < 1e-3 * np.abs(found[1].gradient).max()
    for one, other in zip(found[0].brightness, found[1].brightness, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("kind", ["band", "voxels", "masked"])
@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_brightness_of_two_regions_and_background_is_recovered(label: str, kind: str) -> None:
    known = Brightness(
        np.array([3.0, 1.2]) if label != "interior" else np.empty(0),
        np.array([20.0, 45.0]) if label != "membrane" else np.empty(0),
        7.0,
    )
    empty = ImageStack(np.zeros(SHAPE), SPACING)
    full = stage_of((7, 8, 13))
    topology = topology_of(TWO)
    box = padded_shape(SHAPE, empty.spacing, PSF.extent())
    maker = image_problem(empty, box, PSF, full, True, "cpu")
    image = model_image(maker, TWO.vertices, known, topology, empty)
    mask = None
    if kind == "masked":
        mask = np.ones(SHAPE, bool)
        mask[:, 10:] = False
        image = np.where(mask, image, np.float32(1e6))
    stack = ImageStack(image, SPACING, mask=mask)
    problem = problem_of(kind, stack, full)
    found = solve_brightness(problem, TWO.vertices, topology, ones(TWO, label))
    # In the band the stack's empty surroundings count as data: light lost there biases a little.
    accuracy = 1e-4 if kind != "band" else 2e-2
    for values, expected in zip(found, known, strict=True):
        assert values == pytest.approx(expected, rel=accuracy)
    here = evaluate(problem, TWO.vertices, topology, found)
    assert here.loss < (1e-7 if kind != "band" else 1e-3)


def test_evaluation_keeps_the_ratios_of_brightness() -> None:
    stack = noisy_stack(TWO, "both")
    given = Brightness(np.array([1.0, 4.0]), np.array([2.0, 1.0]), 0.0)
    problem = problem_of("band", stack, stage_of((5, 5, 7)))
    found = evaluate(problem, TWO.vertices, topology_of(TWO), given).brightness
    assert found.membrane[1] / found.membrane[0] == pytest.approx(4.0)
    assert found.interior[1] / found.interior[0] == pytest.approx(0.5)


def test_brightness_is_never_negative_but_the_background_may_be() -> None:
    mesh = icosphere((1.7, 1.6, 2.6), 0.9, 2)
    image = render(mesh, PSF, SHAPE, SPACING)
    problem = problem_of("voxels", ImageStack(-image - 5.0, SPACING), stage_of((7, 7, 9)))
    found = evaluate(problem, mesh.vertices, topology_of(mesh), ones(mesh, "both"))
    assert (found.brightness.membrane == 0).all()
    assert (found.brightness.interior == 0).all()
    assert found.brightness.background == pytest.approx(-5.0 - image.mean(), rel=1e-3)
    assert found.loss == pytest.approx(1.0, rel=1e-4)


def test_a_dark_component_can_still_be_moved() -> None:
    stack = noisy_stack(TWO, "membrane")
    dark = Brightness(np.array([1.0, 0.0]), np.empty(0), 0.0)
    problem = problem_of("band", stack, stage_of((5, 5, 7)))
    vertices = TWO.vertices + 0.1
    gradient = evaluate(problem, vertices, topology_of(TWO), dark).gradient
    second = np.unique(TWO.faces[(TWO.labels == 2).any(axis=1)])
    assert np.abs(gradient[second]).max() > 0


@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_model_image_is_the_rendering(label: str) -> None:
    mesh = bumpy_sphere((1.7, 1.6, 2.6), 0.8, 0.3, subdivisions=2)
    light = brightness_of(label)
    expected = render(mesh, PSF, SHAPE, SPACING, **light, background=2.0)
    known = Brightness(
        np.array([light["membrane"]] if light["membrane"] else []),
        np.array([light["interior"]] if light["interior"] else []),
        2.0,
    )
    stack = ImageStack(expected, SPACING)
    problem = problem_of("voxels", stack, stage_of((12, 12, 16)))
    found = model_image(problem, mesh.vertices, known, topology_of(mesh), stack)
    assert np.abs(found - expected).max() < 2e-3 * (expected.max() - 2.0)


def test_weights_are_one_over_the_model_with_a_floor() -> None:
    mesh = icosphere((1.7, 1.6, 2.6), 0.9, 2)
    stack = noisy_stack(mesh, "membrane")
    problem = problem_of("voxels", stack, stage_of((7, 7, 9)))
    model = np.linspace(-1.0, float(stack.data.max()), stack.data.size, dtype=np.float32)
    model = model.reshape(SHAPE)
    weighted = reweighted(problem, model)
    weights = (weighted.target / problem.target).square().numpy()
    expected = 1.0 / np.maximum(model, 0.02 * stack.data.max())
    assert weights == pytest.approx(expected / expected.mean(), rel=1e-4)
    assert torch.equal(weighted.transfer, problem.transfer)


def test_voxels_under_the_mask_have_no_say() -> None:
    mesh = icosphere((1.7, 1.6, 2.6), 0.9, 2)
    mask = np.ones(SHAPE, bool)
    mask[:, :, :9] = False
    image = noisy_stack(mesh, "membrane").data
    found = []
    for garbage in (0.0, 1e5, np.nan):
        stack = ImageStack(np.where(mask, image, garbage), SPACING, mask=mask)
        problem = problem_of("voxels", stack, stage_of((7, 7, 9), blur=0.2))
        found.append(evaluate(problem, mesh.vertices, topology_of(mesh), ones(mesh, "membrane")))
    for other in found[1:]:
        assert other.loss == found[0].loss
        assert np.array_equal(other.gradient, found[0].gradient)


def test_data_and_rendering_are_blurred_alike_however_coarse_the_voxels() -> None:
    # Membranes between voxels of about the PSF's width, and a blur of a third of a voxel.
    mesh, spacing, shape = icosphere((5.1, 5.2, 5.0), 1.5, 4), (0.4, 0.4, 0.4), (26, 26, 26)
    psf = GaussianPSF(0.4)
    image = render(mesh, psf, shape, spacing, membrane=1.0, tolerance=1e-5)
    box = padded_shape(shape, np.array(spacing), psf.extent())
    stage = stage_of(tuple((n - 1) // 2 for n in box), blur=0.14)
    problem = image_problem(ImageStack(image, spacing), box, psf, stage, False, "cpu")
    found = evaluate(problem, mesh.vertices, topology_of(mesh), ones(mesh, "membrane"))
    assert found.loss < 1e-5


@pytest.mark.parametrize("blur", [0.0, 0.1])
def test_blurred_and_masked_voxels_are_not_independent(blur: float) -> None:
    stack = noisy_stack(icosphere((1.7, 1.6, 2.6), 0.9, 2), "membrane")
    mask = np.ones(SHAPE, bool)
    mask[:5] = False
    stage = stage_of((7, 7, 9))._replace(blur=blur)
    whole = problem_of("voxels", stack, stage)
    masked = problem_of("voxels", ImageStack(stack.data, SPACING, mask=mask), stage)
    assert masked.size / whole.size == pytest.approx(mask.mean())
    if blur:
        assert whole.size < stack.data.size
        band = problem_of("band", stack, stage)
        share = stack.data.size / np.prod(band.transform.shape)
        assert whole.size == pytest.approx(share * band.size, rel=0.1)
    else:
        assert whole.size == stack.data.size
