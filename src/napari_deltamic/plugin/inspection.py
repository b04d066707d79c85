"""What is shown of a fit: its latest state or an earlier moment, and in which colours."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_deltamic.plugin.fit_colours import (
    ERROR,
    REGION,
    RESIDUAL,
    STEP,
    Sight,
    fit_colouring,
)
from napari_deltamic.plugin.history import Moment, moment_of
from napari_deltamic.plugin.latest_task import LatestTask
from napari_deltamic.plugin.mesh_layers import split_by_interface
from napari_deltamic.plugin.preview import Preview

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult, FitState
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.colourings import Colouring
    from napari_deltamic.plugin.fit_layers import FitLayers
    from napari_deltamic.plugin.fit_worker import FitWorker
    from napari_deltamic.plugin.mesh_layers import SplitSurface


class Inspection(QObject):
    """Decides what the layers of a fit show; all but the colours' computation on the GUI thread.

    While an earlier moment is shown, who reads the layer of the fitted mesh, to measure it or to
    go on from it, gets the latest mesh all the same.

    Attributes
    ----------
    name
        What the surface is coloured by.
    shows_residual
        Whether the residual has a layer.
    colouring
        The colours that are shown; None for those of the regions.
    """

    changed = Signal()
    """What is shown, or could be, has changed."""
    chosen = Signal()
    """The user has chosen what to show."""

    def __init__(self, layers: FitLayers) -> None:
        super().__init__()
        self._layers = layers
        self.name = REGION
        self.shows_residual = False
        self.colouring: Colouring | None = None
        self._limit: float | None = None
        self._worker: FitWorker | None = None
        self._past: tuple[Moment, ...] = ()
        self._latest: Moment | None = None
        self._held: Moment | None = None
        self._stages = 0
        self._errors: NDArray[np.float64] | None = None
        # Of the latest state, and of what is shown.
        self._latest_preview: Preview | None = None
        self._preview: Preview | None = None
        self._split: tuple[NDArray[np.int64], SplitSurface] | None = None
        self._colours, self._renderings = LatestTask(self), LatestTask(self)
        # What was asked for under another number comes too late.
        self._turn = 0

    @property
    def moments(self) -> tuple[Moment, ...]:
        """What one can go back to; the last is the latest. None of a movie that is over."""
        worker = self._worker
        if self._latest is None:
            return ()
        return self._past if worker is None else worker.history.moments

    @property
    def is_live(self) -> bool:
        """Whether the latest state is shown."""
        return self._held is None

    @property
    def shown(self) -> Moment | None:
        """The moment that is shown."""
        return self._latest if self._held is None else self._held

    @property
    def stages(self) -> int:
        """How many the fit has."""
        return self._stages

    @property
    def has_errors(self) -> bool:
        """Whether the standard errors of the latest mesh are known."""
        return self._errors is not None

    # What the fit does

    def begin(self, worker: FitWorker | None, past: tuple[Moment, ...] = ()) -> None:
        """Get ready for the next fit, or for a result if there is no worker; it has its past."""
        self._start_over()
        self._worker, self._past = worker, past
        self._latest = self._latest_preview = self._preview = self._errors = None
        self.colouring = self._limit = None
        if self.name == ERROR:
            self.name = REGION
        self._ask_for_residual()
        self.changed.emit()

    def advance(self, state: FitState, *, show: bool = True) -> None:
        """Show a new state, unless an earlier moment is looked at."""
        if self._latest is not None and state.iteration < self._latest.iteration:
            # The next frame of a movie.
            self._start_over()
        self._latest, self._stages = moment_of(state), state.stages
        if self._held is not None:
            self._layers.stand_in(state.mesh)
        elif show:
            self._show()
        self.changed.emit()

    def preview(self, preview: Preview) -> None:
        """Show a new rendering, unless an earlier moment is looked at."""
        if self._held is None:
            self._take(self._turn, preview)
        else:
            self._latest_preview = preview

    def finish(self, result: FitResult) -> None:
        """Show what a fit ended with; its rendering follows as soon as it is made."""
        self._start_over()
        self._latest_preview = None
        last = self._latest
        self._latest = Moment(
            len(result.loss_history),
            max(len(result.stage_starts) - 1, 0),
            result.loss_history[-1] if result.loss_history else float("nan"),
            result.mesh,
            result.intensities,
            lambda: result.image,
            None if last is None else last.observed,
        )
        self._stages = max(self._stages, len(result.stage_starts))
        self._errors = None if result.errors is None else result.errors.vertices
        # At once and in the colours there are, for those who read the layer now.
        self._layers.show_mesh(result.mesh, self._fitting_colours())
        self._show()
        if self._worker is None:
            self.preview(Preview(result.image, (1, 1, 1)))
        else:
            self._render()
        self.changed.emit()

    def correct(self, mesh: TriangleMesh) -> None:
        """Show the latest mesh as the user has changed it, coloured by region."""
        self._start_over()
        if self._latest is not None:
            self._latest = replace(self._latest, mesh=mesh, render=None)
        self.name, self.colouring, self._errors = REGION, None, None
        self._layers.show_mesh(mesh)
        self.chosen.emit()
        self.changed.emit()

    def end(self) -> None:
        """Be done with a fit that leaves other layers."""
        self._start_over()
        self._latest, self._worker, self._past = None, None, ()
        self.name, self.colouring = REGION, None
        self.changed.emit()

    def close(self) -> None:
        """Let nothing more arrive; the layers are about to go."""
        self._turn += 1
        self._latest = self._held = self._worker = None
        self._colours.forget()
        self._renderings.forget()

    def _start_over(self) -> None:
        self._turn += 1
        self._held = None
        self._layers.stand_in(None)
        self._colours.forget()
        self._renderings.forget()

    # What the user does

    def hold(self, moment: Moment) -> None:
        """Show a moment of :attr:`moments` until told otherwise; of the last, go on with it."""
        moments = self.moments
        if moments and moment is moments[-1]:
            self.go_on()
            return
        if self._latest is None or moment is self._held:
            return
        if self._held is None:
            self._turn += 1
        self._held = moment
        self._preview = None
        self._layers.stand_in(self._latest.mesh)
        self._show()
        self._render()
        self.chosen.emit()
        self.changed.emit()

    def give_way(self) -> None:
        """Show the latest state coloured by region, in whose place others are shown."""
        self._start_over()
        self.name, self.colouring = REGION, None
        self._ask_for_residual()
        self._show_latest()

    def go_on(self) -> None:
        """Show the latest state again, and those that follow."""
        if self._held is not None:
            self._start_over()
            self._show_latest()
            self.chosen.emit()

    def _show_latest(self) -> None:
        self._preview = None
        if self._latest_preview is None:
            self._render()
        else:
            self._take(self._turn, self._latest_preview)
        self._show()
        self._render_if_needed()
        self.changed.emit()

    def colour_by(self, name: str) -> None:
        """Colour the surface by another quantity."""
        self._turn += 1
        self.name = name
        self.colouring = self._limit = None
        self._ask_for_residual()
        self._show()
        self._render_if_needed()
        self.chosen.emit()
        self.changed.emit()

    def show_residual(self, shows: bool) -> None:
        """Add a layer with what the rendering leaves unexplained, or hide it."""
        self.shows_residual = self._layers.residual.is_wanted = shows
        self._ask_for_residual()
        if shows:
            self._render_if_needed()
        else:
            self._layers.residual.hide()
        self.changed.emit()

    def keep(self) -> str:
        """Add the mesh that is shown as a layer of its own, and return its name."""
        assert self.shown is not None
        name = f"Mesh at iteration {self.shown.iteration}"
        self._layers.keep(self.shown.mesh, name)
        return name

    # The surface

    def _show(self) -> None:
        """Show the surface, in colours as soon as these are known."""
        shown = self.shown
        if shown is None:
            return
        if self.name == REGION:
            self.colouring = None
            self._layers.show_mesh(shown.mesh)
            return
        errors = self._errors if self._held is None else None
        before = self._before(shown) if self.name == STEP else None
        sight = Sight(
            self.name, shown, before, self._preview, self._layers.placement, errors, self._limit
        )
        self._colours.run(
            partial(self._coloured, sight), partial(self._show_coloured, self._turn, sight)
        )

    def _coloured(self, sight: Sight) -> Colouring | None:
        # In a thread; meshes between two renewals of the triangles have the same split.
        faces = sight.moment.mesh.faces
        if self._split is None or self._split[0] is not faces:
            self._split = faces, split_by_interface(sight.moment.mesh)
        return fit_colouring(sight, self._split[1])

    def _show_coloured(self, turn: int, sight: Sight, colouring: Colouring | None) -> None:
        if turn != self._turn:
            return
        if colouring is None and self.colouring is not None and self.name == STEP and self.is_live:
            # Of new triangles no step is known; the next iteration is soon there.
            return
        self.colouring = colouring
        if colouring is not None:
            self._limit = colouring.limits[1]
        self._layers.show_mesh(sight.moment.mesh, colouring)
        self.changed.emit()

    def _fitting_colours(self) -> Colouring | None:
        """Return the colours as they are, if the latest mesh has the triangles that they are of."""
        if self.colouring is None or self._split is None or self._latest is None:
            return None
        is_same = np.array_equal(self._split[0], self._latest.mesh.faces)
        return self.colouring if is_same else None

    def _before(self, shown: Moment) -> Moment | None:
        """Return the moment before one, of the latest state the last other one."""
        earlier = [moment for moment in self.moments if moment.iteration < shown.iteration]
        return earlier[-1] if earlier else None

    # The rendering

    @property
    def _wants_residual(self) -> bool:
        return self.shows_residual or self.name == RESIDUAL

    def _ask_for_residual(self) -> None:
        worker = self._worker
        if worker is not None:
            worker.wants_residual = self._wants_residual

    def _render_if_needed(self) -> None:
        has_residual = self._preview is not None and self._preview.residual is not None
        if self._wants_residual and not has_residual:
            self._render()

    def _render(self) -> None:
        """Render what is shown in the background; it costs a small part of an iteration."""
        shown, worker = self.shown, self._worker
        if shown is None or shown.render is None or worker is None:
            return
        # What a fit ended with is shown as fine as it is.
        is_final = self._held is None and worker.phase.is_over
        make = partial(
            worker.make_preview,
            shown,
            sys.maxsize if is_final else worker.preview_voxels,
            residual=self._wants_residual,
        )
        self._renderings.run(make, partial(self._take, self._turn))

    def _take(self, turn: int, preview: Preview) -> None:
        if turn != self._turn:
            return
        self._preview = preview
        if self._held is None:
            self._latest_preview = preview
        self._layers.show_preview(preview)
        if self.name == RESIDUAL and preview.residual is not None:
            self._show()
