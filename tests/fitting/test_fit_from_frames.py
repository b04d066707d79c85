"""Fits from compressed frames instead of a stack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fitting_cases import blocks

from napari_deltamic.fitting import FitResult, FitSettings, fit, iter_fit
from napari_deltamic.fitting.densities import Brightness, topology_of
from napari_deltamic.fitting.misfit import evaluate
from napari_deltamic.fitting.prepared_fit import prepare
from napari_deltamic.fitting.problem import frame_problem, model_of_data, reweighted
from napari_deltamic.imaging import (
    Camera,
    FrameStack,
    FullSampling,
    ImageStack,
    PatternedIllumination,
    photon_gain,
    render,
    render_frames,
)
from napari_deltamic.mesh import TriangleMesh, bumpy_sphere, icosphere, mean_surface_distance
from napari_deltamic.optics import GaussianPSF

SHAPE, SPACING = (16, 32, 32), (0.4, 0.2, 0.2)
CENTER = (3.0, 3.1, 3.1)
ORIGIN = (5.0, -1.0, 2.0)
EMISSION, EXCITATION = GaussianPSF((0.5, 0.3, 0.3)), GaussianPSF(0.2)
SETTINGS = FitSettings(max_iterations=60)
TRUTH = bumpy_sphere(CENTER, 1.7, 0.15, seed=1, subdivisions=4)


def patterned(
    binning: int, seed: int = 0, shape: tuple[int, int, int] = SHAPE
) -> PatternedIllumination:
    lit = np.random.default_rng(seed).random((4, *shape[1:])) < 0.5
    patterns = torch.tensor(lit / lit.mean() / 4, dtype=torch.float32)
    return PatternedIllumination(
        patterns, SPACING, depth=SHAPE[0], binning=binning, excitation=EXCITATION, emission=EMISSION
    )


def recorded(
    acquisition: PatternedIllumination | FullSampling, photons: float | None
) -> FrameStack:
    truth = TRUTH.with_vertices(TRUTH.vertices + ORIGIN)
    frames = torch.from_numpy(render_frames(truth, acquisition, ORIGIN))
    if photons is not None:
        whole = render(truth, EMISSION, SHAPE, SPACING, ORIGIN)
        camera = Camera(photon_gain(torch.from_numpy(whole), photons), read_noise=1.0)
        frames = camera(frames, torch.Generator().manual_seed(3))
    return FrameStack(frames.detach().numpy() + 2.0, acquisition, ORIGIN)


def seed() -> TriangleMesh:
    return icosphere(np.add(CENTER, ORIGIN) + np.array([0.1, -0.15, 0.1]), 1.7, 3)


def distance(result: FitResult) -> float:
    found = result.mesh.with_vertices(result.mesh.vertices - ORIGIN)
    return mean_surface_distance(found, TRUTH).mean / SPACING[2]


@pytest.mark.parametrize(("binning", "noise", "most"), [(8, "gaussian", 0.1), (16, "poisson", 0.2)])
def test_a_mesh_is_found_from_frames_of_16_and_64_times_fewer_pixels(
    binning: int, noise: str, most: float
) -> None:
    stack = recorded(patterned(binning), photons=100.0)
    assert stack.acquisition.compression == binning**2 / 4
    moved = seed().with_vertices(seed().vertices - ORIGIN)
    start = mean_surface_distance(moved, TRUTH).mean / SPACING[2]
    result = fit(stack, seed(), settings=SETTINGS.model_copy(update={"noise": noise}))
    assert distance(result) < most < start / 2
    assert result.intensities.background == pytest.approx(2.0, rel=0.2)
    # What the mesh looks like on all voxels, although nobody recorded them.
    whole = render(TRUTH, EMISSION, SHAPE, SPACING)
    scale = result.intensities.membrane[0]
    assert np.var(result.image / scale - whole) < 0.01 * np.var(whole)
    assert result.psf is EMISSION


def test_frames_of_full_sampling_give_what_the_stack_gives() -> None:
    stack = recorded(FullSampling(SHAPE, SPACING, EMISSION), photons=None)
    image = ImageStack(stack.data[0], SPACING, ORIGIN)
    by_frames = fit(stack, seed(), settings=SETTINGS)
    by_stack = fit(image, seed(), EMISSION, SETTINGS.model_copy(update={"stages": 1}))
    assert distance(by_frames) < 0.03
    assert distance(by_stack) < 0.03


@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_the_gradient_is_that_of_the_misfit(label: str) -> None:
    cells = blocks(np.arange(1, 3).reshape(1, 1, 2), 1.4, origin=(1.5, 2.0, 2.0))
    stack = FrameStack(recorded(patterned(8), None).data, patterned(8))
    prepared, _ = prepare(stack, cells, None, FitSettings(label=label))
    problem = frame_problem(prepared.stack, prepared.box, prepared.plan[-1], True, "cpu")
    topology = topology_of(cells)
    membrane = np.ones(len(cells.interfaces) if label != "interior" else 0)
    interior = np.array([1.0, 2.0]) if label != "membrane" else np.empty(0)
    brightness = Brightness(membrane, interior, 0.0)
    model = np.abs(prepared.stack.data) + 1.0
    weighted = reweighted(problem, model)
    rng = np.random.default_rng(0)
    vertices = torch.tensor(cells.vertices + 0.02 * rng.normal(size=cells.vertices.shape))
    direction = torch.tensor(rng.normal(size=cells.vertices.shape))
    for one in (problem, weighted):
        slope = float((evaluate(one, vertices, topology, brightness).gradient * direction).sum())
        step = 1e-3
        ahead = evaluate(one, vertices + step * direction, topology, brightness).loss
        behind = evaluate(one, vertices - step * direction, topology, brightness).loss
        assert slope == pytest.approx((ahead - behind) / (2 * step), rel=0.02)


def test_the_fit_renders_frames_as_render_frames_does() -> None:
    acquisition = patterned(8)
    stack = FrameStack(render_frames(TRUTH, acquisition), acquisition)
    prepared, _ = prepare(stack, TRUTH, None, SETTINGS)
    problem = frame_problem(prepared.stack, prepared.box, prepared.plan[-1], False, "cpu")
    lit = Brightness(np.ones(1), np.empty(0), 0.0)
    model = model_of_data(problem, TRUTH.vertices, lit, topology_of(TRUTH), prepared.stack)
    expected = render_frames(TRUTH, acquisition)
    # The box is another, and with it the last modes.
    assert np.abs(model - expected).max() < 0.01 * expected.max()


def test_frames_are_those_of_finer_voxels() -> None:
    coarse = patterned(8)
    fine = PatternedIllumination(
        coarse.patterns.detach().repeat_interleave(2, 1).repeat_interleave(2, 2),
        (0.4, 0.1, 0.1),
        depth=SHAPE[0],
        binning=16,
        excitation=EXCITATION,
        emission=EMISSION,
    )
    # A voxel of 0.2 um is two of 0.1 um about its centre.
    by_fine = render_frames(TRUTH, fine, (0.0, -0.05, -0.05)) / 4
    by_coarse = render_frames(TRUTH, coarse)
    assert np.abs(by_fine - by_coarse).max() < 0.01 * by_coarse.max()


def test_a_stopped_fit_goes_on_and_one_with_other_patterns_does_not(tmp_path: Path) -> None:
    stack, file = recorded(patterned(8), 100.0), tmp_path / "fit.npz"
    settings = SETTINGS.model_copy(update={"max_iterations": 20})
    whole = fit(stack, seed(), settings=settings)
    done: list[int] = []
    fit(
        stack,
        seed(),
        settings=settings,
        on_state=lambda state: done.append(state.iteration),
        should_stop=lambda: len(done) >= 7,
        checkpoint=file,
    )
    resumed = fit(stack, seed(), settings=settings, checkpoint=file, resume=True)
    assert np.array_equal(resumed.mesh.vertices, whole.mesh.vertices)
    other = FrameStack(stack.data, patterned(8, seed=9), ORIGIN)
    with pytest.raises(ValueError, match=r"checkpoint: .* belongs to a fit of another"):
        fit(other, seed(), settings=settings, checkpoint=file, resume=True)


def test_states_hold_the_frames_and_the_specimen() -> None:
    stack = recorded(patterned(8), None)
    state = next(iter_fit(stack, seed(), settings=SETTINGS))
    assert np.allclose(state.observed(), stack.data, atol=1e-3 * stack.data.max())
    assert state.render().shape == SHAPE
    assert state.stages == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fit_attenuation": True}, "fit_attenuation: not possible with frames"),
        ({"standard_errors": True}, "standard_errors: not possible with frames"),
        ({"learn": ("sigma",)}, "learn: not possible with frames"),
    ],
)
def test_what_only_a_stack_can_give_is_refused(change: dict[str, object], message: str) -> None:
    stack = recorded(patterned(8), None)
    with pytest.raises(ValueError, match=message):
        fit(stack, seed(), settings=FitSettings(**change))


def test_psf_and_frames_say_what_is_wrong() -> None:
    acquisition = patterned(8)
    stack = recorded(acquisition, None)
    with pytest.raises(ValueError, match="psf: frames come with that of their acquisition"):
        fit(stack, seed(), GaussianPSF(0.3))
    with pytest.raises(TypeError, match="psf: expected a PSF, got NoneType"):
        fit(ImageStack(np.ones(SHAPE), SPACING), seed())
    with pytest.raises(ValueError, match=r"data: expected frames of shape \(4, 16, 4, 4\)"):
        FrameStack(stack.data[:2], acquisition)
    with pytest.raises(ValueError, match="data: some pixels are NaN or infinite"):
        FrameStack(np.full_like(stack.data, np.nan), acquisition)
    blind = PatternedIllumination(acquisition.patterns, SPACING, depth=SHAPE[0], binning=8)
    with pytest.raises(ValueError, match="acquisition: it has no emission PSF"):
        FrameStack(stack.data, blind)
