"""The form that describes a PSF: kind of microscope, objective, dye and all numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFormLayout, QPushButton, QVBoxLayout, QWidget

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.psf_choice import GAUSSIAN, MEASURED, PsfChoice
from napari_deltamic.plugin.psf_numbers import (
    DESIGN,
    FIELD_MODELS,
    MODALITIES,
    NUMBERS,
    SAMPLE,
    WAVES,
    Modality,
    check,
    choice_from,
    is_physical,
    keys_of,
    modality_of,
    model_of,
    usual_followers,
    values_from,
)
from napari_deltamic.plugin.psf_rows import Chooser, FoldedForm, NumberForm, NumberRow
from napari_deltamic.plugin.widgets import count_of

if TYPE_CHECKING:
    from napari_deltamic.optics.presets import DyePreset, ObjectivePreset

ABERRATIONS = "Aberrations"
CUSTOM = "as entered below"
# Defocus and tilts move the picture and blur nothing.
_SHIFTS = (2, 3, 4)


class Lists(NamedTuple):
    """What the lists offer; from modules that bring torch along."""

    objectives: Sequence[ObjectivePreset]
    dyes: Sequence[DyePreset]
    modes: Mapping[int, str]
    """Names of Zernike modes by Noll index."""


def load_lists() -> Lists:
    """Return what the lists offer; imports torch."""
    engine.load_optics()
    from napari_deltamic.optics.diffraction.zernike import NAMES
    from napari_deltamic.optics.presets import DYES, OBJECTIVES

    modes = {noll: name for noll, name in NAMES.items() if noll not in _SHIFTS}
    return Lists(OBJECTIVES, DYES, modes)


class PsfForm(QWidget):
    """Describes a PSF; a measured one has no numbers here."""

    edited = Signal()
    """The user has changed something."""

    def __init__(self) -> None:
        super().__init__()
        self.modality, self.objective = Chooser(), Chooser()
        self.dye, self.model = Chooser(), Chooser()
        self.one_voxel = QPushButton("One voxel along each axis")
        folded = (*SAMPLE, *DESIGN)
        self.numbers = NumberForm({key: NUMBERS[key] for key in NUMBERS if key not in folded})
        self.sample = FoldedForm("Sample and coverslip", {key: NUMBERS[key] for key in SAMPLE})
        self.design = FoldedForm("The objective is made for", {key: NUMBERS[key] for key in DESIGN})
        self.aberrations: FoldedForm | None = None
        self.rows: dict[str, NumberRow] = {}
        self._waves: dict[int, float] = {}
        self._axial_range: float | None = None
        self._lists: Lists | None = None
        self._shown: dict[str, float] = {}
        self._lay_out()
        self._show_modality()

    def _lay_out(self) -> None:
        self.modality.addItems([modality.title for modality in MODALITIES])
        self.modality.setToolTip("What the image was recorded with")
        for title in FIELD_MODELS.values():
            self.model.addItem(title)
        self.model.setToolTip(
            "How light is described: the vector model is right for any aperture; the scalar ones "
            "are for comparison with other programs"
        )
        self.objective.setToolTip("Fills in aperture, immersion, coverslip and working distance")
        self.dye.setToolTip("Fills in the wavelengths: the usual laser line and the dye's peak")
        self.one_voxel.setToolTip("What a stack sampled at Nyquist's rate has: a fair first guess")
        self._form = QFormLayout()
        for title, widget in (
            ("Microscope", self.modality),
            ("Objective", self.objective),
            ("Dye", self.dye),
            ("Light model", self.model),
        ):
            widget.setAccessibleName(title)
            self._form.addRow(title, widget)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addLayout(self._form)
        for part in (self.numbers, self.one_voxel, self.sample, self.design):
            self._column.addWidget(part)
        for form in (self.numbers, self.sample.numbers, self.design.numbers):
            self.rows |= form.rows
            form.edited.connect(self._on_number)
        self._offer(self.objective, [])
        self._offer(self.dye, [])
        self._shown = {key: row.value for key, row in self.rows.items()}
        self.modality.currentIndexChanged.connect(self._on_modality)
        self.objective.currentIndexChanged.connect(self._on_objective)
        self.dye.currentIndexChanged.connect(self._on_dye)
        self.model.currentIndexChanged.connect(lambda _: self.edited.emit())

    def fill(self, lists: Lists) -> None:
        """Offer objectives, dyes and aberrations."""
        self._lists = lists
        self._offer(self.objective, [preset.name for preset in lists.objectives])
        self._offer(self.dye, [preset.name for preset in lists.dyes])
        rows = {
            str(noll): WAVES._replace(title=_short(name), tip=f"{name} (Noll {noll}). {WAVES.tip}")
            for noll, name in lists.modes.items()
        }
        self.aberrations = FoldedForm(ABERRATIONS, rows)
        self.aberrations.numbers.edited.connect(self._on_waves)
        self._column.addWidget(self.aberrations)
        self._show_waves()
        self._show_modality()
        self._recognise()

    @property
    def kind(self) -> Modality:
        """The chosen modality."""
        return MODALITIES[self.modality.currentIndex()]

    @property
    def is_measured(self) -> bool:
        """Whether the measured PSF is chosen."""
        return self.kind.class_name == MEASURED

    def choice(self, kind: Modality | None = None) -> PsfChoice:
        """Return the PSF that the form describes, or would for another modality.

        Raises
        ------
        ValueError
            If a number is out of its limits.
        """
        values = {key: row.value for key, row in self.rows.items()}
        model = list(FIELD_MODELS)[self.model.currentIndex()]
        waves = dict(self._waves)
        if self.aberrations is not None:
            for noll, row in self.aberrations.numbers.rows.items():
                check(row.number, row.value)
                waves[int(noll)] = row.value
        return choice_from(kind or self.kind, values, model, waves, self._axial_range)

    def show_choice(self, choice: PsfChoice) -> None:
        """Show a PSF without telling anybody."""
        kind = modality_of(choice.class_name)
        with QSignalBlocker(self.modality):
            self.modality.setCurrentIndex(MODALITIES.index(kind))
        if choice.class_name != MEASURED:
            for key, value in values_from(choice).items():
                self._set(key, value)
        if is_physical(kind):
            with QSignalBlocker(self.model):
                self.model.setCurrentIndex(list(FIELD_MODELS).index(model_of(choice)))
            self._show_physics(choice.arguments)
        self._show_modality()
        self._recognise()

    def set_widths(self, widths: Mapping[str, float]) -> None:
        """Set the Gaussian's widths without telling anybody."""
        for key, width in widths.items():
            self._set(key, width)

    def enable_widths(self, enabled: bool) -> None:
        """Let the Gaussian's widths be edited: without an image there is nothing to begin from."""
        for key in keys_of(MODALITIES[0]):
            self.rows[key].setEnabled(enabled)
        self.one_voxel.setEnabled(enabled)

    def _show_physics(self, arguments: Mapping[str, Any]) -> None:
        waves = arguments.get("aberrations") or {}
        self._waves = {int(noll): float(value) for noll, value in waves.items()}
        self._axial_range = arguments.get("axial_range")
        self._show_waves()

    def _show_waves(self) -> None:
        if self.aberrations is None:
            return
        for noll, row in self.aberrations.numbers.rows.items():
            row.set_value(self._waves.pop(int(noll), 0.0))

        self._count_waves()

    def _on_waves(self) -> None:
        self._count_waves()
        self.edited.emit()

    def _count_waves(self) -> None:
        """Say on the folded section how much is in it."""
        assert self.aberrations is not None
        count = sum(row.value != 0 for row in self.aberrations.numbers.rows.values())
        count += len(self._waves)
        self.aberrations.setText(
            f"Aberrations: {count_of(count, 'mode')}" if count else ABERRATIONS
        )

    def _show_modality(self) -> None:
        kind = self.kind
        self.numbers.show_rows(keys_of(kind))
        physical = is_physical(kind)
        for widget in (self.objective, self.dye, self.model):
            shown = physical and not (widget is self.dye and "two_photon" in kind.numbers)
            widget.setVisible(shown)
            self._form.labelForField(widget).setVisible(shown)
        for fold in (self.sample, self.design, self.aberrations):
            if fold is not None:
                fold.setVisible(physical)
        self.one_voxel.setVisible(kind.class_name == GAUSSIAN)

    def _on_modality(self) -> None:
        self._show_modality()
        self._recognise()
        self.edited.emit()

    def _on_number(self, key: str) -> None:
        before, now = self._shown[key], self.rows[key].value
        self._shown[key] = now
        if key == "immersion_index":
            self._follow_immersion(before, now)
        self._recognise()
        self.edited.emit()

    def _on_objective(self, index: int) -> None:
        preset = self._objective(index)
        if preset is None:
            return
        given = preset.arguments() | {"magnification": preset.magnification}
        self._follow_immersion(self.rows["immersion_index"].value, preset.immersion)
        for key, value in given.items():
            self._set(key, value * NUMBERS[key].per_um)
        self.edited.emit()

    def _on_dye(self, index: int) -> None:
        if self._lists is None or index < 1:
            return
        preset = self._lists.dyes[index - 1]
        self._set("excitation", 1000 * preset.excitation)
        self._set("emission", 1000 * preset.emission)
        self.edited.emit()

    def _follow_immersion(self, before: float, now: float) -> None:
        """Move along what was as usual with the immersion before."""
        usual = usual_followers(now)
        for key, value in usual_followers(before).items():
            if self.rows[key].value == value:
                self._set(key, usual[key])

    def _set(self, key: str, value: float) -> None:
        self.rows[key].set_value(value)
        self._shown[key] = value

    def _objective(self, index: int) -> ObjectivePreset | None:
        return None if self._lists is None or index < 1 else self._lists.objectives[index - 1]

    def _recognise(self) -> None:
        """Name the objective and the dye that the numbers are those of."""
        if self._lists is None:
            return
        kept = self._objective(self.objective.currentIndex())
        objectives = ([] if kept is None else [kept]) + list(self._lists.objectives)
        objective = next((one for one in objectives if self._has(one.arguments())), None)
        names = [name for name in ("excitation", "emission") if name in self.kind.numbers]
        kept_dye = self.dye.currentIndex() - 1
        dyes = [*self._lists.dyes[kept_dye : kept_dye + 1]] if kept_dye >= 0 else []
        dye = next(
            (
                one
                for one in (*dyes, *self._lists.dyes)
                if self._has({name: getattr(one, name) for name in names})
            ),
            None,
        )
        for chooser, name in (
            (self.objective, objective.name if objective else CUSTOM),
            (self.dye, dye.name if dye else CUSTOM),
        ):
            with QSignalBlocker(chooser):
                chooser.setCurrentText(name)

    def _has(self, numbers: Mapping[str, float]) -> bool:
        return all(
            abs(self.rows[key].value - value * NUMBERS[key].per_um) < 1e-6
            for key, value in numbers.items()
        )

    @staticmethod
    def _offer(chooser: Chooser, names: list[str]) -> None:
        with QSignalBlocker(chooser):
            chooser.clear()
            chooser.addItems([CUSTOM, *names])


def _short(name: str) -> str:
    """Return the name of a Zernike mode that fits beside a slider."""
    name = name.replace("secondary astigmatism", "2nd astigm.")
    for word, shorter in (("secondary", "2nd"), ("vertical", "vert."), ("horizontal", "horiz.")):
        name = name.replace(word, shorter)
    return name.replace("oblique", "obl.")
