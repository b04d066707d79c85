"""Optics that are learned while the shape is fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitting_cases import QUICK, Scene, ball, brightness_of, two_balls

from napari_deltamic.fitting import FitResult, FitSettings, FitState
from napari_deltamic.fitting.densities import Brightness, topology_of
from napari_deltamic.fitting.learning import linearised
from napari_deltamic.fitting.leg import leg_problem
from napari_deltamic.fitting.misfit import evaluate
from napari_deltamic.fitting.prepared_fit import prepare
from napari_deltamic.fitting.problem import inner
from napari_deltamic.fitting.progress import Optics
from napari_deltamic.fitting.roughness import roughness
from napari_deltamic.fitting.standard_errors import normals, pulled_back, shape_derivative
from napari_deltamic.imaging import ImageStack, gaussian_noise, poisson_noise, render
from napari_deltamic.mesh import bumpy_sphere, icosphere, mean_surface_distance
from napari_deltamic.optics import PSF, GaussianPSF
from napari_deltamic.optics.quantities import Quantity

SIGMA = np.array([0.3, 0.15, 0.15])
SHAPE, SPACING = (40, 40, 40), (0.1, 0.1, 0.1)
CENTRE = (2.0, 2.0, 2.0)
LEARN = FitSettings(stages=3, max_iterations=100, learn=("sigma",))


def bumps(
    label: str = "membrane",
    wrong: Any = 0.7,
    seed: int = 0,
    noise: float = 0.1,
    sigma: Any = SIGMA,
    **stack: Any,
) -> Scene:
    """Return a bumpy ball of an unknown shape, with a PSF that is wrong by a factor."""
    truth = bumpy_sphere(CENTRE, 1.1, 0.15, order=4, seed=1)
    light = {"membrane": float(label != "interior"), "interior": 5.0 * (label != "membrane")}
    image = render(truth, GaussianPSF(sigma), SHAPE, SPACING, **light)
    noisy = gaussian_noise(image, noise * float(image.std()), seed)
    given = GaussianPSF(sigma * np.array(wrong))
    return Scene(ImageStack(noisy, SPACING, **stack), icosphere(CENTRE, 1.0, 3), given, truth)


def sigma_of(result: FitResult) -> np.ndarray:
    return np.array([one.value for one in result.optics])


@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
@pytest.mark.parametrize("wrong", [0.5, (1.5, 1.4, 0.7)])
def test_widths_and_shape_are_both_found(label: str, wrong: Any) -> None:
    scene = bumps(label, wrong)
    result = scene.fit(LEARN.model_copy(update={"label": label}))
    assert sigma_of(result) == pytest.approx(SIGMA, rel=0.02)
    assert mean_surface_distance(result.mesh, scene.truth).mean < 0.05 * SPACING[0]
    assert [one.name for one in result.optics] == ["sigma_z", "sigma_y", "sigma_x"]
    assert [one.start for one in result.optics] == pytest.approx(SIGMA * wrong)
    assert result.psf.sigma.tolist() == pytest.approx(sigma_of(result).tolist())
    # The one that was given stays what it was.
    assert scene.psf.sigma.tolist() == pytest.approx((SIGMA * wrong).tolist())
    for one, true in zip(result.optics, SIGMA, strict=True):
        assert one.determined
        assert not one.at_bound
        assert one.unit == "um"
        assert abs(one.value - true) < 5 * one.standard_error < 0.05 * true
    assert not any("sigma" in warning for warning in result.warnings)


def test_the_rendering_is_that_of_the_learned_psf() -> None:
    scene, states = bumps(), []
    result = scene.fit(LEARN, states.append)
    expected = render(
        result.mesh,
        result.psf,
        SHAPE,
        SPACING,
        membrane=result.intensities.membrane,
        background=result.intensities.background,
    )
    assert np.abs(result.image - expected).max() < 2e-3 * float(expected.max())
    assert np.abs(states[-1].render() - expected).max() < 2e-3 * float(expected.max())
    assert states[-1].optics == {one.name: one.value for one in result.optics}
    assert np.var(result.image - scene.stack.data) < 1.05 * np.var(expected - scene.stack.data)


def test_optics_join_once_the_shape_has_settled() -> None:
    states: list[FitState] = []
    result = bumps().fit(LEARN, states.append)
    given = {one.name: one.start for one in result.optics}
    early = [state for state in states if state.optics == given]
    assert {state.stage for state in early} == {0, 1, 2}
    assert all(state.stage == 2 for state in states[len(early) :])
    assert early == states[: len(early)]


def test_wrong_widths_spoil_the_volume_and_learned_ones_do_not() -> None:
    scene = bumps("interior", 0.5)
    settings = LEARN.model_copy(update={"label": "interior", "learn": ()})
    wrong, learned = (
        scene.fit(settings),
        scene.fit(settings.model_copy(update={"learn": ("sigma",)})),
    )
    true = scene.truth.volumes()[0]
    off = abs(wrong.mesh.volumes()[0] - true)
    assert abs(learned.mesh.volumes()[0] - true) < 0.2 * off
    assert wrong.optics == []
    assert wrong.psf is scene.psf


@pytest.mark.parametrize("kind", ["mask", "poisson", "fixed mesh", "one stage", "two bodies"])
def test_learning_in_every_kind_of_fit(kind: str) -> None:
    scene, true, settings = bumps("interior"), SIGMA, LEARN.model_copy(update={"label": "interior"})
    if kind == "mask":
        mask = np.ones(SHAPE, bool)
        mask[:, :, 28:] = False
        scene = bumps("interior", mask=mask)
    elif kind == "poisson":
        clean = bumps("interior", noise=0.0).stack.data
        scene = scene.with_stack(data=poisson_noise(clean, 200.0, seed=0, background=5.0))
        settings = settings.model_copy(update={"noise": "poisson"})
    elif kind == "fixed mesh":
        settings = settings.model_copy(update={"remesh": False})
    elif kind == "one stage":
        settings = settings.model_copy(update={"stages": 1})
    else:
        scene, true = replace(two_balls("interior"), psf=GaussianPSF(0.1)), np.full(3, 0.15)
    result = scene.fit(settings)
    assert sigma_of(result) == pytest.approx(true, rel=0.04)
    assert all(one.determined for one in result.optics)


def test_one_quantity_alone_leaves_the_others() -> None:
    scene = bumps(wrong=(0.6, 1.0, 1.0))
    result = scene.fit(LEARN.model_copy(update={"learn": ("sigma_z",)}))
    assert [one.name for one in result.optics] == ["sigma_z"]
    assert result.psf.sigma.tolist() == pytest.approx(SIGMA.tolist(), rel=0.02)
    assert result.psf.sigma[1:].tolist() == pytest.approx(SIGMA[1:].tolist(), rel=1e-12)


@pytest.mark.parametrize("name", ["na", "sigma_w", "sig", "log_diagonal"])
def test_names_are_checked_before_anything_is_done(name: str) -> None:
    states: list[FitState] = []
    with pytest.raises(ValueError, match=rf"learn: .* no quantity '{name}'.*sigma_z, sigma_y"):
        ball().fit(QUICK.model_copy(update={"learn": (name,)}), states.append)
    assert states == []


class BoundedPSF(GaussianPSF):
    """A Gaussian that must not be wider than twice nor narrower than half of 0.15 um."""

    def quantities(self) -> list[Quantity]:
        return [one._replace(lower=0.075, upper=0.2) for one in super().quantities()]


def test_bounds_are_kept_and_named() -> None:
    scene = replace(bumps(), psf=BoundedPSF(0.15))
    states: list[FitState] = []
    result = scene.fit(LEARN, states.append)
    highest = max(max(state.optics.values()) for state in states)
    assert highest == pytest.approx(0.2)
    (first, *others) = result.optics
    assert first.value == pytest.approx(0.2)
    assert first.at_bound
    assert not any(one.at_bound for one in others)
    assert any(warning.startswith("sigma_z ended on its limit") for warning in result.warnings)


def test_widths_that_the_image_does_not_show_are_named() -> None:
    # A small ball in much noise and a narrow PSF: its edge shows here and there.
    centre = (1.15, 1.15, 1.15)
    image = render(
        icosphere(centre, 0.7, 4),
        GaussianPSF(0.05),
        (24,) * 3,
        SPACING,
        **brightness_of("interior"),
    )
    noisy = gaussian_noise(image, 4.0 * float(image.std()), seed=0)
    seed = icosphere(centre, 0.6, 2)
    scene = Scene(ImageStack(noisy, SPACING), seed, GaussianPSF(0.05), seed)
    settings = FitSettings(label="interior", stages=2, max_iterations=40, learn=("sigma",))
    result = scene.fit(settings)
    unknown = [one for one in result.optics if not one.determined]
    assert len(unknown) == 2
    (named,) = [text for text in result.warnings if text.startswith("the image does not determine")]
    for one in result.optics:
        assert (one.name in named) == (one in unknown)
    # Who learns nothing keeps the doubt there was.
    for one in unknown:
        assert 0.25 < one.standard_error / one.value < 0.6


def test_a_dark_object_says_nothing_about_optics() -> None:
    scene = ball()
    flat = gaussian_noise(np.full(scene.stack.data.shape, 5.0), 1.0, seed=0)
    negative = scene.with_stack(data=flat - scene.stack.data)
    result = negative.fit(QUICK.model_copy(update={"learn": ("sigma",)}))
    assert not result.intensities.membrane.any()
    for one in result.optics:
        assert one.value == pytest.approx(0.15, rel=1e-3)
        assert one.standard_error == pytest.approx(0.5 * one.value, rel=0.1)
        assert not one.determined


def test_a_stopped_fit_gives_what_was_learned_so_far() -> None:
    states: list[FitState] = []

    def joined() -> bool:
        return bool(states) and states[-1].optics["sigma_z"] > 0.25

    result = bumps().fit(LEARN, states.append, should_stop=joined)
    assert result.stop_reason.startswith("stopped")
    assert sigma_of(result)[0] > 0.25
    assert np.isnan([one.standard_error for one in result.optics]).all()
    assert not any("sigma" in warning for warning in result.warnings)


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
def test_resuming_is_exact_wherever_it_stopped(noise: str, tmp_path: Path) -> None:
    scene = ball("interior", noise=noise)
    scene = replace(scene, psf=GaussianPSF(0.1))
    settings = FitSettings(
        label="interior", noise=noise, stages=1, max_iterations=24, learn=("sigma",)
    )
    polls = 0

    def count() -> bool:
        nonlocal polls
        polls += 1
        return False

    whole = scene.fit(settings, should_stop=count)
    # Most polls come while optics are linearised and their errors are found.
    for allowed in [polls // 3, 2 * polls // 3, polls - 1]:
        answers, file = iter([False] * allowed), tmp_path / "checkpoint.npz"
        scene.fit(settings, should_stop=lambda: next(answers, True), checkpoint=file)  # noqa: B023
        again = scene.fit(settings, checkpoint=file, resume=True)
        assert again.loss_history == whole.loss_history
        assert again.optics == whole.optics
        assert np.array_equal(again.mesh.vertices, whole.mesh.vertices)
        assert np.array_equal(again.image, whole.image)
        assert again.warnings == whole.warnings
        file.unlink()


@pytest.mark.slow
def test_standard_errors_are_honest() -> None:
    results = [
        bumps("interior", 0.8, seed, noise=0.3).fit(LEARN.model_copy(update={"label": "interior"}))
        for seed in range(10)
    ]
    found = np.array([sigma_of(result) for result in results])
    claimed = np.mean([[one.standard_error for one in result.optics] for result in results], axis=0)
    spread = found.std(axis=0, ddof=1)
    assert (spread < 2 * claimed).all()
    assert (spread > 0.5 * claimed).all()
    assert (np.abs(found.mean(axis=0) - SIGMA) < 2 * claimed).all()


def begun(scene: Scene, on_voxels: bool) -> Any:
    """Return what the steps of learning need, with a mesh that is nearly right."""
    settings = LEARN.model_copy(update={"label": "interior", "backend": "cpu"})
    prepared, progress = prepare(scene.stack, scene.truth, scene.psf, settings)
    progress.on_voxels, stage = on_voxels, prepared.plan[-1]
    problem = leg_problem(progress, prepared, stage)
    return prepared, progress, stage, problem


def last(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("on_voxels", [False, True])
def test_variations_are_the_derivative_of_the_rendering(on_voxels: bool) -> None:
    prepared, _, _, problem = begun(bumps("interior"), on_voxels)
    raw, shift = prepared.expected, np.array([0.01, -0.02, 0.015])
    problem, variations = last(linearised(problem, prepared, raw, 1e-6))
    elsewhere, _ = last(linearised(problem, prepared, raw + shift, 1e-6))
    change = sum(
        float(length) * one for length, one in zip(shift, variations.transfer, strict=True)
    )
    actual = elsewhere.transfer - problem.transfer
    assert float((actual - change).norm()) < 0.05 * float(actual.norm())


@pytest.mark.parametrize("on_voxels", [False, True])
def test_gradient_holds_with_optics_solved_for(on_voxels: bool) -> None:
    prepared, progress, _, problem = begun(bumps("interior"), on_voxels)
    problem, variations = last(linearised(problem, prepared, prepared.expected, 1e-6))
    topology = topology_of(progress.mesh)
    middle = progress.mesh.vertices.mean(axis=0)
    vertices = torch.tensor(middle + 0.95 * (progress.mesh.vertices - middle))
    known = Brightness(np.empty(0), np.array([5.0]), 0.0)

    def objective(vertices: torch.Tensor) -> Any:
        return evaluate(problem, vertices, topology, known, variations)

    here = objective(vertices)
    assert np.abs(here.shift).max() > 0.01
    direction = here.gradient / here.gradient.abs().max()
    step = 4e-3
    ahead, behind = (objective(vertices + sign * step * direction) for sign in (1, -1))
    slope = (ahead.objective - behind.objective) / (2 * step)
    assert float((here.gradient * direction).sum()) == pytest.approx(slope, rel=1e-2)


@pytest.mark.parametrize("on_voxels", [False, True])
def test_the_shapes_derivative_and_its_adjoint_belong_together(on_voxels: bool) -> None:
    _, progress, stage, problem = begun(bumps("interior"), on_voxels)
    mesh = progress.mesh
    vertices = torch.tensor(mesh.vertices)
    cpu = torch.device("cpu")
    prior = roughness(mesh, stage.offset_width, stage.roughness_order, cpu)
    known = Brightness(np.empty(0), np.array([5.0]), 0.0)
    shape = shape_derivative(
        problem, vertices, topology_of(mesh), known, prior, lambda x: x, stage.cutoff
    )
    rng = torch.Generator().manual_seed(0)
    shift = 1.0 + 0.3 * torch.randn(len(vertices), generator=rng, dtype=torch.float64)
    seen = shape.forward(shift)
    pulled = shape.adjoint(seen)
    assert float((pulled * shift).sum()) == pytest.approx(float(inner(seen, seen)), rel=1e-2)
    offsets = shape.offset(shift)
    pulled = shape.offset_adjoint(offsets)
    assert float((pulled * shift).sum()) == pytest.approx(float(offsets.square().sum()), rel=1e-9)


@pytest.mark.parametrize("kind", ["band", "voxels", "mask"])
def test_what_is_pulled_back_is_the_transpose_of_the_way_to_the_data(kind: str) -> None:
    mask = np.ones(SHAPE, bool)
    mask[:, 25:] = False
    scene = bumps("interior", mask=mask if kind == "mask" else None)
    prepared, progress, stage, problem = begun(scene, kind != "band")
    one, two = np.random.default_rng(0).normal(size=(2, *SHAPE))
    targets = []
    for data in (one, two):
        changed = prepared._replace(stack=replace(prepared.stack, data=data.astype(np.float32)))
        targets.append(leg_problem(progress, changed, stage).target)
    expected = float(inner(targets[0], targets[1]))
    pulled = pulled_back(problem, prepared.stack, stage)(targets[0])
    assert float((pulled * two).sum()) == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert float((pulled * one).sum()) == pytest.approx(
        float(inner(targets[0], targets[0])), rel=1e-3
    )


def test_normals_point_outwards() -> None:
    mesh = icosphere((0.0, 0.0, 0.0), 2.0, 2)
    found = normals(torch.tensor(mesh.vertices), torch.tensor(mesh.faces))
    assert found.numpy() == pytest.approx(mesh.vertices / 2.0, abs=0.02)


def test_optics_are_still_once_they_move_no_more() -> None:
    start, widths = np.zeros(2), np.array([0.5, 0.1])
    optics = Optics(start, start, start, start)
    assert not optics.still(widths)
    first = optics.renewed(start, start, widths, first=True)
    assert not first.still(widths)
    second = first.renewed(start, start + 1e-4, widths)
    assert second.still(widths)
    assert not second.moved(np.array([0.0, 0.01])).still(widths)


def test_psf_without_quantities() -> None:
    class Plain(GaussianPSF):
        def quantities(self) -> list[Quantity]:
            return PSF.quantities(self)

    scene = replace(ball(), psf=Plain(0.15))
    with pytest.raises(ValueError, match="learn: Plain has no quantity 'sigma'; it has: none"):
        scene.fit(QUICK.model_copy(update={"learn": ("sigma",)}))
