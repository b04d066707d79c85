"""Rows of a title, a slider and a field with a unit, made from the table of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QHBoxLayout, QSlider, QWidget

from napari_deltamic.plugin.fold import Fold
from napari_deltamic.plugin.psf_numbers import Number

_TICKS = 1000
_LABEL_WIDTH, _FIELD_WIDTH = 116, 104
# Far beyond any limit, so that what was typed stays to be read beside the message about it.
_ANY = 1e6


class NumberRow(QWidget):
    """A slider and a field that show one number.

    The number is kept as it was given, however few decimals are shown, until the user edits it.
    """

    edited = Signal()

    def __init__(self, number: Number) -> None:
        super().__init__()
        self.number = number
        self._value = number.start
        self.slider = _Slider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _TICKS)
        self.slider.setSingleStep(_TICKS // 100)
        self.slider.setPageStep(_TICKS // 10)
        self.slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.field = _Field()
        self.field.setDecimals(number.decimals)
        self.field.setRange(-_ANY if number.limits[0] < 0 else 0.0, _ANY)
        self.field.setSuffix(f" {number.unit}" if number.unit else "")
        self.field.setSingleStep(_step(number))
        self.field.setKeyboardTracking(False)
        self.field.setFixedWidth(_FIELD_WIDTH)
        for widget in (self.slider, self.field):
            widget.setToolTip(number.tip)
            widget.setAccessibleName(number.title)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, stretch=1)
        layout.addWidget(self.field)
        self.set_value(number.start)
        self.slider.valueChanged.connect(self._on_slider)
        self.field.valueChanged.connect(self._on_field)

    @property
    def value(self) -> float:
        """The number, as shown."""
        return self._value

    def set_value(self, value: float) -> None:
        """Show a number without telling anybody."""
        self._value = value
        with QSignalBlocker(self.slider), QSignalBlocker(self.field):
            self.field.setValue(value)
            self.slider.setValue(self._tick(value))

    def _on_slider(self, tick: int) -> None:
        lower, upper = self.number.slider
        part = tick / _TICKS
        if self.number.logarithmic:
            value = lower * (upper / lower) ** part
        else:
            value = lower + (upper - lower) * part
        self._value = round(value, self.number.decimals)
        with QSignalBlocker(self.field):
            self.field.setValue(self._value)
        self.edited.emit()

    def _on_field(self, value: float) -> None:
        self._value = value
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._tick(value))
        self.edited.emit()

    def _tick(self, value: float) -> int:
        lower, upper = self.number.slider
        inside = min(max(value, lower), upper)
        if self.number.logarithmic:
            return round(_TICKS * math.log(inside / lower) / math.log(upper / lower))
        return round(_TICKS * (inside - lower) / (upper - lower))


class NumberForm(QWidget):
    """Rows under one another; each can be shown or hidden.

    Parameters
    ----------
    numbers
        What to make rows of, by key.
    """

    edited = Signal(str)

    def __init__(self, numbers: Mapping[str, Number]) -> None:
        super().__init__()
        self.rows: dict[str, NumberRow] = {}
        self.form = QFormLayout(self)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for key, number in numbers.items():
            row = self.rows[key] = NumberRow(number)
            row.edited.connect(lambda key=key: self.edited.emit(key))
            self.form.addRow(number.title, row)
            label = self.form.labelForField(row)
            label.setToolTip(number.tip)
            # So that the sliders of all forms stand in one column.
            label.setFixedWidth(_LABEL_WIDTH)

    def show_rows(self, keys: Iterable[str]) -> None:
        """Show these rows and hide the others."""
        shown = set(keys)
        for key, row in self.rows.items():
            row.setVisible(key in shown)
            self.form.labelForField(row).setVisible(key in shown)


class FoldedForm(Fold):
    """A form that is folded away under a title until somebody needs it."""

    def __init__(self, title: str, numbers: Mapping[str, Number]) -> None:
        super().__init__(title)
        self.numbers = NumberForm(numbers)
        self.addWidget(self.numbers)
        self.content().layout().setContentsMargins(0, 3, 0, 3)


class Chooser(QComboBox):
    """A list that a turn of the wheel over it does not change: the dock scrolls instead."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        # As wide as the dock allows, not as its longest entry.
        self.setMinimumContentsLength(8)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """Leave the wheel to the dock."""
        event.ignore()


class _Slider(QSlider):
    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        event.ignore()


class _Field(QDoubleSpinBox):
    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        event.ignore()


def _step(number: Number) -> float:
    """Return a step of the field: a hundredth of the slider, a power of ten."""
    span = number.slider[1] - number.slider[0]
    step = 10.0 ** math.floor(math.log10(span / 50))
    return max(step, 10.0**-number.decimals)
