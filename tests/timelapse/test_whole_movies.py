import json

import numpy as np
import pytest
from movie_cases import PSF, QUICK, SPACING, dividing_box, two_balls

from napari_deltamic.fitting import FitSettings
from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import read_mesh
from napari_deltamic.timelapse import fit_timelapse, iter_timelapse, later_settings


@pytest.fixture(scope="module")
def balls():
    return two_balls(4)


@pytest.fixture(scope="module")
def followed(balls, tmp_path_factory):
    folder = tmp_path_factory.mktemp("movies") / "balls"
    states = []
    result = fit_timelapse(balls.stacks, balls.seed, PSF, QUICK, states.append, folder=folder)
    return result, states, folder


@pytest.fixture(scope="module")
def box():
    return dividing_box()


@pytest.fixture(scope="module")
def divided(box):
    return fit_timelapse(box.stacks, box.seed, PSF, QUICK)


def same_frames(first, second):
    assert [one.frame for one in first.frames] == [one.frame for one in second.frames]
    for one, other in zip(first.frames, second.frames, strict=True):
        np.testing.assert_array_equal(one.mesh.vertices, other.mesh.vertices)
        np.testing.assert_array_equal(one.mesh.labels, other.mesh.labels)
        np.testing.assert_array_equal(one.intensities.membrane, other.intensities.membrane)
        assert one.ratios == other.ratios
        assert one.warnings == other.warnings


def test_regions_keep_their_numbers_while_they_move(balls, followed):
    result = followed[0]
    assert not result.stopped
    assert result.stop_reason == "all 4 frames are fitted"
    for frame, truth in zip(result.frames, balls.truths, strict=True):
        np.testing.assert_allclose(frame.mesh.volumes(), truth.volumes(), rtol=0.03)
        for region in (1, 2):
            found = frame.mesh.region_mesh(region).vertices.mean(axis=0)
            true = truth.region_mesh(region).vertices.mean(axis=0)
            np.testing.assert_allclose(found, true, atol=0.05)
    assert result.warnings == []
    assert result.divisions == []
    assert result.lost == {}


def test_later_frames_take_fewer_iterations_on_the_faces_before(followed):
    first, *others = followed[0].frames
    for frame in others:
        assert frame.iterations <= later_settings(QUICK).max_iterations < first.iterations
        np.testing.assert_array_equal(frame.mesh.faces, first.mesh.faces)


def test_states_tell_progress_and_each_frame_once(followed):
    result, states, _ = followed
    progress = [state.progress for state in states]
    assert min(progress) == 0.0
    assert progress[-1] == 1.0
    finished = [state.finished for state in states if state.finished is not None]
    assert [one.frame for one in finished] == [0, 1, 2, 3]
    assert finished == result.frames
    assert {state.frames for state in states} == {4}
    iterations = [state for state in states if state.fit is not None]
    assert len(iterations) == sum(frame.iterations for frame in result.frames)


def test_the_folder_holds_every_frame_and_nothing_else(followed):
    result, _, folder = followed
    names = {"movie.json"}
    for frame in result.frames:
        names |= {f"mesh_t{frame.frame:04d}.rec", f"frame_t{frame.frame:04d}.json"}
        mesh = read_mesh(folder / f"mesh_t{frame.frame:04d}.rec")
        np.testing.assert_array_equal(mesh.vertices, frame.mesh.vertices)
        facts = json.loads((folder / f"frame_t{frame.frame:04d}.json").read_text("utf-8"))
        assert [row["volume"] for row in facts["measures"]] == pytest.approx(mesh.volumes())
    assert {file.name for file in folder.iterdir()} == names


# In the first frame, at a boundary between frames and in the middle of a later one.
@pytest.mark.parametrize("states", [8, 60, 75, 110])
def test_a_movie_goes_on_exactly_as_if_never_stopped(balls, followed, tmp_path, states):
    calls = iter(range(10_000))
    stopped = fit_timelapse(
        balls.stacks,
        balls.seed,
        PSF,
        QUICK,
        should_stop=lambda: next(calls) >= states,
        folder=tmp_path,
    )
    assert stopped.stopped
    assert len(stopped.frames) < 4
    assert "stopped by the user" in stopped.stop_reason
    resumed = fit_timelapse(balls.stacks, balls.seed, PSF, QUICK, folder=tmp_path, resume=True)
    same_frames(resumed, followed[0])
    assert not list(tmp_path.glob("checkpoint*"))


def test_finished_frames_are_not_fitted_again(balls, followed):
    result, _, folder = followed
    states = []
    again = fit_timelapse(
        balls.stacks, balls.seed, PSF, QUICK, states.append, folder=folder, resume=True
    )
    assert all(state.fit is None for state in states)
    same_frames(again, result)


def test_a_longer_movie_goes_on_from_a_shorter_one(balls, followed, tmp_path):
    fit_timelapse(balls.stacks[:2], balls.seed, PSF, QUICK, folder=tmp_path)
    whole = fit_timelapse(balls.stacks, balls.seed, PSF, QUICK, folder=tmp_path, resume=True)
    same_frames(whole, followed[0])


def test_another_movie_or_other_settings_are_refused(balls, followed):
    folder = followed[2]
    with pytest.raises(ValueError, match=r"folder: .* another movie"):
        fit_timelapse(balls.stacks[1:], balls.seed, PSF, QUICK, folder=folder, resume=True)
    other = QUICK.model_copy(update={"max_iterations": 21})
    with pytest.raises(ValueError, match=r"folder: .* another movie"):
        fit_timelapse(balls.stacks, balls.seed, PSF, other, folder=folder, resume=True)
    swapped = [balls.stacks[frame] for frame in (0, 2, 1, 3)]
    with pytest.raises(ValueError, match=r"folder: frame 1 .* other data"):
        fit_timelapse(swapped, balls.seed, PSF, QUICK, folder=folder, resume=True)


def test_a_fresh_start_clears_the_folder(balls, tmp_path):
    (tmp_path / "mesh_t0009.rec").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    fit_timelapse(balls.stacks[:1], balls.seed, PSF, QUICK, folder=tmp_path)
    assert not (tmp_path / "mesh_t0009.rec").exists()
    assert (tmp_path / "notes.txt").exists()


def test_frames_may_come_from_a_generator(balls, followed):
    states = []
    source = (stack for stack in balls.stacks[:2])
    result = fit_timelapse(source, balls.seed, PSF, QUICK, states.append)
    assert {state.frames for state in states} == {None}
    np.testing.assert_array_equal(
        result.frames[1].mesh.vertices, followed[0].frames[1].mesh.vertices
    )


def test_the_generator_may_be_closed_at_any_state(balls, tmp_path):
    states = iter_timelapse(balls.stacks, balls.seed, PSF, QUICK, folder=tmp_path)
    while next(states).fit is None:
        pass
    states.close()
    assert (tmp_path / "checkpoint_t0000.npz").exists()


def test_a_division_is_found_where_and_when_it_happens(box, divided):
    (division,) = divided.divisions
    assert division.frame == 1
    assert division.parent == 2
    assert division.children == (2, 3)
    assert divided.graph() == {3: [2]}
    assert [list(frame.mesh.regions) for frame in divided.frames] == [[1, 2], [1, 2, 3], [1, 2, 3]]
    assert divided.warnings == ["frame 1: region 2 has divided, its daughters are 2 and 3"]
    for frame, truth in zip(divided.frames, box.truths, strict=True):
        assert frame.mesh.is_closed
        # Few iterations do not settle the sharp edges of a block.
        np.testing.assert_allclose(frame.mesh.volumes(), truth.volumes(), rtol=0.1)


def test_without_reseeding_there_is_a_warning_only(box):
    result = fit_timelapse(box.stacks[:2], box.seed, PSF, QUICK, reseed=False)
    assert result.divisions == []
    assert result.frames[1].suspects == [2]
    assert "region 2: the residual shows a surface" in result.warnings[0]
    assert list(result.frames[1].mesh.regions) == [1, 2]


@pytest.mark.parametrize("states", [56, 66, 90])
def test_a_division_goes_on_exactly_as_if_never_stopped(box, divided, tmp_path, states):
    calls = iter(range(10_000))
    stopped = fit_timelapse(
        box.stacks, box.seed, PSF, QUICK, should_stop=lambda: next(calls) >= states, folder=tmp_path
    )
    assert stopped.stopped
    resumed = fit_timelapse(box.stacks, box.seed, PSF, QUICK, folder=tmp_path, resume=True)
    same_frames(resumed, divided)


def test_a_region_that_fades_away_is_reported_lost(balls):
    from movie_cases import photographed

    only_first = photographed(balls.truths[1].region_mesh(1), balls.stacks[0].shape, 5)
    stacks = [balls.stacks[0], *[only_first] * 3]
    later = FitSettings(stages=1, remesh=False, max_iterations=60, noise="poisson")
    tiny = balls.truths[0]
    center = tiny.region_mesh(2).vertices.mean(axis=0)
    second = np.unique(tiny.faces[(tiny.labels == 2).any(axis=1)])
    vertices = tiny.vertices.copy()
    # Half as large as the blur: it cannot be seen.
    vertices[second] = center + 0.15 * (vertices[second] - center)
    result = fit_timelapse(stacks, tiny.with_vertices(vertices), PSF, later, later=later)
    assert result.lost.keys() <= {2}
    for frame in result.frames:
        assert (2 in frame.mesh.regions) == (frame.frame < result.lost.get(2, 99))
    assert 1 in result.frames[-1].mesh.regions


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "frames: there is none"),
        (iter([]), "frames: there is none"),
    ],
)
def test_an_empty_movie_is_refused(balls, frames, message):
    with pytest.raises(ValueError, match=message):
        fit_timelapse(frames, balls.seed, PSF, QUICK)


def test_bad_frames_are_named(balls):
    other = ImageStack(balls.stacks[0].data[:-1], SPACING)
    with pytest.raises(ValueError, match=r"frames: frame 1 has shape \(13, 26, 42\)"):
        fit_timelapse([balls.stacks[0], other], balls.seed, PSF, QUICK)
    empty = ImageStack(np.ones(balls.stacks[0].shape), SPACING)
    with pytest.raises(ValueError, match="frames: frame 1: stack: every voxel is 1"):
        fit_timelapse([balls.stacks[0], empty], balls.seed, PSF, QUICK)
    with pytest.raises(TypeError, match="frames: expected stacks, but frame 0 is a ndarray"):
        fit_timelapse([balls.stacks[0].data], balls.seed, PSF, QUICK)


def test_resume_needs_a_folder(balls):
    with pytest.raises(ValueError, match="resume: there is no folder"):
        fit_timelapse(balls.stacks, balls.seed, PSF, QUICK, resume=True)
