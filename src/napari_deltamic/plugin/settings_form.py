"""A form for settings, made from their own titles, texts and limits."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_deltamic.plugin.fold import Fold
from napari_deltamic.plugin.widgets import AUTOMATIC

MAIN_FIELDS = ("label", "noise", "edge_length", "stages", "max_iterations")

S = TypeVar("S", bound=BaseModel)


class SettingsForm(QWidget, Generic[S]):
    """Fields for settings, the rarer ones folded away under *Advanced*.

    Parameters
    ----------
    settings
        What the fields show at first.
    main
        Names of the fields that are not folded away.
    none
        What a number that is left out is called.
    """

    changed = Signal()

    def __init__(
        self, settings: S, main: Collection[str] = MAIN_FIELDS, none: str = AUTOMATIC
    ) -> None:
        super().__init__()
        self._kind = type(settings)
        self.fields: dict[str, ValueWidget] = {}
        plain, advanced = QWidget(), QWidget()
        main_form, advanced_form = QFormLayout(plain), QFormLayout(advanced)
        for form in (main_form, advanced_form):
            form.setContentsMargins(0, 0, 0, 0)
            form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, field in self._kind.model_fields.items():
            widget = _widget(name, field, getattr(settings, name), none)
            widget.changed.connect(lambda _: self.changed.emit())
            self.fields[name] = widget
            form = main_form if name in main else advanced_form
            form.addRow(field.title or name, widget.native)
            form.labelForField(widget.native).setToolTip(field.description or "")
        self.fold = Fold("Advanced")
        self.fold.addWidget(advanced)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(plain)
        layout.addWidget(self.fold)

    def show_settings(self, settings: S) -> None:
        """Fill the fields in."""
        for name, widget in self.fields.items():
            value = getattr(settings, name)
            # As the fields have texts for lists, and their lowest value for none.
            shown = ", ".join(value) if isinstance(value, tuple) else value
            widget.value = 0.0 if shown is None else shown

    def show_automatic(self, name: str, text: str) -> None:
        """Say what the automatic value of a field is, such as "0.42 µm"; "" for not known."""
        shown = f"{AUTOMATIC} ({text})" if text else AUTOMATIC
        self.fields[name].native.setSpecialValueText(shown)

    def settings(self) -> S:
        """Return the settings as entered.

        Raises
        ------
        ValueError
            If a value is out of range.
        """
        values = {name: widget.value for name, widget in self.fields.items()}
        for name, field in self._kind.model_fields.items():
            if _is_optional(field) and values[name] == 0:
                values[name] = None
        return self._kind(**values)


def _widget(name: str, field: FieldInfo, value: Any, none: str) -> ValueWidget:
    options: dict[str, Any] = {"name": name, "tooltip": field.description or ""}
    kind = _plain_type(field.annotation)
    if get_origin(kind) is Literal:
        return ComboBox(choices=list(get_args(kind)), value=value, **options)
    if kind is bool:
        box = CheckBox(value=value, **options)
        # The form has its title already.
        box.native.setText("")
        return box
    if kind is int:
        limits: dict[str, Any] = {"min": _limit(field, "ge", 0), "max": _limit(field, "le", 10_000)}
        return SpinBox(value=value, **limits, **options)
    if kind is str:
        return LineEdit(value=", ".join(value), **options)
    widget = FloatSpinBox(value=value or 0.0, min=0.0, max=1000.0, step=_step(value), **options)
    widget.native.setDecimals(4)
    if _is_optional(field):
        # The lowest value stands for None.
        widget.native.setSpecialValueText(none)
    return widget


def _plain_type(annotation: Any) -> Any:
    """Return the type without Annotated and without None."""
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    if get_origin(annotation) is Literal or not choices:
        return annotation
    return _plain_type(choices[0])


def _is_optional(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)


def _limit(field: FieldInfo, name: str, default: int) -> int:
    found = [getattr(limit, name) for limit in field.metadata if hasattr(limit, name)]
    return int(found[0]) if found else default


def _step(value: float | None) -> float:
    return 0.1 if not value else 10.0 ** (len(str(int(value))) - 1) if value >= 1 else value / 2
