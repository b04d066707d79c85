"""The page of a measured PSF: measure it from beads, and fit a model to them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.plugin.psf_choice import GAUSSIAN, PsfChoice, choice_of
from napari_deltamic.plugin.psf_numbers import MODALITIES
from napari_deltamic.plugin.psf_rows import Chooser
from napari_deltamic.plugin.psf_words import beads_report, match_report

if TYPE_CHECKING:
    from napari_deltamic.optics.bead_average import BeadMeasurement
    from napari_deltamic.optics.match_result import MatchProgress
    from napari_deltamic.plugin.spatial import StackSource

# Noll's index.
_SPHERICAL = 11


class Measured(NamedTuple):
    """What came of an image of beads."""

    choice: PsfChoice
    beads: BeadMeasurement
    report: str


class Matched(NamedTuple):
    """What came of a model that was fitted to beads."""

    choice: PsfChoice
    report: str


class BeadsPage(QWidget):
    """What there is to do with beads; the dock does it."""

    measure_wanted = Signal()
    match_wanted = Signal(str)
    """Emits the title of the modality to fit."""
    cancel_wanted = Signal()
    """The fit under way is to be stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.diameter = QDoubleSpinBox()
        self.diameter.setRange(0.0, 100.0)
        self.diameter.setDecimals(3)
        self.diameter.setSingleStep(0.01)
        self.diameter.setSuffix(" µm")
        self.diameter.setSpecialValueText("not taken out")
        self.diameter.setToolTip(
            "If it is given, the size of the beads is taken out of the PSF. It matters from a "
            "third of the PSF's width"
        )
        self.measure = QPushButton("Measure from beads")
        self.measure.setToolTip(
            "Average the beads in the image above that stand alone, are not saturated and not cut"
        )
        self.model = Chooser()
        self.model.addItems([modality.title for modality in MODALITIES[:-1]])
        self.model.setToolTip("Its numbers, as set on its own page, are where the fit begins")
        self.match = QPushButton("Fit this model to it")
        self.match.setToolTip(
            "Finds the aperture, the pinhole or the sheet, and the spherical aberration, or a "
            "Gaussian's widths. A model has no noise, and holds at other depths too"
        )
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop the fit; the measured PSF stays as it is")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        form.addRow("Bead diameter", self.diameter)
        layout.addLayout(form)
        layout.addWidget(self.measure)
        row = QHBoxLayout()
        row.addWidget(self.model, stretch=1)
        row.addWidget(self.match)
        row.addWidget(self.cancel)
        layout.addLayout(row)
        self.measure.clicked.connect(self.measure_wanted)
        self.match.clicked.connect(lambda: self.match_wanted.emit(self.model.currentText()))
        self.cancel.clicked.connect(self.cancel_wanted)
        self.offer_match(False)
        self.offer_cancel(False)

    def offer_match(self, there_is_something: bool) -> None:
        """Offer to fit a model, if there is something to fit it to."""
        self.model.setEnabled(there_is_something)
        self.match.setEnabled(there_is_something)

    def offer_cancel(self, is_matching: bool) -> None:
        """Show how to stop the fit of a model in place of how to begin one."""
        self.match.setVisible(not is_matching)
        self.cancel.setVisible(is_matching)
        self.cancel.setEnabled(is_matching)


def measured(source: StackSource, diameter: float) -> Measured:
    """Measure the PSF from an image of beads; a diameter of 0 is not taken out.

    Raises
    ------
    ValueError
        If there is no bead that shows it.
    """
    from napari_deltamic.optics.bead_average import measure_psf

    stack = source.load()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = measure_psf(stack.data, stack.spacing, bead_diameter=diameter or None)
    said = [str(each.message) for each in caught if issubclass(each.category, UserWarning)]
    return Measured(choice_of(found.psf), found, beads_report(found, said))


def matched(
    start: PsfChoice,
    beads: BeadMeasurement | PsfChoice,
    on_progress: Callable[[MatchProgress], None],
    should_stop: Callable[[], bool],
) -> Matched | None:
    """Fit a model to beads, or to a measured PSF; None if it was stopped.

    A microscope's spherical aberration is found too, since that is what most beads show.
    """
    from napari_deltamic.optics.match_result import MatchStoppedError
    from napari_deltamic.optics.matching import match_psf

    data: Any = beads.make() if isinstance(beads, PsfChoice) else beads
    arguments = dict(start.arguments)
    if start.class_name != GAUSSIAN:
        arguments["aberrations"] = {_SPHERICAL: 0.0} | dict(arguments.get("aberrations") or {})
    model = PsfChoice(start.class_name, arguments).make()
    try:
        match = match_psf(model, data, on_progress=on_progress, should_stop=should_stop)
    except MatchStoppedError:
        return None
    return Matched(choice_of(match.psf), match_report(match))
