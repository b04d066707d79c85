"""How all stacks of a batch are fitted: as this session, or as a file says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from napari_deltamic.plugin.batches.options import PSF_BESIDE, SharedOptions, Start, known_of
from napari_deltamic.plugin.fold import Fold
from napari_deltamic.plugin.seed_dock import IMAGE, MEMBRANES
from napari_deltamic.plugin.spatial import placement_of
from napari_deltamic.plugin.widgets import AUTOMATIC, MessageLabel, length_field, with_button

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.plugin.psf_choice import PsfChoice
    from napari_deltamic.plugin.session import Session
    from napari_deltamic.plugin.spatial import Placement

SESSION, FILE = "this session", "a file"
TABLE = "The table's columns"
_STARTS: dict[str, Start] = {MEMBRANES: "membranes", IMAGE: "threshold", TABLE: "table"}
_LACKING = (
    "Nothing is known yet of the microscope's blur: fit one stack in the deltaMic dock, set a PSF "
    "in the PSF designer, or choose a file of settings."
)
_ONLY = -1


class SettingsPanel(QWidget):
    """The choices that all stacks share, and what they come to in words.

    Attributes
    ----------
    source, file, start, threshold
        Whose settings, and how the cells are found.
    summary, note
        What is chosen, and what to mind.
    fold, same_spacing, spacing, channel, more
        What is rarely needed.
    """

    changed = Signal()
    psf_wanted = Signal()

    def __init__(self, viewer: Viewer, session: Session) -> None:
        super().__init__()
        self._viewer, self._session = viewer, session
        self._has_chosen_start = self._has_chosen_threshold = False
        self.source, self.start = QComboBox(), QComboBox()
        self.file, self.threshold = QLineEdit(), QDoubleSpinBox()
        self.psf_label, self.summary = QLabel(), QLabel()
        self.note = MessageLabel()
        self.fold = Fold("Advanced")
        self.same_spacing, self.channel = QCheckBox("Voxel size (z, y, x)"), QSpinBox()
        self.spacing = [length_field(f"Voxel size along {axis}, for all stacks") for axis in "zyx"]
        self.more = QLineEdit()
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        self.source.addItems([SESSION, FILE])
        self.source.setToolTip(
            "This session: what the deltaMic or the Fit dock is set to now. A file: fit.json or "
            "settings.json of an earlier fit; the PSF beside it counts too."
        )
        self.file.setPlaceholderText("fit.json or settings.json")
        self.file.setToolTip("A file of settings; what it does not say is the default")
        self.start.addItems(list(_STARTS))
        self.start.setToolTip(
            "How a first surface around each cell is made in every stack. The table's columns: "
            "points, labels or mesh name a file for each."
        )
        self.threshold.setRange(0.0, 1e9)
        self.threshold.setDecimals(2)
        self.threshold.setSpecialValueText(AUTOMATIC)
        self.threshold.setToolTip(
            "Voxels above belong to cells. Automatic finds a threshold for each stack."
        )
        for label in (self.psf_label, self.summary):
            label.setWordWrap(True)
        self.psf_label.setToolTip("How the microscope blurs; the PSF of this session")
        self._file_row = with_button(self.file, "Browse...", self._browse)
        self._psf_row = with_button(self.psf_label, "Edit...", self.psf_wanted.emit)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Settings of", self.source)
        form.addRow("File", self._file_row)
        form.addRow("PSF", self._psf_row)
        form.addRow("Find cells by", self.start)
        form.addRow("Threshold", self.threshold)
        for widget in (self.summary, self.note, self.fold):
            form.addRow(widget)
        self._form = form
        self._fill_fold()

    def _fill_fold(self) -> None:
        inside = QWidget()
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        self.same_spacing.setToolTip(
            "One voxel size for all stacks, for files that state none or a wrong one"
        )
        row = QHBoxLayout()
        row.setSpacing(4)
        for field in self.spacing:
            field.setMinimumWidth(60)
            row.addWidget(field, stretch=1)
        self.channel.setRange(_ONLY, 999)
        self.channel.setValue(_ONLY)
        self.channel.setSpecialValueText("the only one")
        self.channel.setToolTip("Which channel to fit, from 0, where the files have several")
        self.more.setPlaceholderText("--frame 0 --edge-length 0.5")
        self.more.setToolTip(
            "More options, as napari-deltamic fit --help lists them; they win over the settings"
        )
        form.addRow(self.same_spacing)
        form.addRow(row)
        form.addRow("Channel", self.channel)
        form.addRow("Other options", self.more)
        self.fold.addWidget(inside)

    def _connect(self) -> None:
        session = self._session
        self.source.currentIndexChanged.connect(self.refresh)
        self.file.textChanged.connect(self.refresh)
        self.start.currentIndexChanged.connect(self._on_start_chosen)
        self.threshold.valueChanged.connect(self._on_threshold)
        self.same_spacing.toggled.connect(self.refresh)
        for field in self.spacing:
            field.valueChanged.connect(self.refresh)
        self.channel.valueChanged.connect(self.refresh)
        self.more.textChanged.connect(self.refresh)
        for signal in (
            session.image_changed,
            session.psf_changed,
            session.mesh_changed,
            session.phase_changed,
            session.taken_up,
        ):
            signal.connect(self.refresh)
        placement = self._placement()
        if placement is not None:
            for field, length in zip(self.spacing, placement.spacing, strict=True):
                field.setValue(float(length))

    def options(self) -> SharedOptions | None:
        """Return what is chosen; None if something is lacking, which the note then says."""
        known = known_of(self._session, self._placement())
        threshold = self.threshold.value() or None
        z, y, x = (field.value() for field in self.spacing)
        path = Path(os.path.expanduser(self.file.text().strip()))
        psf: PsfChoice | Path | None = known.psf
        if self._has_file and (path.parent / PSF_BESIDE).is_file():
            psf = path.parent / PSF_BESIDE
        if psf is None or (self._has_file and not self.file.text().strip()):
            return None
        return SharedOptions(
            path if self._has_file else self._session.settings,
            psf,
            _STARTS[self.start.currentText()],
            threshold,
            (z, y, x) if self.same_spacing.isChecked() else None,
            None if self.channel.value() == _ONLY else self.channel.value(),
            self.more.text(),
        )

    @property
    def _has_file(self) -> bool:
        return self.source.currentText() == FILE

    def refresh(self, *_: object) -> None:
        """Show what the session says by now, and what all comes to."""
        known = known_of(self._session, self._placement())
        self._suggest(known.start, known.threshold)
        has_file = self._has_file
        self._form.setRowVisible(self._file_row, has_file)
        self._form.setRowVisible(self._psf_row, not has_file)
        self._form.setRowVisible(self.threshold, _STARTS[self.start.currentText()] == "threshold")
        guess = " (a guess: one voxel)" if known.is_guess else ""
        self.psf_label.setText("–" if known.psf is None else known.psf.summary() + guess)
        for field in self.spacing:
            field.setEnabled(self.same_spacing.isChecked())
        options = self.options()
        self.summary.setVisible(options is not None)
        if options is not None:
            self.summary.setText(options.sentences(with_psf=has_file))
            self.note.say("" if has_file else known.note)
        elif has_file and not self.file.text().strip():
            self.note.say("Choose a file of settings.", warning=True)
        else:
            self.note.say(_LACKING, warning=True)
        self.changed.emit()

    def _suggest(self, start: Start, threshold: float | None) -> None:
        """Set how cells are found as the session has it, until the user chose it here."""
        self.start.blockSignals(True)
        self.threshold.blockSignals(True)
        if not self._has_chosen_start:
            self.start.setCurrentText(next(text for text, one in _STARTS.items() if one == start))
        if not self._has_chosen_threshold:
            self.threshold.setValue(threshold or 0.0)
        self.start.blockSignals(False)
        self.threshold.blockSignals(False)

    def _on_start_chosen(self) -> None:
        self._has_chosen_start = True
        self.refresh()

    def _on_threshold(self) -> None:
        self._has_chosen_threshold = True
        self.refresh()

    def _placement(self) -> Placement | None:
        name = self._session.image_name
        if name not in self._viewer.layers:
            return None
        try:
            return placement_of(self._viewer.layers[name])
        except ValueError:
            return None

    def _browse(self) -> None:
        start = self.file.text() or str(Path.home())
        chosen, _ = QFileDialog.getOpenFileName(self, "Settings", start, "Settings (*.json)")
        if chosen:
            self.file.setText(chosen)
