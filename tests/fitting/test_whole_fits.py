"""Whole fits of objects whose shape is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fitting_cases import (
    CENTER,
    QUICK,
    RADIUS,
    SHAPE,
    SPACING,
    VOLUME,
    Scene,
    ball,
    brightness_of,
    two_balls,
)
from scipy import ndimage

from napari_deltamic.fitting import FitResult, FitSettings, FitState, fit, iter_fit
from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.mesh import (
    bumpy_sphere,
    mean_surface_distance,
    measure,
    seed_spheres,
    surface_distance,
)
from napari_deltamic.optics import GaussianPSF


def settings_of(**changes: object) -> FitSettings:
    return QUICK.model_copy(update=changes)


def check_ball(result: FitResult, scene: Scene, voxels: float = 0.1, volume: float = 5e-3) -> None:
    assert mean_surface_distance(result.mesh, scene.truth).mean < voxels * SPACING
    assert result.mesh.volumes()[0] == pytest.approx(VOLUME, rel=volume)
    assert result.mesh.is_closed
    assert result.warnings == []


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_ball_from_a_displaced_seed_that_is_too_small(label: str, noise: str) -> None:
    scene = ball(label, noise)
    result = scene.fit(settings_of(label=label, noise=noise))
    check_ball(result, scene)
    assert measure(result.mesh)[0].centroid == pytest.approx(CENTER, abs=0.1 * SPACING)
    known = {name: value for name, value in brightness_of(label).items() if value}
    if noise == "gaussian":
        for name, value in known.items():
            assert getattr(result.intensities, name) == pytest.approx([value], rel=0.02)
    for name in ("membrane", "interior"):
        assert len(getattr(result.intensities, name)) == (name in known)
    background = 2.0 if noise == "gaussian" else 10.0
    assert result.intensities.background == pytest.approx(background, rel=0.01)


def test_default_settings() -> None:
    scene = ball()
    check_ball(fit(scene.stack, scene.seed, scene.psf), scene)


def test_seed_that_is_too_large() -> None:
    scene = ball(seed_radius=1.5)
    check_ball(scene.fit(), scene)


@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_two_objects_of_different_brightness(label: str) -> None:
    scene = two_balls(label)
    result = scene.fit(settings_of(label=label))
    assert list(result.mesh.regions) == [3, 7]
    assert mean_surface_distance(result.mesh, scene.truth).mean < 0.1 * SPACING
    assert result.mesh.volumes() == pytest.approx([VOLUME, VOLUME], rel=0.01)
    for name, value in brightness_of(label).items():
        found = getattr(result.intensities, name)
        assert found == pytest.approx([3.0, 1.2] if value else [], rel=0.03)
    assert result.intensities.background == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("label", ["membrane", "interior"])
def test_mask_over_half_of_the_object(label: str) -> None:
    scene = ball(label, offset=(0.1, -0.15, -0.1))
    mask = np.ones(SHAPE, bool)
    mask[:, :, SHAPE[2] // 2 :] = False
    results = []
    for hidden in (np.nan, np.random.default_rng(0).uniform(0, 1e6, SHAPE)):
        data = np.where(mask, scene.stack.data, hidden)
        results.append(scene.with_stack(data=data, mask=mask).fit(settings_of(label=label)))
    assert np.array_equal(results[0].mesh.vertices, results[1].mesh.vertices)
    assert results[0].loss_history == results[1].loss_history
    vertices = results[0].mesh.vertices
    seen = vertices[vertices[:, 2] < CENTER[2] - 0.2]
    assert len(seen) > 100
    assert surface_distance(seen, scene.truth).mean() < 0.1 * SPACING


@pytest.mark.parametrize("label", ["membrane", "interior"])
@pytest.mark.parametrize("inside", [0.3, 0.0])
def test_object_cut_by_the_border(label: str, inside: float) -> None:
    # Its centre is this far within the stack: at least three tenths of it cannot be seen.
    scene = ball(label, center=(*CENTER[:2], inside))
    result = scene.fit(settings_of(label=label))
    vertices = result.mesh.vertices
    seen = vertices[vertices[:, 2] > SPACING]
    assert len(seen) > 100
    assert surface_distance(seen, scene.truth).mean() < 0.1 * SPACING
    assert getattr(result.intensities, label) == pytest.approx([brightness_of(label)[label]], 0.03)


@pytest.mark.parametrize("sigma", [(0.35, 0.15, 0.15), (0.15, 0.15, 0.15)])
def test_planes_three_times_as_far_apart(sigma: tuple[float, float, float]) -> None:
    # With the narrow PSF the planes are too far apart for it, and its modes alias along z.
    center = (1.95, 1.85, 1.95)
    scene = ball(shape=(14, 38, 40), spacing=(0.3, 0.1, 0.1), center=center, sigma=sigma)
    check_ball(scene.fit(), scene)


def test_origin_moves_the_result() -> None:
    scene, origin = ball(), np.array([5.0, -3.0, 100.0])
    moved = replace(
        scene.with_stack(origin=origin),
        seed=scene.seed.with_vertices(scene.seed.vertices + origin),
        truth=scene.truth.with_vertices(scene.truth.vertices + origin),
    )
    result = moved.fit()
    check_ball(result, moved)
    assert result.image.shape == SHAPE
    assert np.abs(result.image - scene.fit().image).max() < 0.02 * scene.stack.data.max()


def test_spacing_scales_the_result() -> None:
    scene, factor = ball(), 50.0
    larger = Scene(
        ImageStack(scene.stack.data, factor * scene.stack.spacing),
        scene.seed.with_vertices(factor * scene.seed.vertices),
        GaussianPSF(factor * 0.15),
        scene.truth.with_vertices(factor * scene.truth.vertices),
    )
    result = larger.fit()
    shrunk = result.mesh.with_vertices(result.mesh.vertices / factor)
    check_ball(replace(result, mesh=shrunk), scene)
    # The same light per voxel: brightness per um^2 times um^2, over um^3.
    assert result.intensities.membrane == pytest.approx([3.0 * factor], rel=0.02)


@pytest.mark.parametrize("level", [-50.0, 1e4, 1e5])
def test_a_large_constant_offset_of_the_camera(level: float) -> None:
    scene = ball()
    result = scene.with_stack(data=scene.stack.data + np.float32(level)).fit()
    check_ball(result, scene)
    assert result.intensities.background == pytest.approx(level + 2.0, abs=0.05)
    assert result.intensities.membrane == pytest.approx([3.0], rel=0.02)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_brightness_is_in_the_units_of_the_image(factor: float) -> None:
    scene = ball("both")
    result = scene.with_stack(data=factor * scene.stack.data).fit(settings_of(label="both"))
    check_ball(result, scene)
    assert result.intensities.membrane == pytest.approx([3.0 * factor], rel=0.02)
    assert result.intensities.interior == pytest.approx([20.0 * factor], rel=0.02)
    assert result.intensities.background == pytest.approx(2.0 * factor, rel=0.02)


def test_without_background_it_is_zero() -> None:
    scene = ball()
    result = scene.with_stack(data=scene.stack.data - 2.0).fit(settings_of(fit_background=False))
    check_ball(result, scene)
    assert result.intensities.background == 0.0


def test_without_remeshing_the_faces_stay() -> None:
    scene = ball()
    result = scene.fit(settings_of(remesh=False))
    assert np.array_equal(result.mesh.faces, scene.seed.faces)
    assert mean_surface_distance(result.mesh, scene.truth).mean < 0.1 * SPACING


def test_edge_length_is_honoured() -> None:
    result = ball().fit(settings_of(edge_length=0.3))
    corners = result.mesh.vertices[result.mesh.faces]
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert lengths.mean() == pytest.approx(0.3, rel=0.15)


def test_the_image_is_the_rendering_and_explains_the_data() -> None:
    scene = ball("both")
    result = scene.fit(settings_of(label="both"))
    expected = render(
        result.mesh,
        scene.psf,
        SHAPE,
        scene.stack.spacing,
        membrane=result.intensities.membrane,
        interior=result.intensities.interior,
        background=result.intensities.background,
    )
    assert result.image.dtype == np.float32
    assert result.image == pytest.approx(expected, abs=3e-3 * float(expected.max()))
    noise = scene.stack.data - result.image
    # What is left is the noise that was added: two percent of the brightest voxel.
    assert noise.std() == pytest.approx(0.02 * expected.max(), rel=0.05)
    assert abs(noise.mean()) < 1e-3 * expected.max()


def test_two_runs_are_the_same_bit_for_bit() -> None:
    one, other = (ball("both", "poisson") for _ in range(2))
    settings = settings_of(label="both", noise="poisson", max_iterations=20)
    first, second = one.fit(settings), other.fit(settings)
    assert np.array_equal(first.mesh.vertices, second.mesh.vertices)
    assert np.array_equal(first.mesh.faces, second.mesh.faces)
    assert first.loss_history == second.loss_history


def test_states_tell_how_the_fit_goes() -> None:
    scene, states = ball(), []
    result = scene.fit(QUICK, states.append)
    assert [state.iteration for state in states] == list(range(1, len(states) + 1))
    assert [state.loss for state in states] == result.loss_history
    assert {state.stages for state in states} == {2}
    assert result.stage_starts[0] == 0
    for number, start in enumerate(result.stage_starts):
        assert states[start].stage == number
        assert start == 0 or states[start - 1].stage == number - 1
    for before, after in pairwise(states):
        assert 0 < before.progress < after.progress <= 1
    assert np.array_equal(states[-1].mesh.vertices, result.mesh.vertices)
    assert np.array_equal(states[-1].render(), result.image)
    assert result.settings == QUICK
    assert result.stop_reason.startswith("the last stage")


def test_iter_fit_yields_what_fit_tells() -> None:
    scene, told = ball(), []
    settings = settings_of(max_iterations=12)
    scene.fit(settings, told.append)
    yielded = list(iter_fit(scene.stack, scene.seed, scene.psf, settings))
    assert len(yielded) == len(told) == 24
    for one, other in zip(yielded, told, strict=True):
        assert np.array_equal(one.mesh.vertices, other.mesh.vertices)
        assert np.array_equal(one.mesh.faces, other.mesh.faces)
        assert np.array_equal(one.intensities.membrane, other.intensities.membrane)
        assert (one.iteration, one.stage, one.loss, one.progress) == (
            other.iteration,
            other.stage,
            other.loss,
            other.progress,
        )


def test_states_do_not_change_later() -> None:
    scene = two_balls()
    kept: list[FitState] = []
    copies = []

    def keep(state: FitState) -> None:
        kept.append(state)
        image = state.render() if state.iteration == 5 else None
        copies.append((state.mesh.vertices.copy(), state.intensities.membrane.copy(), image))

    scene.fit(settings_of(max_iterations=12), keep)
    for state, (vertices, membrane, image) in zip(kept, copies, strict=True):
        assert np.array_equal(state.mesh.vertices, vertices)
        assert np.array_equal(state.intensities.membrane, membrane)
        assert image is None or np.array_equal(state.render(), image)
    assert not np.array_equal(copies[4][0], copies[5][0])


def test_meddling_with_a_state_does_not_disturb_the_fit() -> None:
    scene, settings = two_balls(), settings_of(max_iterations=12)

    def meddle(state: FitState) -> None:
        with pytest.raises(ValueError, match="read-only"):
            state.mesh.vertices[:] = 0.0
        state.intensities.membrane[:] = -1.0

    undisturbed = scene.fit(settings)
    assert scene.fit(settings, meddle).loss_history == undisturbed.loss_history


def test_the_input_is_left_as_it_was() -> None:
    scene = ball()
    data, vertices = scene.stack.data.copy(), scene.seed.vertices.copy()
    scene.fit(settings_of(max_iterations=4))
    assert np.array_equal(scene.stack.data, data)
    assert np.array_equal(scene.seed.vertices, vertices)


@pytest.mark.parametrize("count", [0, 1, 15])
def test_stopping_leaves_a_mesh_to_use(count: int) -> None:
    scene = ball()
    states: list[FitState] = []
    result = scene.fit(on_state=states.append, should_stop=lambda: len(states) == count)
    assert result.stop_reason.startswith("stopped by the user")
    assert len(result.loss_history) == count
    assert result.mesh.is_closed
    assert result.mesh.volumes()[0] > 0.5 * scene.seed.volumes()[0]
    assert np.isfinite(result.image).all()
    assert result.image.shape == SHAPE
    if count == 0:
        assert result.mesh.vertices == pytest.approx(scene.seed.vertices)


def test_an_error_in_on_state_is_not_swallowed() -> None:
    def fail(state: FitState) -> None:
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        ball().fit(QUICK, fail)


def test_the_loss_falls_within_a_leg_and_in_the_end() -> None:
    result = ball().fit()
    losses = np.array(result.loss_history)
    assert losses[-1] < 0.05 * losses[0]
    assert (np.diff(losses[:20]) < 0).all()


def test_radius_is_unbiased_without_noise() -> None:
    scene = ball("interior")
    image = render(scene.truth, scene.psf, SHAPE, scene.stack.spacing, (0, 0, 0), 0.0, 20.0, 2.0)
    result = scene.with_stack(data=image).fit(settings_of(label="interior", max_iterations=80))
    radii = np.linalg.norm(result.mesh.vertices - CENTER, axis=1)
    assert radii.mean() == pytest.approx(RADIUS, abs=0.05 * SPACING)
    assert radii.std() < 0.05 * SPACING


def test_stopped_before_the_first_step_the_brightness_is_that_of_the_seed() -> None:
    scene = ball("both")
    result = scene.fit(settings_of(label="both"), should_stop=lambda: True)
    assert result.loss_history == []
    assert result.mesh is not scene.seed
    assert np.array_equal(result.mesh.faces, scene.seed.faces)
    image, data = result.image - result.image.mean(), scene.stack.data - scene.stack.data.mean()
    unexplained = ((image - data) ** 2).sum() / (data**2).sum()
    assert unexplained < 0.8
    assert scene.stack.data.min() < result.intensities.background < scene.stack.data.mean()


def test_regions_that_run_through_each_other_are_named() -> None:
    scene = two_balls()
    vertices = np.array(scene.seed.vertices)
    second = np.unique(scene.seed.faces[scene.seed.labels.max(axis=1) == 7])
    # Half across, for of faces that lie in one another rounding says whether they cross.
    vertices[second] += np.array([0.0, 0.0, 2.2 - 4.7])
    through = replace(scene, seed=scene.seed.with_vertices(vertices))
    result = through.fit(settings_of(stages=1, max_iterations=1, remesh=False))
    assert any(warning.startswith("regions 3 and 7 run through") for warning in result.warnings)


def test_haze_that_no_mesh_explains_does_not_let_the_prior_flatten_a_membrane() -> None:
    truth = bumpy_sphere((4.05, 3.9, 3.9), 2.2, 0.25, seed=2, subdivisions=4)
    spacing, psf = (0.3, 0.2, 0.2), GaussianPSF((0.3, 0.2, 0.2))
    image = render(truth, psf, (28, 40, 40), spacing)
    rng = np.random.default_rng(1)
    haze = ndimage.gaussian_filter(rng.normal(size=image.shape), 2.0)
    # Stronger haze makes the surface cross itself, and rounding decides where it ends.
    haze *= 0.5 * image.max() / np.abs(haze).max()
    noise = 0.02 * image.max() * rng.normal(size=image.shape)
    stack = ImageStack((image + haze + noise + 1.0).astype(np.float32), spacing)
    seed = seed_spheres([(4.05, 3.9, 3.9)], 2.2)
    # 0.036 um; with the haze taken for noise 0.147.
    result = fit(stack, seed, psf, FitSettings(stages=1))
    assert mean_surface_distance(result.mesh, truth).mean < 0.06
