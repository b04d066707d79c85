"""The *deltaMic* dock: from a stack to measured meshes, one step after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deltamic.plugin.fit_dock import FitDock
from napari_deltamic.plugin.guide_step import GuideStep, as_main_button
from napari_deltamic.plugin.guide_words import (
    FitFacts,
    StepState,
    fit_state,
    image_state,
    optics_state,
    results_state,
    seed_state,
)
from napari_deltamic.plugin.image_step import ImageStep
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.measures_dock import CELLS, MeasuresDock
from napari_deltamic.plugin.optics_step import OpticsStep
from napari_deltamic.plugin.seed_dock import IMAGE, MEMBRANES, SeedDock
from napari_deltamic.plugin.sessions.widgets import RestoreBar, SessionRow
from napari_deltamic.plugin.widgets import Dock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_deltamic.fitting import FitState
    from napari_deltamic.plugin.detail import Detail

PLUGIN = "napari-deltamic"
_METHODS = {"membrane": MEMBRANES, "interior": IMAGE}
_MARKED_BY = {MEMBRANES: "membrane", IMAGE: "interior"}
_TITLES = {
    "Image": "Which stack, how large its voxels are, and what the dye marks",
    "Seed": "A first, rough surface around each cell",
    "Optics": "How the microscope blurs the image",
    "Fit": "Moves the surfaces until they explain the image",
    "Results": "Volumes, areas, contacts and more of each cell",
}


class GuideDock(Dock):
    """The other docks' widgets as steps that say what they lack and open one after the other.

    Attributes
    ----------
    sessions, restore_bar
        What is above the steps.
    steps
        By title.
    image, seed, optics, fit
        What the steps hold.
    measures
        What the last step holds; None until there is a result.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        view = live_view_of(napari_viewer)
        super().__init__(view)
        self._viewer, self._session = napari_viewer, view.session
        self._stage = self._stages = 0
        self._seeded: Image | None = None
        self._reason = ""
        self.sessions, self.restore_bar = SessionRow(view), RestoreBar(view)
        self.content.addWidget(self.sessions)
        self.content.addWidget(self.restore_bar)
        self.steps = {
            title: GuideStep(number, title, tip)
            for number, (title, tip) in enumerate(_TITLES.items(), start=1)
        }
        self.image = ImageStep(napari_viewer, self._session)
        self.seed = SeedDock(napari_viewer, is_step=True)
        self.optics = OpticsStep(self._session, self.image.placement)
        self.fit = FitDock(napari_viewer, is_step=True)
        self.measures: MeasuresDock | None = None
        for step, inside in zip(
            self.steps.values(), (self.image, self.seed, self.optics, self.fit), strict=False
        ):
            step.body.addWidget(inside)
            self.content.addWidget(step)
        self.content.addWidget(self.steps["Results"])
        self.steps["Results"].body.addWidget(self.fit.save_button)
        for button in (
            self.image.button,
            self.seed.button,
            self.optics.button,
            self.fit.fit_button,
            self.fit.save_button,
        ):
            as_main_button(button)
        self._connect()
        self._begin()

    def sections(self) -> Sequence[QWidget]:
        """Return the steps: the long titles of one take no width from the fields of others."""
        return list(self.steps.values())

    def _connect(self) -> None:
        session = self._session
        self.image.changed.connect(self._on_image)
        self.image.looked.connect(self._suggest)
        self.image.accepted.connect(lambda: self._go_to("Seed"))
        self.seed.method.currentIndexChanged.connect(self._refresh)
        self.seed.button.clicked.connect(self._refresh)
        self.seed.message.said.connect(self._refresh)
        self.seed.made.connect(self._on_made)
        self.optics.accepted.connect(lambda: self._go_to("Fit"))
        self.optics.design_wanted.connect(self._design)
        self.fit.status.said.connect(self._refresh)
        # A mesh that the user chooses there will do as a seed.
        self.fit.mesh.activated.connect(self._on_mesh_chosen)
        self.fit.mesh.layer_changed.connect(self._refresh)
        session.taken_up.connect(self._on_taken_up)
        session.mesh_changed.connect(self._on_seed)
        session.psf_changed.connect(self._refresh)
        session.started.connect(self._on_started)
        session.phase_changed.connect(self._refresh)
        session.advanced.connect(self._on_state)
        session.finished.connect(self._on_finished)
        session.movie_finished.connect(self._on_finished)
        session.failed.connect(self._refresh)
        self._viewer.layers.events.removed.connect(self._refresh)

    def _begin(self) -> None:
        """Show what was done before the dock was opened, and open what comes next."""
        session = self._session
        has_seed = session.mesh_name in self._viewer.layers
        if has_seed:
            self._seeded = self.image.layer
            self.image.accept()
        if session.worker is not None:
            # What the user fitted with counts for more than what the image suggests.
            label = session.settings.label
            self.image.choose_marks("interior" if label == "interior" else "membrane")
        self._suggest()
        if session.is_fitting:
            self._go_to("Fit")
        elif session.result is not None or session.movie_result is not None:
            self._measure()
        elif has_seed:
            self._go_to("Optics" if self.optics.is_assumed else "Fit")
        else:
            self._go_to("Image")

    def _go_to(self, title: str) -> None:
        """Open one step and fold the others."""
        for name, step in self.steps.items():
            step.set_open(name == title)
        self._refresh()

    def _on_image(self) -> None:
        self.optics.show_psf()
        self._refresh()

    def _suggest(self) -> None:
        """Set what follows from the image."""
        marks, noise = self.image.chosen_marks, self.image.noise
        if marks is not None:
            self._session.marks = marks
            self.seed.method.setCurrentText(_METHODS[marks])
            self.fit.form.fields["label"].value = marks
        if noise is not None:
            self.fit.form.fields["noise"].value = noise
            self.fit.form.fields["fit_background"].value = self.image.has_background

    def _on_taken_up(self) -> None:
        self.image.recall(self._session.marks)

    def _on_mesh_chosen(self) -> None:
        self._reason = ""
        if self.fit.mesh.layer is not None:
            self._session.choose_mesh(self.fit.mesh.layer.name)

    def _on_made(self, detail: Detail) -> None:
        fields = self.fit.form.fields
        # 0 stands for what the fit takes by itself.
        fields["edge_length"].value = detail.edge_length or 0.0
        fields["stages"].value = detail.stages
        self._reason = detail.reason
        self._refresh()

    def _on_seed(self) -> None:
        self._seeded = self.image.layer
        self.image.accept()
        if not self.steps["Fit"].is_open:
            self._go_to("Optics")
        self._refresh()

    def _on_started(self) -> None:
        self._stage = self._stages = 0
        self._go_to("Fit")

    def _on_state(self, state: FitState) -> None:
        self._stage, self._stages = state.stage + 1, state.stages
        self._refresh()

    def _on_finished(self, result: object) -> None:
        if result is None:
            self._refresh()
        else:
            self._measure()

    def _measure(self) -> None:
        """Open the last step; its tables, once there, measure each new result by themselves."""
        if self.measures is None:
            self.measures = MeasuresDock(self._viewer, is_step=True)
            self.measures.message.said.connect(self._refresh)
            self.steps["Results"].body.insertWidget(0, self.measures)
        self._go_to("Results")

    def _design(self) -> None:
        self._viewer.window.add_plugin_dock_widget(PLUGIN, "PSF designer", tabify=True)

    @property
    def _has_seed(self) -> bool:
        has_layer = self._session.mesh_name in self._viewer.layers
        return has_layer and self._seeded is not None and self._seeded == self.image.layer

    def _refresh(self) -> None:
        """Say how every step stands."""
        facts, placement = self.image.facts(), self.image.placement()
        has_image = placement is not None and facts.has_voxel_size
        states = {
            "Image": image_state(facts),
            "Seed": seed_state(
                has_image,
                _MARKED_BY.get(self.seed.method.currentText()),
                self._has_seed,
                self.seed.is_busy,
                self.seed.message.text(),
                self.seed.message.is_warning,
            ),
            "Optics": optics_state(
                placement is not None,
                self.optics.is_assumed,
                "" if placement is None else self._session.psf_for(placement).summary(),
            ),
            "Fit": fit_state(self._fit_facts()),
            "Results": self._results_state(),
        }
        for title, state in states.items():
            self.steps[title].show_state(state)
        self.image.button.setEnabled(facts.is_ready)
        self.seed.button.setEnabled(has_image and not self.seed.is_busy)
        self.fit.allow(self._has_seed)

    def _fit_facts(self) -> FitFacts:
        session, worker, status = self._session, self._session.worker, self.fit.status
        fitting = worker is not None and session.is_fitting
        result = session.result
        return FitFacts(
            has_seed=self._has_seed,
            phase=worker.phase if worker is not None and fitting else None,
            stage=self._stage,
            stages=self._stages,
            progress=worker.progress if worker is not None else 0.0,
            seconds_left=worker.pace.seconds_left if worker is not None else None,
            said=status.text(),
            warns=status.is_warning,
            loss=None if result is None else result.loss_history[-1],
            warnings=0 if result is None else len(result.warnings),
            reason=self._reason,
        )

    def _results_state(self) -> StepState:
        measures = self.measures
        if measures is None or self._session.is_fitting:
            return results_state(False, False, None, "")
        said, cells = measures.message.text(), measures.tables[CELLS].model().rowCount()
        return results_state(True, measures.is_busy, cells or None, said)
