"""The session of a viewer, and the timer that brings its fit into the viewer's layers."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.plugin import compressive_worker, fit_worker
from napari_deltamic.plugin.compressive_session import CompressiveSession
from napari_deltamic.plugin.fit_colours import REGION
from napari_deltamic.plugin.fit_layers import FitLayers
from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.inspection import Inspection
from napari_deltamic.plugin.measure_layers import MeasureLayers
from napari_deltamic.plugin.movie_layers import MovieLayers
from napari_deltamic.plugin.movie_worker import MovieWorker
from napari_deltamic.plugin.preferences import preferences
from napari_deltamic.plugin.preview import PREVIEW_VOXELS_2D, PREVIEW_VOXELS_3D
from napari_deltamic.plugin.session import Session
from napari_deltamic.plugin.sessions.actions import SessionActions
from napari_deltamic.plugin.sessions.fit_autosave import FitAutosave

if TYPE_CHECKING:
    from napari.layers import Surface
    from napari.viewer import Viewer

    from napari_deltamic.fitting import FitResult, FitState
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.history import Moment
    from napari_deltamic.plugin.spatial import Placement, StackSource
    from napari_deltamic.timelapse import TimelapseResult

EXIT_SECONDS = 10.0
# Whoever has pressed Stop waits for the end, not for another picture.
STOPPING_POLL_MS = 10
_THREADS = fit_worker.THREAD_NAME, compressive_worker.THREAD_NAME

_views: dict[int, LiveView] = {}


def live_view_of(viewer: Viewer) -> LiveView:
    """Return the view, with its session, that all docks of a viewer share."""
    # Docks get a proxy of the viewer, each its own.
    real = getattr(viewer, "__wrapped__", viewer)
    view = _views.get(id(real))
    if view is None:
        view = _views[id(real)] = LiveView(real)
    return view


class LiveView(QObject):
    """Polls a session on the GUI thread while a fit runs, and ends what runs with the window."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.session = Session()
        self.session.preferences = preferences
        self.session.settings = FitSettings(backend=preferences().backend)
        self.compressive = CompressiveSession()
        self._autosave = FitAutosave(viewer, self)
        self.actions = SessionActions(viewer, self)
        self._layers = FitLayers(viewer)
        self.inspection = Inspection(self._layers)
        self.measures = MeasureLayers(viewer, self._layers.cover)
        self._movie_layers = MovieLayers(viewer, self._layers.outline)
        self._viewer = viewer
        self._key = id(viewer)
        self._outline_due: TriangleMesh | None = None
        self._window: QWidget | None = None
        self._window_is_closing = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self.session.started.connect(self._on_started)
        self.session.phase_changed.connect(self._on_phase)
        self.session.advanced.connect(self._on_state)
        self.session.previewed.connect(self.inspection.preview)
        self.session.finished.connect(self._on_finished)
        self.session.movie_finished.connect(self._on_movie_finished)
        self.session.failed.connect(self._on_failed)
        self.inspection.chosen.connect(self._on_inspected)
        self.measures.came_forward.connect(self.inspection.give_way)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shut_down)

    @property
    def surface(self) -> Surface | None:
        """The layer of the fitted mesh, once there is one."""
        return self._layers.surface

    def make_room(self, source: StackSource, past: tuple[Moment, ...] = ()) -> None:
        """Have what comes next drawn into layers of its own; those that are there stay."""
        self.measures.hide()
        self._movie_layers.forget()
        self._layers.cover("movie", None)
        self._layers.forget()
        self._layers.begin(source)
        self.inspection.begin(None, past)

    def show_seed(self, seed: Surface, mesh: TriangleMesh, placement: Placement) -> None:
        """Show what a fit may start from: an outline in 2D, the layer itself in 3D."""
        self._movie_layers.forget()
        self._layers.show_seed(seed, mesh, placement)

    def watch(self, window: QWidget) -> None:
        """Stop the fit when this window is closed; docks call it once they are in it."""
        if window is not self._window:
            self._window = window
            window.installEventFilter(self)
            window.destroyed.connect(self.shut_down)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Notice that the window was closed; the user may still have cancelled a mere request."""
        if watched is self._window:
            if event.type() == QEvent.Type.Close:
                self._window_is_closing = True
            elif event.type() == QEvent.Type.Hide and self._window_is_closing:
                self.shut_down()
            elif event.type() in (QEvent.Type.Show, QEvent.Type.WindowActivate):
                self._window_is_closing = False
        return False

    def shut_down(self) -> None:
        """Stop the fit, wait for its thread and forget the viewer."""
        if _views.pop(self._key, None) is None:
            return
        self._timer.stop()
        self._outline_due = None
        self.session.close()
        self.compressive.close()
        self._autosave.end()
        self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        self.inspection.close()
        self.measures.close()
        self._movie_layers.close()
        self._layers.close()
        self._window = None
        del self._viewer

    def _tick(self) -> None:
        worker, mesh = self.session.worker, self._outline_due
        if worker is None:
            self._timer.stop()
        elif mesh is None:
            self.session.poll()
        else:
            self._outline_due = None
            try:
                self._layers.show_outline(mesh)
            finally:
                worker.release()

    def _on_started(self) -> None:
        source, worker = self.session.source, self.session.worker
        assert source is not None
        assert worker is not None
        # Adding layers takes twice as long beside a busy thread.
        worker.hold()
        self._limit_previews()
        self.measures.hide()
        self._movie_layers.forget()
        self._layers.cover("movie", None)
        self._layers.begin(source)
        self.inspection.begin(worker)
        self._timer.setInterval(1000 // preferences().updates_per_second)
        self._timer.start()

    def _on_phase(self, phase: Phase) -> None:
        if phase.is_over:
            self._timer.stop()
            self._outline_due = None
            self._layers.end()
        elif phase is Phase.STOPPING:
            self._timer.setInterval(STOPPING_POLL_MS)

    def _on_ndisplay(self) -> None:
        self._limit_previews()
        self._layers.turn()
        self._movie_layers.turn()

    def _on_inspected(self) -> None:
        # The fitted mesh comes before what was measured of it, as long as that is looked at.
        plain = self.inspection.is_live and self.inspection.name == REGION
        self.measures.set_aside(not plain)

    def _limit_previews(self) -> None:
        if self.session.worker is not None:
            self.session.worker.preview_voxels = (
                PREVIEW_VOXELS_3D if self._viewer.dims.ndisplay == 3 else PREVIEW_VOXELS_2D
            )

    def _on_state(self, state: FitState) -> None:
        worker = self.session.worker
        if isinstance(worker, MovieWorker):
            self._movie_layers.go_to(worker.movie, worker.frame)
        is_first = worker is not None and state.iteration == worker.done_before + 1
        if is_first:
            # A layer at a time, since adding one is slow in napari; the worker waits meanwhile.
            self._outline_due = state.mesh
            self._layers.show_surface(state.mesh)
        self.inspection.advance(state, show=not is_first)

    def _on_finished(self, result: FitResult | None) -> None:
        if result is None:
            return
        self.inspection.finish(result)
        self._layers.end()
        for warning in result.warnings:
            show_warning(warning)

    def _on_movie_finished(self, result: TimelapseResult) -> None:
        movie = self.session.movie
        assert movie is not None
        self.inspection.end()
        self._layers.show_mesh(result.meshes[-1])
        self._layers.end()
        self._movie_layers.show(result, movie)
        # The surfaces of all frames take the place of the last one's.
        self._layers.cover("movie", self._layers.surface)
        self._on_ndisplay()
        for warning in result.warnings:
            show_warning(warning)

    def _on_failed(self, message: str) -> None:
        show_error(f"The fit failed: {message}")


@atexit.register
def _stop_all() -> None:
    # A thread left running while the interpreter shuts down may crash it. No window waits any more,
    # so one that did not end in time when its viewer closed gets longer.
    for view in list(_views.values()):
        view.session.close()
        view.compressive.close()
    for thread in threading.enumerate():
        if thread.name in _THREADS:
            thread.join(EXIT_SECONDS)
