"""The fold *Correct the mesh* of the Fit dock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QPushButton

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.correction_layer import CORRECTION_LAYER, CorrectionLayer
from napari_deltamic.plugin.edit_actions import (
    Corrected,
    Correction,
    addition,
    deletion,
    merger,
    painting,
    pull,
    smoothing,
    splitting,
)
from napari_deltamic.plugin.edit_controls import EditControls
from napari_deltamic.plugin.edit_highlight import EditHighlight
from napari_deltamic.plugin.edit_history import EditHistory
from napari_deltamic.plugin.edit_tools import EditTools, Tool
from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.mesh_layers import mesh_from_layer, set_mesh
from napari_deltamic.plugin.movie_worker import MovieWorker
from napari_deltamic.plugin.spatial import placement_of
from napari_deltamic.plugin.widgets import LayerChooser

if TYPE_CHECKING:
    from napari.layers import Surface
    from napari.viewer import Viewer

    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.live_view import LiveView
    from napari_deltamic.plugin.spatial import StackSource

_HINTS = {
    Tool.CHOOSE: "Click on a cell to choose it, with Shift held on more.",
    Tool.ADD: "Click where a cell is missing; in 3D beside the others.",
    Tool.DRAG: "Press on the surface, drag it, and let go.",
}


class EditPanel(EditControls):
    """Changes the mesh that the next fit starts from, or that a held fit goes on from.

    Parameters
    ----------
    viewer, view
        Where the mesh is shown.
    meshes
        The layers that a fit may start from.
    stack
        Returns the chosen stack, or raises ValueError.

    Attributes
    ----------
    history
        Of the mesh that is corrected; None before the first correction of it.
    """

    def __init__(
        self,
        viewer: Viewer,
        view: LiveView,
        meshes: LayerChooser,
        stack: Callable[[], StackSource],
    ) -> None:
        super().__init__()
        self._viewer, self._view, self._session = viewer, view, view.session
        self._meshes, self._stack = meshes, stack
        self.history: EditHistory | None = None
        self._read: tuple[Surface, TriangleMesh] | None = None
        self._of_fit = self._session.worker is not None or self._session.result is not None
        self._task = BackgroundTask(self)
        self._tools = EditTools(viewer, self._subject)
        self._highlight = EditHighlight(viewer)
        self._correction = CorrectionLayer(viewer)
        self._connect()
        # Not of this object, which is gone by then.
        self.destroyed.connect(self._tools.close)
        self.destroyed.connect(self._highlight.close)
        self._refresh()

    def _connect(self) -> None:
        for button, act in (
            (self.pause, self._session.pause),
            (self.delete, lambda: self._correct_chosen(deletion)),
            (self.merge, lambda: self._correct_chosen(merger)),
            (self.split, lambda: self._correct_chosen(splitting)),
            (self.smooth, lambda: self._correct(smoothing(self._chosen()))),
            (self.paint, self._begin_painting),
            (self.apply, self._apply),
            (self.discard, self._discard),
            (self.undo, lambda: self._go(EditHistory.undo)),
            (self.redo, lambda: self._go(EditHistory.redo)),
        ):
            button.clicked.connect(lambda _=False, act=act: self._try(act))
        self.add.toggled.connect(lambda on: self._take_up(Tool.ADD, self.drag, on))
        self.drag.toggled.connect(lambda on: self._take_up(Tool.DRAG, self.add, on))
        self.regions.textChanged.connect(self._show_chosen)
        self.toggled.connect(self._refresh)
        self.toggled.connect(self._show_chosen)
        self._tools.chosen.connect(self._on_chosen)
        self._tools.placed.connect(self._on_placed)
        self._tools.dragged.connect(self._on_dragged)
        self._task.busy_changed.connect(self._on_busy)
        self._task.failed.connect(lambda text: self.message.say(text, warning=True))
        self._meshes.activated.connect(self._on_seed)
        self._meshes.layer_changed.connect(self._refresh)
        session = self._session
        session.mesh_changed.connect(self._on_seed)
        session.started.connect(self._on_fit)
        session.advanced.connect(self._on_fit)
        session.phase_changed.connect(self._refresh)
        session.finished.connect(self._on_finished)
        session.movie_finished.connect(self._on_fit)
        self._viewer.layers.events.removed.connect(self._refresh)

    # Which mesh

    @property
    def layer(self) -> Surface | None:
        """The layer whose mesh is corrected."""
        surface = self._view.surface
        is_there = surface is not None and surface in self._viewer.layers
        return surface if self._of_fit and is_there else self._meshes.layer

    @property
    def mesh(self) -> TriangleMesh:
        """The mesh that is corrected, in um.

        Raises
        ------
        ValueError
            If there is none.
        """
        layer = self.layer
        if layer is None:
            raise ValueError("there is no mesh to correct yet; make a seed first")
        worker = self._session.worker
        if self.history is not None:
            return self.history.mesh
        if self._session.is_fitting and worker is not None and worker.latest is not None:
            return worker.latest.mesh
        # Reading costs more than a click may take.
        if self._read is None or self._read[0] is not layer:
            self._read = layer, mesh_from_layer(layer)
        return self._read[1]

    @property
    def _may_edit(self) -> bool:
        session, worker = self._session, self._session.worker
        if self._task.is_busy or self.layer is None:
            return False
        if not session.is_fitting:
            return session.movie_result is None or not self._of_fit
        return worker is not None and worker.phase is Phase.PAUSED and self._is_single

    @property
    def _is_single(self) -> bool:
        return not isinstance(self._session.worker, MovieWorker)

    def _subject(self) -> tuple[Surface, TriangleMesh] | None:
        """Return what the mouse works on, while it does."""
        if not self.isExpanded() or not self.isVisible() or not self._may_edit:
            return None
        layer = self.layer
        return None if layer is None else (layer, self.mesh)

    def _on_seed(self) -> None:
        self._of_fit = self._session.is_fitting
        if not self._session.is_fitting:
            self._forget()

    def _on_fit(self) -> None:
        self._of_fit = True
        self._forget()
        self._show_chosen()

    def _on_finished(self) -> None:
        kept = self.history
        self._on_fit()
        if kept is not None and kept.is_changed:
            # Stopped while its mesh was corrected.
            self.history = kept
            self._show(kept.mesh)

    def _forget(self) -> None:
        self.history = self._read = None
        self._correction.close()
        self._refresh()

    def check_done(self) -> None:
        """Raise ValueError if a correction is still to come, which a fit would miss."""
        if self._task.is_busy:
            raise ValueError("the mesh is being corrected; wait for that to end")
        if self._correction.before is not None:
            raise ValueError(
                f"something is being painted in {CORRECTION_LAYER!r}: press Apply or Discard in "
                "Correct the mesh first"
            )

    # What is chosen

    def _chosen(self) -> tuple[int, ...]:
        """Return the regions that the field names.

        Raises
        ------
        ValueError
            If it is not numbers.
        """
        words = self.regions.text().replace(",", " ").split()
        if not all(word.isdecimal() for word in words):
            raise ValueError("Regions: type numbers, such as 3, 7, or click on cells")
        return tuple(dict.fromkeys(int(word) for word in words))

    def choose(self, *regions: int) -> None:
        """Choose regions."""
        self.regions.setText(", ".join(map(str, regions)))

    def _on_chosen(self, region: int, is_more: bool) -> None:
        if region == 0:
            self.choose()
        elif not is_more:
            self.choose(region)
        else:
            before = self._chosen()
            kept = tuple(one for one in before if one != region)
            self.choose(*(kept if region in before else (*kept, region)))

    def _show_chosen(self) -> None:
        # Never while layers are removed, as a closing viewer does: it may add one.
        words = self.regions.text().replace(",", " ").split()
        numbers = [int(word) for word in words if word.isdecimal()]
        layer = self.layer
        if layer is None or not self.isExpanded() or not numbers:
            self._highlight.hide()
            return
        self._highlight.show(self.mesh, numbers, placement_of(layer))

    # Corrections

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except ValueError as error:
            self.message.say(str(error), warning=True)
            show_error(str(error))

    def _correct_chosen(self, correction: Callable[[tuple[int, ...]], Correction]) -> None:
        chosen = self._chosen()
        if not chosen:
            raise ValueError("choose a region first: click on it in the viewer")
        self._correct(correction(chosen))

    def _correct(self, correction: Correction) -> None:
        mesh = self.mesh
        self._task.run(lambda: correction(mesh), self._take)

    def _take(self, corrected: Corrected) -> None:
        if self.history is None:
            self.history = EditHistory(self.mesh)
        self._correction.close()
        self.history.do(corrected.name, corrected.mesh)
        self._show(corrected.mesh)
        self.choose(*corrected.regions)
        self._say_what_is_next(corrected.sentence)

    def _go(self, way: Callable[[EditHistory], TriangleMesh]) -> None:
        if self.history is not None:
            self._show(way(self.history))
            self.message.say("")

    def _say_what_is_next(self, sentence: str) -> None:
        button = "Resume" if self._session.is_fitting else "Fit"
        self.message.say(f"{sentence} Press {button} to fit it." if self._of_fit else sentence)

    def _show(self, mesh: TriangleMesh) -> None:
        """Show a mesh at once, and have the fit take it."""
        layer = self.layer
        assert layer is not None
        assert self.history is not None
        if layer == self._view.surface:
            self._view.inspection.correct(mesh)
            if self._session.is_fitting:
                self._session.correct(mesh if self.history.is_changed else None)
            else:
                self._meshes.choose(layer)
        else:
            set_mesh(layer, mesh)
            self._view.show_seed(layer, mesh, placement_of(layer))
        present = set(mesh.regions.tolist())
        self.choose(*(region for region in self._chosen() if region in present))
        self._show_chosen()
        self._refresh()

    # The mouse

    def _take_up(self, tool: Tool, other: QPushButton, on: bool) -> None:
        if on:
            other.setChecked(False)
        self._tools.tool = tool if on else Tool.CHOOSE
        if self._tools.tool is Tool.CHOOSE and other.isChecked():
            return
        self.message.say(_HINTS[self._tools.tool])

    def _on_placed(self, place: np.ndarray) -> None:
        self._correct(addition(place, self.radius.value()))

    def _on_dragged(self, start: np.ndarray, way: np.ndarray, has_ended: bool) -> None:
        if self._task.is_busy:
            return
        corrected = pull(start, way, self.radius.value())(self.mesh)
        if has_ended:
            self._take(corrected._replace(regions=self._chosen()))
        elif self.layer == self._view.surface:
            self._view.inspection.correct(corrected.mesh)
        elif self.layer is not None:
            set_mesh(self.layer, corrected.mesh)
            self._view.show_seed(self.layer, corrected.mesh, placement_of(self.layer))

    # The brush

    def _begin_painting(self) -> None:
        mesh, stack = self.mesh, self._stack()
        chosen = self._chosen()
        place, shape = stack.placement, stack.shape

        def rasterise() -> np.ndarray:
            from napari_deltamic.mesh import voxelise

            return voxelise(mesh, shape, place.spacing, place.origin)

        def paint(labels: np.ndarray) -> None:
            new = int(mesh.regions.max()) + 1
            self._correction.open(labels, place, chosen[0] if chosen else new)
            self.message.say(
                f"Paint in the layer {CORRECTION_LAYER!r}: 0 erases, {new} would be a new region, "
                "and the picker takes a cell's number. Then press Apply."
            )
            self._refresh()

        self._task.run(rasterise, paint)

    def _apply(self) -> None:
        before, placement = self._correction.before, self._correction.placement
        assert before is not None
        assert placement is not None
        self._correct(painting(before, self._correction.painted(), placement))

    def _discard(self) -> None:
        self._correction.close()
        self.message.say("")
        self._refresh()

    # How it stands

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self.message.say("Working...")
        self._refresh()

    def _refresh(self) -> None:
        session, layer, may = self._session, self.layer, self._may_edit
        is_running = session.is_fitting and not (
            session.worker is not None and session.worker.phase is Phase.PAUSED
        )
        is_painting = self._correction.before is not None
        if layer is None:
            text = "Make a seed mesh first."
        elif session.is_fitting and not self._is_single:
            text = "The meshes of a movie can be corrected before and after its fit."
        else:
            text = f"Corrects: {layer.name}"
        self.subject.setText(text)
        self.pause.setVisible(is_running and self._is_single)
        self._editing.setEnabled(may and not is_painting)
        self._painting.setVisible(is_painting)
        self._painting.setEnabled(may)
        self.show_history(self.history)
        self._tools.reach = self.radius.value()
