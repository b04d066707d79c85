"""The session and its worker with real fits, without Qt."""

import time
from threading import Event, Timer

import numpy as np
import pytest
from napari.layers import Image
from plugin_cases import ORIGIN, SIGMA, SPACING, UM
from psygnal import EmitLoopError

from napari_deltamic import fitting
from napari_deltamic.fitting import FitSettings
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin import live_view
from napari_deltamic.plugin import session as session_module
from napari_deltamic.plugin.fit_worker import FitWorker, Phase
from napari_deltamic.plugin.preview import PreviewMaker
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.session import Session
from napari_deltamic.plugin.spatial import stack_source

pytestmark = pytest.mark.usefixtures("_engine")

LONG = FitSettings(label="interior", stages=12, max_iterations=5000, tolerance=1e-12)
SHORT = FitSettings(label="interior", stages=2, max_iterations=30)


class Events:
    """What a session emitted."""

    def __init__(self, session):
        self.phases, self.states, self.previews, self.results, self.errors = [], [], [], [], []
        session.phase_changed.connect(self.phases.append)
        session.advanced.connect(self.states.append)
        session.previewed.connect(self.previews.append)
        session.finished.connect(self.results.append)
        session.failed.connect(self.errors.append)


@pytest.fixture
def session():
    session = Session()
    session.settings = LONG
    session.choose_psf(gaussian(SIGMA))
    yield session
    session.close()


@pytest.fixture
def source(ball):
    return stack_source(Image(ball.data, name="ball", scale=SPACING, translate=ORIGIN, units=UM))


def poll_until(session, condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        session.poll()
        time.sleep(0.01)


def test_a_fit_runs_to_its_end_and_finds_the_ball(session, source, seed):
    session.settings = SHORT
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: events.results)
    assert events.phases[-1] is Phase.FINISHED
    assert not session.is_fitting
    result = events.results[0]
    assert result is session.result
    assert session.worker.losses == pytest.approx(result.loss_history)
    assert result.mesh.volumes()[0] == pytest.approx(4 / 3 * np.pi * 27, rel=0.05)
    assert events.states[-1].iteration == len(result.loss_history)


def test_states_and_previews_arrive_while_it_runs(session, source, seed):
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: len(events.states) >= 3 and len(events.previews) >= 2)
    assert session.is_fitting
    assert events.previews[0].image.shape == source.shape
    assert [s.iteration for s in events.states] == sorted({s.iteration for s in events.states})


def test_pause_holds_it_and_resume_goes_on(session, source, seed):
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: events.states)
    session.pause()
    time.sleep(0.3)
    assert session.worker.phase is Phase.PAUSED
    held = len(session.worker.losses)
    time.sleep(0.3)
    assert len(session.worker.losses) == held
    session.resume()
    poll_until(session, lambda: len(session.worker.losses) > held)
    assert Phase.PAUSED in events.phases


@pytest.mark.parametrize("paused_first", [False, True])
def test_stop_ends_it_soon_with_the_mesh_so_far(session, source, seed, paused_first):
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: events.states)
    if paused_first:
        session.pause()
        time.sleep(0.1)
    began = time.perf_counter()
    session.stop()
    assert session.worker.join(5.0)
    # The promise is 0.3 s on an idle computer; tests share theirs.
    assert time.perf_counter() - began < 1.5
    session.poll()
    assert "stopped by the user" in events.results[0].stop_reason


def test_stopping_before_it_begins_gives_no_result(session, source, seed):
    events = Events(session)
    session.start(source, seed)
    session.stop()
    poll_until(session, lambda: not session.is_fitting)
    assert events.phases[-1] is Phase.FINISHED
    assert len(events.results) == 1


def test_close_waits_for_the_thread(session, source, seed):
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: events.states)
    worker = session.worker
    session.close()
    assert worker.join(0.0)
    assert not session.is_fitting
    phases = list(events.phases)
    session.poll()
    assert events.phases == phases, "a closed session emitted a change of phase"


def test_close_does_not_wait_for_ever_and_stays_silent(session, source, seed, monkeypatch):
    may_end = Event()

    def deaf(*_args, should_stop, **_options):
        may_end.wait(60.0)
        raise RuntimeError("too late to be told")

    monkeypatch.setattr(fitting, "fit", deaf, raising=False)
    monkeypatch.setattr(session_module, "CLOSE_SECONDS", 0.2)
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: session.worker.phase is Phase.RUNNING)
    worker, phases = session.worker, list(events.phases)
    began = time.perf_counter()
    session.close()
    assert time.perf_counter() - began < 5.0
    assert not worker.join(0.0)
    # The interpreter does not shut down under a running thread, if that ends in time.
    Timer(0.3, may_end.set).start()
    live_view._stop_all()
    assert worker.join(0.0)
    session.poll()
    assert events.phases == phases
    assert not events.errors


def test_a_session_closed_by_a_listener_emits_nothing_more(session, source, seed):
    events, before = Events(session), []

    def close(_state):
        session.close()
        before.extend(events.phases)

    session.advanced.connect(close)
    session.start(source, seed)
    poll_until(session, lambda: events.states)
    session.poll()
    assert events.phases == before
    assert not events.results


def test_a_start_that_a_listener_breaks_leaves_the_session_usable(session, source, seed):
    def broken(_mesh):
        session.poll()
        raise KeyError("a mistake in a view")

    session.settings = SHORT
    session.started.connect(broken)
    events = Events(session)
    with pytest.raises(EmitLoopError, match="a mistake in a view"):
        session.start(source, seed)
    session.poll()
    assert not session.is_fitting
    assert Phase.FINISHED not in events.phases
    assert not events.results
    session.started.disconnect(broken)
    session.start(source, seed)
    poll_until(session, lambda: events.results)
    assert events.results[0] is session.result


def test_a_worker_that_was_not_started_has_not_finished(ball, seed):
    worker = FitWorker(lambda: ball, seed, lambda: GaussianPSF(sigma=SIGMA), SHORT)
    assert not worker.phase.is_over
    assert worker.join(0.0)


def test_the_fit_waits_at_its_first_state_for_the_view(session, source, seed):
    session.started.connect(lambda _: session.worker.hold())
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: events.states)
    time.sleep(0.3)
    assert len(session.worker.losses) == 1
    assert [state.iteration for state in events.states] == [1]
    # The rendering is made before the fit waits, not while the view is at work.
    assert len(events.previews) == 1
    session.worker.release()
    poll_until(session, lambda: len(session.worker.losses) > 1)


def test_who_stops_does_not_wait_for_a_rendering(session, source, seed):
    began, may_end = Event(), Event()

    def slow(moment, most_voxels, *, residual):
        began.set()
        assert may_end.wait(60.0)
        return PreviewMaker("gaussian")(moment, most_voxels, residual=residual)

    session.started.connect(lambda _: setattr(session.worker, "make_preview", slow))
    events = Events(session)
    session.start(source, seed)
    poll_until(session, began.is_set)
    try:
        session.stop()
        poll_until(session, lambda: events.results, seconds=20.0)
    finally:
        may_end.set()
    assert events.results[0].image.shape == source.shape
    assert not events.errors


def test_a_rendering_that_fails_ends_the_fit(session, source, seed):
    def broken(_moment, _most_voxels, *, residual):
        raise RuntimeError(f"no memory for it, residual {residual}")

    session.started.connect(lambda _: setattr(session.worker, "make_preview", broken))
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: events.errors)
    assert events.errors == ["no memory for it, residual False"]


def test_stages_start_where_the_result_says(session, source, seed):
    session.settings = FitSettings(label="interior", stages=3, max_iterations=20)
    events = Events(session)
    session.start(source, seed)
    # Not polled in between, as by a GUI that is busy.
    assert session.worker.join(60.0)
    poll_until(session, lambda: events.results)
    starts = session.worker.stage_starts
    assert len(starts) == 3
    assert starts == [steps + 1 for steps in events.results[0].stage_starts]


def test_a_runtime_error_in_the_fit_is_reported(session, source, seed, monkeypatch):
    def broken(*_args, **_options):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(fitting, "fit", broken, raising=False)
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: events.errors)
    assert events.errors == ["CUDA error: out of memory"]
    assert events.phases[-1] is Phase.FAILED
    assert not session.is_fitting


def test_nan_in_the_image_is_reported_from_the_worker(session, seed):
    data = np.full((14, 28, 28), np.nan)
    source = stack_source(Image(data, scale=SPACING, translate=ORIGIN, units=UM))
    events = Events(session)
    session.start(source, seed)
    poll_until(session, lambda: events.errors)
    assert "NaN" in events.errors[0]


def test_a_failure_does_not_keep_the_next_fit_from_running(session, source, seed):
    session.settings = SHORT
    bad = stack_source(Image(np.full((14, 28, 28), np.nan), scale=SPACING, translate=ORIGIN))
    events = Events(session)
    session.start(bad, seed)
    poll_until(session, lambda: events.errors)
    session.start(source, seed)
    poll_until(session, lambda: events.results)
    assert events.results[0] is not None


def test_two_fits_at_once_are_refused(session, source, seed):
    session.start(source, seed)
    with pytest.raises(RuntimeError, match="stop it"):
        session.start(source, seed)


def test_a_mesh_outside_the_image_is_refused(session, source, seed):
    with pytest.raises(ValueError, match="outside the image 'ball'"):
        session.start(source, seed.with_vertices(seed.vertices + 100.0))
    assert not session.is_fitting


def test_the_psf_is_one_voxel_wide_until_chosen(session, source):
    session.choose_psf(None)
    assert session.psf_for(source.placement).arguments["sigma"] == pytest.approx(SPACING)
    chosen = gaussian((1.0, 0.5, 0.5))
    session.choose_psf(chosen)
    assert session.psf_for(source.placement) is chosen


def test_another_psf_leaves_a_running_fit_alone(session, source, seed):
    session.settings = SHORT
    events = Events(session)
    session.start(source, seed)
    session.choose_psf(gaussian((50.0, 50.0, 50.0)))
    poll_until(session, lambda: events.results)
    assert events.results[0].psf.sigma.tolist() == pytest.approx(SIGMA)


@pytest.mark.parametrize("sigma", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (np.nan, 1.0, 1.0)])
def test_a_psf_without_width_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma"):
        gaussian(sigma)
