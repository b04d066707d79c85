"""Tissues fitted block by block."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_deltamic as dm
from napari_deltamic.fitting import FitSettings, leg
from napari_deltamic.fitting.guard import Guard
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging import LazyStack, decimation
from napari_deltamic.mesh import mean_surface_distance
from napari_deltamic.tissue import TissueState, block, fit_tissue, run
from napari_deltamic.tissue import checkpoint as of_checkpoint
from napari_deltamic.tissue.block import Leg, block_leg
from napari_deltamic.tissue.light import Light
from napari_deltamic.tissue.progress import TissueProgress
from napari_deltamic.tissue.run import prepared_tissue
from tissue_cases import PSF_SIGMA, QUICK, SPACING, Counting, row

PIXEL = SPACING[2]


@pytest.fixture(scope="module")
def in_two() -> dm.TissueResult:
    case = row(4)
    return fit_tissue(case.stack, case.seed, case.psf, QUICK, cells=2)


def test_blocks_find_the_truth_on_one_mesh(in_two: dm.TissueResult) -> None:
    case = row(4)
    assert [block.tolist() for block in in_two.blocks] == [[1, 2], [3, 4]]
    assert in_two.mesh.is_closed
    assert in_two.mesh.regions.tolist() == [1, 2, 3, 4]
    before = mean_surface_distance(case.seed, case.truth).mean
    after = mean_surface_distance(in_two.mesh, case.truth).mean
    assert after < 0.15 * PIXEL < 0.5 * before
    np.testing.assert_allclose(in_two.mesh.volumes(), case.truth.volumes(), rtol=0.015)
    assert not in_two.stopped
    assert in_two.stop_reason == "every block reached its limit of 30 iterations on one mesh"


def test_the_result_says_how_its_blocks_ended() -> None:
    case = row(4)
    loose = QUICK.model_copy(update={"tolerance": 0.5})
    result = fit_tissue(case.stack, case.seed, case.psf, loose, cells=2)
    assert result.stop_reason == "every block has settled"
    assert all(one.stop_reason.startswith("settled") for one in result.summaries.values())
    progress = TissueProgress(case.seed, 2, summaries=result.summaries.copy())
    reason = "reached its limit of 3 iterations on one mesh"
    progress.summaries[1] = progress.summaries[1]._replace(stop_reason=reason)
    assert progress.stop_reason == f"1 of 2 blocks settled, the rest {reason}"


def test_cells_that_do_not_touch_are_kept_apart_from_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spacing, psf = np.full(3, 0.2), dm.GaussianPSF(0.3)
    balls = dm.seed_spheres([(3.0, 3.0, 3.0), (3.0, 3.0, 7.2)], 2.0)
    image = dm.render(balls, psf, (30, 30, 52), spacing, membrane=50.0)
    stack = LazyStack(np.random.default_rng(0).poisson(np.maximum(image, 0.0) + 2.0), spacing)
    guards: list[object] = []
    make = leg._guard

    def noted(*arguments: Any) -> Generator[None, None, Guard | None]:
        guards.append((yield from make(*arguments)))
        return guards[-1]

    monkeypatch.setattr(leg, "_guard", noted)
    settings = FitSettings(stages=1, max_iterations=4, edge_length=0.6)
    result = fit_tissue(stack, balls, psf, settings, cells=1)
    assert guards
    assert all(isinstance(guard, Guard) for guard in guards)
    assert len(dm.mesh.self_intersections(result.mesh)) == 0


def test_a_block_leaves_light_alone_that_others_have_found() -> None:
    case, light = row(4), Light()
    task = prepared_tissue(case.stack, case.seed, case.psf, QUICK, 1)[0].task
    light.membrane = {(0, 1): 10.0, (0, 2): 20.0, (0, 3): 20.0}
    known = light.knows(case.seed, "membrane", np.array([2]))
    pairs = [tuple(pair) for pair in case.seed.interfaces.tolist()]
    assert {pair for pair, one in zip(pairs, known, strict=True) if one} == {(0, 1), (0, 3)}
    steps = block_leg(task, Leg(0, 0, 3, 1e-3), case.seed, np.array([2]), light, None, 0.0)
    *_, last = (found for found in steps if found is not None)
    pairs = [tuple(pair) for pair in last.piece.mesh.interfaces.tolist()]
    found = dict(zip(pairs, last.intensities.membrane.tolist(), strict=True))
    assert found[0, 3] / found[0, 1] == pytest.approx(2.0, rel=1e-9)
    assert found[0, 2] != pytest.approx(20.0, rel=0.05)


def test_blocks_agree_with_the_fit_of_the_whole_at_their_seam(in_two: dm.TissueResult) -> None:
    case = row(4)
    whole = dm.fit(case.stack, case.seed, case.psf, QUICK)

    def seam(mesh: dm.TriangleMesh) -> dm.TriangleMesh:
        of_both = (np.sort(mesh.labels, axis=1) == [2, 3]).all(axis=1)
        return dm.TriangleMesh(mesh.vertices, mesh.faces[of_both])

    apart = mean_surface_distance(seam(in_two.mesh), seam(whole.mesh))
    assert apart.mean < 0.1 * PIXEL
    assert mean_surface_distance(in_two.mesh, whole.mesh).mean < 0.1 * PIXEL
    light = whole.intensities.membrane
    np.testing.assert_allclose(in_two.intensities.membrane, light, rtol=0.1)
    assert abs(in_two.intensities.background - whole.intensities.background) < 0.5


def test_fewer_voxels_lead_to_the_same_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decimation, "_LEAST", 4)
    case = row(4, wider=1.8)
    plan, _ = prepared_tissue(case.stack, case.seed, case.psf, QUICK, 2)
    assert (plan.task.factors > 1).all()
    fewer = fit_tissue(case.stack, case.seed, case.psf, QUICK, cells=2)
    monkeypatch.setattr(run, "decimation_for", lambda stack, finest: np.ones(3, int))
    every = fit_tissue(case.stack, case.seed, case.psf, QUICK, cells=2)
    errors = [mean_surface_distance(one.mesh, case.truth).mean for one in (fewer, every)]
    assert errors[0] < 1.1 * errors[1] + 0.01 * PIXEL
    assert mean_surface_distance(fewer.mesh, every.mesh).mean < errors[1]


def test_fewer_voxels_change_neither_edges_nor_the_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decimation, "_LEAST", 4)
    case, settings = row(4, wider=1.8), FitSettings(stages=3, max_iterations=2)
    plan, _ = prepared_tissue(case.stack, case.seed, case.psf, settings, 2)
    seen: list[Stage] = []
    monkeypatch.setattr(block, "leg_steps", lambda fit, *_: seen.extend(fit.plan) or iter(()))
    steps = block_leg(plan.task, Leg(0, 0, 2, 1e-3), case.seed, np.array([2]), Light(), None, 0.0)
    assert len(list(steps)) > 1
    assert [one.edge_length for one in seen] == [one.edge_length for one in plan.stages]
    assert [one.offset_width for one in seen] == [one.offset_width for one in plan.stages]
    assert [one.cutoff for one in seen] == pytest.approx(
        [one.cutoff for one in plan.stages], rel=0.1
    )


def test_insides_are_fitted_in_blocks_as_well() -> None:
    case = row(3, "interior")
    quick = QUICK.model_copy(update={"label": "interior"})
    result = fit_tissue(case.stack, case.seed, case.psf, quick, cells=1)
    assert len(result.blocks) == 3
    whole = dm.fit(case.stack, case.seed, case.psf, quick)
    assert mean_surface_distance(result.mesh, whole.mesh).mean < 0.1 * PIXEL
    np.testing.assert_allclose(result.intensities.interior, [35.0, 30.0, 35.0], rtol=0.05)


def test_only_what_belongs_to_the_block_moves() -> None:
    case = row(4)
    task = prepared_tissue(case.stack, case.seed, case.psf, QUICK, 1)[0].task
    leg = Leg(0, 0, 3, 1e-3)
    outcomes = [
        found
        for found in block_leg(task, leg, case.seed, np.array([2]), Light(), None, 0.0)
        if found is not None
    ]
    piece, positions = outcomes[-1].piece, outcomes[-1].positions
    numbers = piece.vertices[~piece.held]
    mine = np.unique(case.seed.faces[(case.seed.labels == 2).any(axis=1)])
    np.testing.assert_array_equal(numbers, mine)
    assert np.linalg.norm(positions - case.seed.vertices[numbers], axis=1).max() > 0.01


def test_only_parts_of_the_stack_are_read() -> None:
    case = row(4)
    array = Counting(np.asarray(case.stack.data))
    quick = QUICK.model_copy(update={"max_iterations": 4})
    fit_tissue(LazyStack(array, SPACING), case.seed, case.psf, quick, cells=1)
    assert 0 < array.most < 0.7 * np.prod(array.shape)


def test_a_fit_that_is_stopped_goes_on_to_the_same_end(
    tmp_path: Path, in_two: dm.TissueResult
) -> None:
    case, file = row(4), tmp_path / "tissue.npz"
    seen: list[TissueState] = []

    def run(**options: object) -> dm.TissueResult:
        return fit_tissue(
            case.stack, case.seed, case.psf, QUICK, seen.append, cells=2, checkpoint=file, **options
        )

    class KilledError(Exception):
        pass

    def kill(state: TissueState) -> None:
        if state.leg == 0 and state.block == 1 and state.iteration == 3:
            raise KilledError

    with pytest.raises(KilledError):
        fit_tissue(case.stack, case.seed, case.psf, QUICK, kill, cells=2, checkpoint=file)
    resumed = run(resume=True)
    assert (seen[0].leg, seen[0].block) == (0, 1)
    np.testing.assert_array_equal(resumed.mesh.faces, in_two.mesh.faces)
    np.testing.assert_allclose(resumed.mesh.vertices, in_two.mesh.vertices, atol=1e-9)


def test_stopping_keeps_what_was_found(tmp_path: Path) -> None:
    case = row(4)
    seen: list[TissueState] = []
    result = fit_tissue(
        case.stack,
        case.seed,
        case.psf,
        QUICK,
        seen.append,
        cells=2,
        should_stop=lambda: len(seen) >= 3,
        checkpoint=tmp_path / "tissue.npz",
    )
    assert result.stopped
    assert result.stop_reason == "stopped by the user"
    assert result.mesh.is_closed
    before = mean_surface_distance(case.seed.region_mesh(1), case.truth.region_mesh(1)).mean
    after = mean_surface_distance(result.mesh.region_mesh(1), case.truth.region_mesh(1)).mean
    assert after < before


@pytest.mark.parametrize("wider", [1.0, 1.8])
def test_cells_of_which_nothing_is_seen_stay_and_are_named(
    wider: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decimation, "_LEAST", 4)
    case = row(4, wider=wider)
    dark = np.asarray(case.stack.data).copy()
    dark[:, :, 36 if wider == 1.0 else 28 :] = 7.0
    quick = QUICK.model_copy(update={"max_iterations": 10, "remesh": False})
    stack = LazyStack(dark, SPACING)
    result = fit_tissue(stack, case.seed, case.psf, quick, cells=1)
    assert "the block of regions 4 found the same value in all voxels" in result.warnings[0]
    of_another = case.seed.faces[(case.seed.labels % 4 > 0).any(axis=1)]
    stays = np.setdiff1d(case.seed.faces, of_another)
    assert len(stays) > 50
    np.testing.assert_array_equal(result.mesh.vertices[stays], case.seed.vertices[stays])


def test_specks_between_the_voxels_stay_and_are_named() -> None:
    case = row(2)
    speck = dm.seed_spheres([case.stack.origin + SPACING * 2.5], 0.05)
    cells = dm.mesh.concatenate([case.seed, speck])
    quick = QUICK.model_copy(update={"max_iterations": 2, "remesh": False})
    result = fit_tissue(case.stack, cells, case.psf, quick, cells=1)
    assert any("regions 3 is too small to hold a voxel" in one for one in result.warnings)


def test_neighbours_that_hardly_shine_into_a_block_are_no_error() -> None:
    spacing, psf = np.full(3, 0.2), dm.GaussianPSF(0.54)
    places = [(6.0, y, x) for y in (6.0, 13.9) for x in (6.0, 13.9)]
    balls = dm.seed_spheres(places, 3.0)
    image = dm.render(balls, psf, (60, 100, 100), spacing, membrane=50.0)
    stack = LazyStack(np.random.default_rng(0).poisson(np.maximum(image, 0.0) + 2.0), spacing)
    for stages in (1, 2):
        settings = FitSettings(stages=stages, max_iterations=4, edge_length=0.8)
        result = fit_tissue(stack, balls, psf, settings, cells=1)
        assert mean_surface_distance(result.mesh, balls).mean < 0.3 * spacing[2]


def test_a_checkpoint_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, file = row(4), tmp_path / "tissue.npz"
    quick = QUICK.model_copy(update={"max_iterations": 2})
    fit_tissue(case.stack, case.seed, case.psf, quick, cells=4, checkpoint=file)
    with pytest.raises(ValueError, match="belongs to a fit of another stack"):
        fit_tissue(case.stack, case.seed, case.psf, quick, cells=2, checkpoint=file, resume=True)
    monkeypatch.setattr(of_checkpoint, "_VERSION", 2)
    with pytest.raises(ValueError, match=r"is of another version \(3\)"):
        fit_tissue(case.stack, case.seed, case.psf, quick, cells=4, checkpoint=file, resume=True)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="must be a file in a folder that exists"):
        fit_tissue(case.stack, case.seed, case.psf, quick, checkpoint=tmp_path / "no" / "file.npz")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read"):
        fit_tissue(case.stack, case.seed, case.psf, quick, cells=4, checkpoint=file, resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learn": ("sigma",)}, "learn: not possible in blocks"),
        ({"standard_errors": True}, "standard_errors: not possible in blocks"),
        ({"fit_attenuation": True}, "fit_attenuation: not possible in blocks"),
    ],
)
def test_settings_that_need_the_whole_are_refused(changes: dict[str, object], message: str) -> None:
    case = row(4)
    with pytest.raises(ValueError, match=message):
        fit_tissue(case.stack, case.seed, case.psf, FitSettings(**changes))


def test_input_that_makes_no_sense_is_refused() -> None:
    case = row(4)
    whole = case.stack.part((0, 0, 0), case.stack.shape)
    with pytest.raises(TypeError, match="stack: expected a LazyStack, got ImageStack"):
        fit_tissue(whole, case.seed, case.psf)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="psf: expected a PSF"):
        fit_tissue(case.stack, case.seed, PSF_SIGMA)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="settings: expected FitSettings, got dict"):
        fit_tissue(case.stack, case.seed, case.psf, {"stages": 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"cells: expected a whole number, got 2\.5"):
        fit_tissue(case.stack, case.seed, case.psf, cells=2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="resume: there is no checkpoint"):
        fit_tissue(case.stack, case.seed, case.psf, resume=True)
    far = case.seed.with_vertices(case.seed.vertices + 1000.0)
    with pytest.raises(ValueError, match="mesh: region"):
        fit_tissue(case.stack, far, case.psf)
    opened = dm.TriangleMesh(case.seed.vertices, case.seed.faces[1:], case.seed.labels[1:])
    with pytest.raises(ValueError, match="is not closed"):
        fit_tissue(case.stack, opened, case.psf)
