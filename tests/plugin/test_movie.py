"""Movies from the Fit dock: all frames in one go, and what is seen of them afterwards."""

import csv
from itertools import pairwise

import numpy as np
import pytest
from plugin_cases import CENTER, ORIGIN, RADIUS, SHAPE, SIGMA, SPACING, UM, click, open_dock

from napari_deltamic.imaging import render
from napari_deltamic.mesh import double_bubble, icosphere, plane_section
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin.fit_layers import MESH_LAYER
from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.movie_layers import MOVIE_LAYER, TRACKS_LAYER, movie_surface
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.psf_choice import gaussian

STEP = np.array((0.0, 0.4, 0.2))
FRAMES = 3


@pytest.fixture(scope="module")
def frames():
    """Return (T, Z, Y, X): a ball that moves by about a voxel a frame."""
    psf = GaussianPSF(sigma=SIGMA)
    return np.stack(
        [
            render(
                icosphere(CENTER + t * STEP, RADIUS, 3),
                psf,
                SHAPE,
                SPACING,
                ORIGIN,
                membrane=0.0,
                interior=100.0,
            )
            + 10.0
            for t in range(FRAMES)
        ]
    )


@pytest.fixture
def movie_dock(make_napari_viewer_proxy, frames, _engine):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(
        frames,
        name="movie",
        scale=(30.0, *SPACING),
        translate=(5.0, *ORIGIN),
        units=("s", *UM),
        axis_labels=("t", "z", "y", "x"),
    )
    seed = icosphere(CENTER + np.array((0.2, 0.2, -0.2)), 2.5, 2)
    viewer.add_surface(surface_data(seed), name="seed", units=UM, **surface_options(seed))
    viewer.dims.set_point(0, 5.0)
    dock = open_dock(viewer, "Fit")
    live_view_of(viewer).session.choose_psf(gaussian(SIGMA))
    dock.form.fields["label"].value = "interior"
    dock.form.fields["stages"].value = 2
    dock.form.fields["max_iterations"].value = 30
    dock.movie.all_frames.setChecked(True)
    return viewer, dock


def test_only_images_with_time_offer_all_frames(movie_dock):
    viewer, dock = movie_dock
    assert dock.movie.isVisibleTo(dock)
    dock.image.chooser.choose(viewer.add_image(np.ones((4, 5, 6)), units=UM))
    assert not dock.movie.isVisibleTo(dock)
    assert not dock.movie.is_wanted


def run(qtbot, dock):
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=120_000)


def test_all_frames_are_fitted_and_shown_over_time(movie_dock, qtbot, tmp_path):
    viewer, dock = movie_dock
    run(qtbot, dock)
    session = live_view_of(viewer).session
    result = session.movie_result
    assert f"{FRAMES} frames" in dock.status.text()
    assert len(dock._session.worker.stage_starts) == FRAMES
    for t, mesh in enumerate(result.meshes):
        np.testing.assert_allclose(mesh.vertices.mean(axis=0), CENTER + t * STEP, atol=0.15)
    surface, tracks = viewer.layers[MOVIE_LAYER], viewer.layers[TRACKS_LAYER]
    np.testing.assert_allclose(surface.scale, (30.0, 1.0, 1.0, 1.0))
    np.testing.assert_allclose(surface.translate[0], 5.0)
    assert surface.units == viewer.layers["movie"].units == tracks.units
    np.testing.assert_array_equal(np.unique(surface.vertices[:, 0]), range(FRAMES))
    np.testing.assert_allclose(tracks.data[:, 2:], [CENTER + t * STEP for t in range(3)], atol=0.15)
    # In 2D the outline is that of the frame, in 3D the surfaces follow the slider by themselves.
    for t in (0, 2):
        viewer.dims.set_point(0, 5.0 + 30.0 * t)
        viewer.dims.set_point(1, CENTER[0])
        place = float(viewer.dims.point[1])
        expected = plane_section(result.meshes[t], 0, place)
        outline = viewer.layers[Outline.LAYER].data
        np.testing.assert_allclose(outline[:, 0, 1:], expected[:, 0], atol=1e-4)
    assert not surface.visible
    viewer.dims.ndisplay = 3
    assert surface.visible
    assert not viewer.layers[MESH_LAYER].visible
    dock.save_to(tmp_path)
    qtbot.waitUntil(dock.save_button.isEnabled, timeout=10_000)
    with (tmp_path / "tracks.csv").open(encoding="utf-8") as file:
        assert [int(row["frame"]) for row in csv.DictReader(file)] == [0, 1, 2]
    assert (tmp_path / "mesh_t0002.rec").is_file()


def test_a_movie_that_was_stopped_goes_on(movie_dock, qtbot, tmp_path):
    viewer, dock = movie_dock
    dock.movie.folder.setText(str(tmp_path / "frames"))
    session = live_view_of(viewer).session
    click(qtbot, dock.fit_button)

    def in_the_second_frame():
        assert session.worker.frame >= 1 or session.worker.phase is Phase.FINISHED

    qtbot.waitUntil(in_the_second_frame, timeout=60_000)
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(dock.fit_button.isEnabled, timeout=10_000)
    kept = sorted(path.name for path in (tmp_path / "frames").glob("mesh_t*.rec"))
    assert kept[0] == "mesh_t0000.rec"
    viewer.dims.set_point(0, 5.0)
    dock.movie.resume.setChecked(True)
    dock.mesh.choose(viewer.layers["seed"])
    run(qtbot, dock)
    assert len(session.movie_result.frames) == FRAMES, dock.status.text()


def test_a_movie_may_begin_at_a_later_frame(movie_dock, qtbot):
    viewer, dock = movie_dock
    viewer.dims.set_point(0, 5.0 + 30.0)
    run(qtbot, dock)
    assert len(live_view_of(viewer).session.movie_result.frames) == FRAMES - 1
    frames = viewer.layers[MOVIE_LAYER].vertices[:, 0]
    np.testing.assert_array_equal(np.unique(frames), (1, 2))
    np.testing.assert_array_equal(viewer.layers[TRACKS_LAYER].data[:, 1], (1, 2))


def test_a_single_frame_can_still_be_fitted(movie_dock, qtbot):
    viewer, dock = movie_dock
    dock.movie.all_frames.setChecked(False)
    run(qtbot, dock)
    session = live_view_of(viewer).session
    assert session.result is not None
    assert session.movie_result is None
    assert MOVIE_LAYER not in viewer.layers


def test_frames_of_a_surface_over_time_share_no_vertex():
    meshes = [double_bubble((3, 2)).mesh((0, 0, t), 1.0 + t) for t in (0, 1)]
    vertices, faces, values = movie_surface(meshes, first=4)
    times = vertices[faces][:, :, 0]
    np.testing.assert_array_equal(times.min(axis=1), times.max(axis=1))
    assert set(times.ravel()) == {4.0, 5.0}
    regions = np.concatenate([mesh.labels.max(axis=1) for mesh in meshes])
    np.testing.assert_array_equal(values[faces], np.repeat(regions[:, None], 3, axis=1))


def test_a_movie_is_inspected_frame_by_frame_while_it_is_fitted(movie_dock, qtbot):
    viewer, dock = movie_dock
    inspection, seen = live_view_of(viewer).inspection, []
    inspection.changed.connect(
        lambda: seen.append(tuple(moment.iteration for moment in inspection.moments))
    )
    run(qtbot, dock)
    # Each frame begins anew, and no iteration of the one before is left.
    firsts = [now[0] for now in seen if now]
    assert set(firsts) == {1}
    assert sum(len(now) < len(before) for before, now in pairwise(seen)) >= FRAMES - 1
    # Afterwards the time slider goes through the result.
    assert not dock.inspect.slider.isEnabled()
    assert inspection.moments == ()
