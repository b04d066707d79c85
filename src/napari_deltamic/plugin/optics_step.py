"""The optics step of the guide: widths of the blur, or a usual microscope."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.microscope_presets import MICROSCOPES, preset_choice
from napari_deltamic.plugin.psf_choice import GAUSSIAN, PsfChoice, gaussian
from napari_deltamic.plugin.psf_form import Lists, load_lists
from napari_deltamic.plugin.psf_rows import Chooser
from napari_deltamic.plugin.session import Session
from napari_deltamic.plugin.spatial import Placement
from napari_deltamic.plugin.widgets import length_field

WIDTHS, DESIGNED = "Not given: a plain blur", "As in the PSF designer"
_USUAL_OBJECTIVE, _USUAL_DYE = "63x/1.40 oil", "GFP"


class OpticsStep(QWidget):
    """Sets the session's PSF as soon as something is changed.

    Parameters
    ----------
    session
        Whose PSF it is.
    placement
        Returns where the chosen image lies; None without one.
    """

    accepted = Signal()
    design_wanted = Signal()

    def __init__(self, session: Session, placement: Callable[[], Placement | None]) -> None:
        super().__init__()
        self._session, self._placement = session, placement
        self._own: PsfChoice | None = None
        self._lists: Lists | None = None
        self._loading = BackgroundTask(self)
        self.microscope, self.objective, self.dye = Chooser(), Chooser(), Chooser()
        self.widths = [length_field(_width_tip(axis)) for axis in "zyx"]
        self.button, self.design = QPushButton("Use this PSF"), QPushButton("Design...")
        self._lay_out()
        self.microscope.currentIndexChanged.connect(self._on_microscope)
        for chooser in (self.objective, self.dye):
            chooser.currentIndexChanged.connect(self._apply)
        for field in self.widths:
            field.valueChanged.connect(self._apply)
        self.button.clicked.connect(self._accept)
        self.design.clicked.connect(self.design_wanted)
        session.psf_changed.connect(self.show_psf)
        self.show_psf()
        if engine.optics_are_loaded():
            self._fill(load_lists())
        else:
            self._loading.run(load_lists, self._fill)

    def _lay_out(self) -> None:
        self.microscope.addItems([WIDTHS, *(kind.title for kind in MICROSCOPES)])
        self.microscope.setToolTip(
            "What the image was recorded with: it decides how a point of light is blurred"
        )
        self.objective.setToolTip("Its aperture and immersion decide how sharp the image is")
        self.dye.setToolTip("Its colours of light: redder light blurs more")
        for field in self.widths:
            field.setRange(0.001, 1000.0)
            field.setKeyboardTracking(False)
            field.setSingleStep(0.05)
        # Below each other: side by side they would widen the dock by a third.
        widths = [(f"Width σ along {axis}", self.widths[k]) for k, axis in enumerate("zyx")]
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        for title, widget in (
            ("Microscope", self.microscope),
            ("Objective", self.objective),
            ("Dye", self.dye),
            *widths,
        ):
            self._form.addRow(title, widget)
            self._form.labelForField(widget).setToolTip(widget.toolTip())
        self.button.setToolTip("Go on to the fit with this blur")
        self.design.setToolTip(
            "Open the PSF designer: every number, aberrations, beads, files, with live pictures"
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, stretch=2)
        buttons.addWidget(self.design, stretch=1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._form)
        column.addLayout(buttons)

    @property
    def is_assumed(self) -> bool:
        """Whether nobody has said or confirmed what the PSF is."""
        return self._session.psf_choice is None

    def show_psf(self) -> None:
        """Show the session's PSF, or what is assumed of the image."""
        placement, chosen = self._placement(), self._session.psf_choice
        self.setEnabled(placement is not None)
        if placement is None or (chosen is not None and chosen is self._own):
            return
        shown = self._session.psf_for(placement)
        is_plain = shown.class_name == GAUSSIAN and "sigma" in shown.arguments
        with QSignalBlocker(self.microscope):
            if not is_plain and self.microscope.findText(DESIGNED) < 0:
                self.microscope.addItem(DESIGNED)
            self.microscope.setCurrentText(WIDTHS if is_plain else DESIGNED)
        if is_plain:
            self._show_widths(np.broadcast_to(shown.arguments["sigma"], 3))
        self._show_rows()

    def _show_widths(self, widths: np.ndarray) -> None:
        for field, width in zip(self.widths, widths, strict=True):
            with QSignalBlocker(field):
                field.setValue(float(width))

    def _show_rows(self) -> None:
        kind = self.microscope.currentText()
        is_usual = kind in [one.title for one in MICROSCOPES]
        shown_widths = len(self.widths) * [kind == WIDTHS]
        for row, shown in enumerate((True, is_usual, is_usual, *shown_widths)):
            self._form.setRowVisible(row, shown)
        if is_usual and "two_photon" in _kind(kind).numbers:
            self._form.setRowVisible(2, False)

    def _fill(self, lists: Lists) -> None:
        self._lists = lists
        for chooser, names, usual in (
            (self.objective, [one.name for one in lists.objectives], _USUAL_OBJECTIVE),
            (self.dye, [one.name for one in lists.dyes], _USUAL_DYE),
        ):
            with QSignalBlocker(chooser):
                chooser.addItems(names)
                found = [k for k, name in enumerate(names) if name.startswith(usual)]
                chooser.setCurrentIndex(found[0] if found else 0)
        if self.microscope.currentText() in [one.title for one in MICROSCOPES]:
            self._apply()

    def _on_microscope(self) -> None:
        self._show_rows()
        self._apply()

    def _apply(self) -> None:
        choice = self._choice()
        if choice is not None:
            self._own = choice
            self._session.choose_psf(choice)

    def _choice(self) -> PsfChoice | None:
        """Return what the widgets say; None while they cannot say it."""
        title = self.microscope.currentText()
        if title == DESIGNED:
            return self._session.psf_choice
        if title == WIDTHS:
            return gaussian([field.value() for field in self.widths])
        if self._lists is None:
            return None
        dye = self._lists.dyes[self.dye.currentIndex()]
        objective = self._lists.objectives[self.objective.currentIndex()]
        return preset_choice(_kind(title), objective, dye)

    def _accept(self) -> None:
        if self.is_assumed:
            self._apply()
        self.accepted.emit()


def _kind(title: str):
    return next(one for one in MICROSCOPES if one.title == title)


def _width_tip(axis: str) -> str:
    return (
        f"Standard deviation of the blur along {axis}: larger values make the fitted surfaces "
        "sharper than the image. The full width at half maximum is 2.35 times it."
    )
