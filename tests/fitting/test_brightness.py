"""All linear unknowns at once: many interfaces by conjugate gradients, and the attenuation."""

from __future__ import annotations

import numpy as np
import pytest
from fitting_cases import blocks

from napari_deltamic.fitting import brightness as of_brightness
from napari_deltamic.fitting.brightness import solve_brightness
from napari_deltamic.fitting.densities import Brightness, lit, topology_of
from napari_deltamic.fitting.problem import Problem, band_problem, image_problem, reweighted
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging import ImageStack, gaussian_noise, render
from napari_deltamic.imaging.image_model import padded_shape
from napari_deltamic.optics import GaussianPSF

SPACING = (0.3, 0.2, 0.2)
SHAPE = (16, 30, 34)
PSF = GaussianPSF((0.35, 0.25, 0.25))
CELLS = blocks(np.arange(1, 13).reshape(2, 2, 3), 1.2, origin=(1.0, 1.5, 1.5))
TOPOLOGY = topology_of(CELLS)
STAGE = Stage(1.5, (7, 14, 16), 0.1, 0.2, 0.01, 1)


def truth(label: str, seed: int = 0) -> Brightness:
    rng = np.random.default_rng(seed)
    membrane = rng.uniform(0.5, 2.0, len(CELLS.interfaces)) * (label != "interior")
    interior = rng.uniform(0.5, 2.0, len(CELLS.regions)) * (label != "membrane")
    # Some are dark.
    membrane[::7], interior[::5] = 0.0, 0.0
    return Brightness(
        membrane if label != "interior" else np.empty(0),
        interior if label != "membrane" else np.empty(0),
        3.0,
    )


def stack_of(light: Brightness, noise: float, attenuation: float = 0.0) -> ImageStack:
    image = render(
        CELLS,
        PSF,
        SHAPE,
        SPACING,
        membrane=light.membrane if len(light.membrane) else 0.0,
        interior=light.interior if len(light.interior) else 0.0,
        background=light.background,
        attenuation=attenuation,
    )
    return ImageStack(gaussian_noise(image, noise * float(image.max()), seed=2), SPACING)


def problem_of(kind: str, stack: ImageStack, **options: bool) -> Problem:
    box = padded_shape(SHAPE, stack.spacing, PSF.extent(), CELLS.vertices)
    if kind == "band":
        return band_problem(stack, box, PSF, STAGE, True, "cpu")
    problem = image_problem(stack, box, PSF, STAGE, True, "cpu", **options)
    return reweighted(problem, stack.data) if kind == "weighted" else problem


def unknown(light: Brightness) -> Brightness:
    return Brightness(np.ones(len(light.membrane)), np.ones(len(light.interior)), 0.0)


def test_blocks_touch_in_shared_faces() -> None:
    assert CELLS.is_closed
    assert CELLS.volumes() == pytest.approx(np.full(12, 1.2**3))
    assert len(CELLS.interfaces) == 12 + 20


@pytest.mark.parametrize("kind", ["band", "voxels", "weighted"])
@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_steps_find_what_columns_find(
    label: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    light = truth(label)
    problem = problem_of(kind, stack_of(light, 0.05))
    by_steps = solve_brightness(problem, CELLS.vertices, TOPOLOGY, unknown(light), steps=60)
    monkeypatch.setattr(of_brightness, "_FEW", 1000)
    by_columns = solve_brightness(problem, CELLS.vertices, TOPOLOGY, unknown(light))
    # What a surface and what it encloses look like differs little, so steps gain little there.
    accuracy = 0.03 if label == "both" else 0.01
    for one, other in zip(by_steps[:2], by_columns[:2], strict=True):
        assert one == pytest.approx(other, abs=accuracy)
        assert (one >= 0).all()
    assert by_steps.background == pytest.approx(by_columns.background, abs=0.01)


def test_a_dozen_steps_from_nothing_are_enough() -> None:
    light = truth("membrane")
    problem = problem_of("voxels", stack_of(light, 0.0))
    found = solve_brightness(problem, CELLS.vertices, TOPOLOGY, unknown(light))
    assert np.abs(found.membrane - light.membrane).max() < 0.03


@pytest.mark.parametrize("rate", [-0.15, 0.0, 0.3])
@pytest.mark.parametrize("label", ["membrane", "both"])
def test_attenuation_is_found_with_the_brightness(label: str, rate: float) -> None:
    light = truth(label)
    problem = problem_of("voxels", stack_of(light, 0.0, rate), learn_attenuation=True)
    found = unknown(light)
    for _ in range(8):
        found = solve_brightness(problem, CELLS.vertices, TOPOLOGY, found, steps=40)
        problem = problem.attenuated(found.attenuation)
    assert found.attenuation == pytest.approx(rate, abs=0.01)
    assert found.background == pytest.approx(3.0, abs=0.03)
    if label == "membrane":
        assert np.abs(found.membrane - light.membrane).max() < 0.06


def test_the_rate_stays_where_light_is_left() -> None:
    light = truth("membrane")
    image = stack_of(light, 0.0).data.copy()
    image[4:] = 3.0
    problem = problem_of("voxels", ImageStack(image, SPACING), learn_attenuation=True)
    found = unknown(light)
    for _ in range(20):
        found = solve_brightness(problem, CELLS.vertices, TOPOLOGY, found)
        problem = problem.attenuated(found.attenuation)
    assert found.attenuation * problem.depth <= 4.0
    assert np.isfinite(found.membrane).all()


def test_a_glaring_sliver_does_not_light_what_is_dark() -> None:
    assert np.allclose(lit(np.array([1.0, 0.0, 2.0, 1e4])), [1.0, 0.1, 2.0, 1e4])
    assert (lit(np.zeros(3)) == 1.0).all()
    assert len(lit(np.empty(0))) == 0


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("label", ["membrane", "interior", "both"])
def test_what_is_known_stays_and_the_rest_is_found(
    label: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_brightness, "_FEW", few)
    light = truth(label)
    problem = problem_of("voxels", stack_of(light, 0.0))
    values = np.concatenate([light.membrane, light.interior])
    kept = np.random.default_rng(1).random(len(values)) < 0.5
    split = len(light.membrane)
    start = np.where(kept, values, 1.0)
    given = Brightness(start[:split], start[split:], 0.0)
    found = solve_brightness(
        problem, CELLS.vertices, TOPOLOGY, given, steps=60, precision=1e-5, kept=kept
    )
    both = np.concatenate([found.membrane, found.interior])
    np.testing.assert_array_equal(both[kept], values[kept])
    assert np.abs(both - values).max() < 0.03
    assert found.background == pytest.approx(3.0, abs=0.02)


def test_attenuation_is_found_beside_light_that_is_known() -> None:
    light = truth("membrane")
    problem = problem_of("voxels", stack_of(light, 0.0, 0.3), learn_attenuation=True)
    kept = np.arange(len(light.membrane)) % 2 == 0
    found = Brightness(np.where(kept, light.membrane, 1.0), np.empty(0), 0.0)
    for _ in range(8):
        unknown_of = problem, CELLS.vertices, TOPOLOGY, found
        found = solve_brightness(*unknown_of, steps=40, kept=kept)
        problem = problem.attenuated(found.attenuation)
    assert found.attenuation == pytest.approx(0.3, abs=0.01)
    assert np.abs(found.membrane - light.membrane).max() < 0.06
