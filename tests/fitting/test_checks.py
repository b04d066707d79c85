"""Bad input: every argument that makes no sense is named, and what is harmless is put right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fitting_cases import CENTER, QUICK, RADIUS, SHAPE, SPACING, VOLUME, ball

from napari_deltamic.fitting import fit, iter_fit
from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import TriangleMesh, concatenate, icosphere, mean_surface_distance
from napari_deltamic.optics import GaussianPSF

SCENE = ball()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite(value: float) -> None:
    data = SCENE.stack.data.copy()
    data[3, 4, 5] = value
    with pytest.raises(ValueError, match=r"data: NaN or infinite in 1 of .*\(3, 4, 5\)"):
        SCENE.with_stack(data=data)


@pytest.mark.parametrize("shape", [(20, 20), (2, 3, 10, 20, 20)])
def test_images_that_are_not_3d(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"data: expected a 3D stack.*{len(shape)}D"):
        ImageStack(np.ones(shape), (0.1, 0.1, 0.1))


@pytest.mark.parametrize("spacing", [None, 0.0, (0.1, 0.1), (0, 0.1, 0.1), (0.1, np.nan, 0.1)])
def test_spacing_that_is_missing_or_zero(spacing: object) -> None:
    with pytest.raises(ValueError, match="spacing: expected three positive voxel sizes"):
        SCENE.with_stack(spacing=spacing)


def test_stack_of_nothing() -> None:
    with pytest.raises(ValueError, match="stack: every voxel is 0"):
        SCENE.with_stack(data=np.zeros(SHAPE)).fit()


def test_stack_constant_wherever_it_is_trusted() -> None:
    data = np.full(SHAPE, 7.0)
    data[0] = 100.0
    mask = np.ones(SHAPE, bool)
    mask[0] = False
    with pytest.raises(ValueError, match="stack: every voxel is 7"):
        SCENE.with_stack(data=data, mask=mask).fit()


def test_empty_mesh() -> None:
    empty = TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int))
    with pytest.raises(ValueError, match="mesh: it has no faces"):
        replace(SCENE, seed=empty).fit()


def test_open_mesh() -> None:
    seed = TriangleMesh(SCENE.seed.vertices, SCENE.seed.faces[1:])
    with pytest.raises(ValueError, match="mesh: the surface of region 1 is not closed"):
        replace(SCENE, seed=seed).fit()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1, 1])
def test_mesh_outside_the_stack(axis: int, sign: int) -> None:
    center = CENTER.copy()
    center[axis] += sign * 100.0
    with pytest.raises(ValueError, match="mesh: region 1 lies outside the stack"):
        replace(SCENE, seed=icosphere(center, 0.6, 2)).fit()


def test_one_surface_of_two_outside_the_stack() -> None:
    seed = concatenate([SCENE.seed, icosphere((50, 50, 50), 0.6, 2)])
    with pytest.raises(ValueError, match="mesh: region 2 lies outside the stack"):
        replace(SCENE, seed=seed).fit()


def test_psf_wider_than_the_stack() -> None:
    with pytest.raises(ValueError, match="psf: along y it reaches"):
        replace(SCENE, psf=GaussianPSF((0.2, 20.0, 0.2))).fit()


@pytest.mark.parametrize("name", ["stack", "mesh", "psf"])
def test_arguments_of_the_wrong_type(name: str) -> None:
    given = {"stack": SCENE.stack, "mesh": SCENE.seed, "psf": SCENE.psf, name: np.ones(3)}
    with pytest.raises(TypeError, match=f"{name}: expected an? .* got ndarray"):
        fit(**given)


def test_iter_fit_checks_as_fit_does() -> None:
    states = iter_fit(SCENE.stack, icosphere((50, 50, 50), 0.6, 2), SCENE.psf, QUICK)
    with pytest.raises(ValueError, match="mesh: region 1 lies outside the stack"):
        next(states)


def test_inside_out_mesh_is_turned_with_a_warning() -> None:
    turned = TriangleMesh(SCENE.seed.vertices, SCENE.seed.faces[:, ::-1])
    with pytest.warns(UserWarning, match="mesh: it was inside out and has been turned"):
        result = replace(SCENE, seed=turned).fit()
    assert result.mesh.volumes()[0] == pytest.approx(VOLUME, rel=0.005)
    assert mean_surface_distance(result.mesh, SCENE.truth).mean < 0.1 * SPACING


def test_labels_given_on_the_wrong_side_count_as_inside_out() -> None:
    turned = TriangleMesh(SCENE.seed.vertices, SCENE.seed.faces, SCENE.seed.labels[:, ::-1])
    with pytest.warns(UserWarning, match="inside out"):
        result = replace(SCENE, seed=turned).fit(QUICK.model_copy(update={"label": "both"}))
    assert result.mesh.volumes()[0] == pytest.approx(VOLUME, rel=0.01)


def test_a_region_with_nothing_at_its_seed_is_reported_or_stays_small() -> None:
    stray = icosphere((0.5, 0.5, 0.5), 0.3, 2)
    result = replace(SCENE, seed=concatenate([SCENE.seed, stray])).fit()
    assert result.intensities.membrane[1] < 0.2 * result.intensities.membrane[0]
    assert result.mesh.volumes()[0] == pytest.approx(VOLUME, rel=0.01)


@pytest.mark.parametrize("label", ["membrane", "interior"])
def test_an_object_darker_than_its_background_is_reported(label: str) -> None:
    # A surface that cannot take light away explains nothing there, and no step makes it better.
    scene = replace(
        SCENE.with_stack(data=-ball(label).stack.data), seed=icosphere(CENTER, RADIUS, 3)
    )
    result = scene.fit(QUICK.model_copy(update={"label": label, "remesh": False}))
    assert getattr(result.intensities, label) == pytest.approx([0.0], abs=0)
    assert any(f"the {label} was found dark" in warning for warning in result.warnings)
    assert np.isfinite(result.mesh.vertices).all()
    assert np.isfinite(result.image).all()


def test_mesh_far_larger_than_the_stack_is_refused_before_it_costs_memory() -> None:
    huge = icosphere(CENTER, 1000.0, 2)
    with pytest.raises(ValueError, match=r"mesh: region 1 is \(2000, .* across .*are both in um"):
        fit(SCENE.stack, huge, SCENE.psf, QUICK)


def test_negative_voxels_do_not_go_with_poisson_noise() -> None:
    lowered = SCENE.with_stack(data=SCENE.stack.data - SCENE.stack.data.mean())
    with pytest.warns(UserWarning, match="stack: some voxels are negative"):
        lowered.fit(QUICK.model_copy(update={"noise": "poisson", "max_iterations": 2}))
