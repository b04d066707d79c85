"""Small widgets that several docks use."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QComboBox,
    QDockWidget,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.plugin.keyboard import press_on_enter, put_in_order
from napari_deltamic.plugin.preview import IS_RENDERING
from napari_deltamic.plugin.theme import Colours, ThemeFollower, focus_style

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deltamic.plugin.live_view import LiveView

AUTOMATIC = "automatic"
_CHOOSER_WIDTH = 120
_OPENED = count()


def count_of(count: int, name: str) -> str:
    """Return "1 region", "2 regions"."""
    return f"{count} {name}{'s' * (count != 1)}"


class Dock(QWidget):
    """A dock's content in a scroll area, so that it fits small screens; tells the view its window.

    Subclasses put their widgets into ``self.content``.

    Parameters
    ----------
    view
        Of the viewer that the dock is for.
    is_step
        Whether this is a part of another dock, which has a scroll area and the image's list.

    Attributes
    ----------
    FILLS
        Whether the widgets share out what height there is, as tables do; otherwise what they have
        no use for stays empty below them.
    """

    FILLS = False

    def __init__(self, view: LiveView, *, is_step: bool = False) -> None:
        super().__init__()
        self._view = view
        self.is_step = self._placed = is_step
        self._order = next(_OPENED)
        inner = QWidget()
        self.content = QVBoxLayout()
        column = QVBoxLayout(inner)
        column.addLayout(self.content, stretch=1 if self.FILLS else 0)
        if not is_step:
            ThemeFollower(self, lambda colours: self.setStyleSheet(focus_style(colours)))
        if not self.FILLS:
            column.addStretch(1)
        self._inner, self._area = inner, QScrollArea()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        if is_step:
            column.setContentsMargins(0, 0, 0, 0)
            outer.addWidget(inner)
            return
        area = self._area
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        inner.installEventFilter(self)
        outer.addWidget(area)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for no more width than the widgets need: the rest is for the image."""
        if self.is_step:
            return super().sizeHint()
        return QSize(self._width(), super().sizeHint().height())

    def sections(self) -> Sequence[QWidget]:
        """Return the parts within which all fields stand in one column."""
        return (self._inner,)

    def _width(self) -> int:
        # Nothing may be cut off at the right, with or without a vertical scroll bar.
        bar = self._area.verticalScrollBar().sizeHint().width()
        return self._inner.minimumSizeHint().width() + bar

    def showEvent(self, event: object) -> None:  # noqa: N802
        """Let the view watch the window that the dock has been put into."""
        super().showEvent(event)
        for section in self.sections():
            _align(section.findChildren(QFormLayout))
        self._view.watch(self.window())
        if not self._placed:
            self._placed = True
            # napari places the dock after this event.
            QTimer.singleShot(0, self._join_siblings)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Keep the dock as wide as its widgets, which come and go, need."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._area.setMinimumWidth(self._width())
        return False

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Let Enter press a button as Space does."""
        if not press_on_enter(self, event):
            super().keyPressEvent(event)

    def focusNextPrevChild(self, forward: bool) -> bool:  # noqa: N802
        """Let Tab go on to what comes next to the eye."""
        if not self.is_step:
            put_in_order(self)
        return super().focusNextPrevChild(forward)

    def _join_siblings(self) -> None:
        """Become a tab beside the plugin's other docks: stacked, none would have room."""
        window, own = self.window(), _dock_around(self)
        if own is None or not isinstance(window, QMainWindow) or own.isFloating():
            return
        for other in window.findChildren(Dock):
            if other.is_step:
                continue
            dock = _dock_around(other)
            if dock is None or dock is own or dock.isFloating() or not other.placed_before(self):
                continue
            window.tabifyDockWidget(dock, own)
            own.raise_()
            return

    def placed_before(self, other: Dock) -> bool:
        """Whether this dock was opened before another."""
        return self._order < other._order


def length_field(tip: str, *, automatic: bool = False) -> QDoubleSpinBox:
    """Return a field for a length in um; an automatic one says so at 0."""
    field = QDoubleSpinBox()
    field.setRange(0.0 if automatic else 0.001, 1e5)
    field.setDecimals(3)
    field.setSuffix(" µm")
    field.setToolTip(tip)
    if automatic:
        field.setSpecialValueText(AUTOMATIC)
    return field


def with_button(widget: QWidget, text: str, action: Callable[[], object]) -> QWidget:
    """Return a widget with a button to the right of it."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    button = QPushButton(text)
    button.clicked.connect(action)
    layout.addWidget(widget, stretch=1)
    layout.addWidget(button)
    return row


def _dock_around(widget: QWidget) -> QDockWidget | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def _align(forms: list[QFormLayout]) -> None:
    """Give all labels one width, so that the fields of several forms stand in one column."""
    role = QFormLayout.ItemRole.LabelRole
    items = [form.itemAt(row, role) for form in forms for row in range(form.rowCount())]
    labels = [item.widget() for item in items if item is not None]
    width = max((label.sizeHint().width() for label in labels), default=0)
    for label in labels:
        label.setMinimumWidth(width)


class LayerChooser(QComboBox):
    """A list of the viewer's layers of one type, kept up to date.

    Parameters
    ----------
    viewer
        Whose layers to list.
    layer_type
        Such as ``napari.layers.Image``.
    empty_text
        What to show while there is none.
    """

    layer_changed = Signal()

    def __init__(self, viewer: Viewer, layer_type: type[Layer], empty_text: str) -> None:
        super().__init__()
        self._viewer = viewer
        self._type = layer_type
        self.setPlaceholderText(empty_text)
        self.setAccessibleName(f"{layer_type.__name__} layer")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # Long names are shortened rather than that they widen the dock.
        self.setMinimumWidth(_CHOOSER_WIDTH)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self.refresh)
        viewer.layers.events.renamed.connect(self.refresh)
        self.refresh()
        self.currentIndexChanged.connect(lambda _: self.layer_changed.emit())

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        chosen = self.currentData()
        return chosen if chosen is not None and chosen in self._viewer.layers else None

    def choose(self, layer: Layer) -> None:
        """Choose a layer of the list."""
        index = self._index_of(layer)
        if index >= 0:
            self.setCurrentIndex(index)

    def refresh(self) -> None:
        """List the layers anew and keep the choice, or take the newest."""
        before, name_before = self.currentData(), self.currentText()
        layers = [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, self._type) and IS_RENDERING not in layer.metadata
        ]
        self.blockSignals(True)
        self.clear()
        for layer in layers:
            self.addItem(layer.name, layer)
        kept = self._index_of(before)
        self.setCurrentIndex(kept if kept >= 0 else len(layers) - 1)
        self.blockSignals(False)
        if self.currentData() is not before or self.currentText() != name_before:
            self.layer_changed.emit()

    def _index_of(self, layer: Layer | None) -> int:
        # Not "is": docks may get layers wrapped in napari's proxy, which compares as equal.
        matches = [k for k in range(self.count()) if self.itemData(k) == layer]
        return matches[0] if matches else -1


class MessageLabel(QLabel):
    """Text under a field: plain, or set off as a warning or as good news.

    Attributes
    ----------
    is_warning
        Whether the last text was one.
    is_elsewhere
        Whether another widget shows what is said, so that this one stays hidden.
    """

    said = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.is_warning = self.is_elsewhere = self._is_good = False
        self.setWordWrap(True)
        self.hide()
        self._theme = ThemeFollower(self, self._colour)

    def say(self, text: str, *, warning: bool = False, good: bool = False) -> None:
        """Show a text; an empty one hides the label."""
        self.setText(text)
        self.is_warning, self._is_good = warning, good
        self._colour(self._theme.colours)
        self.setVisible(bool(text) and not self.is_elsewhere)
        self.said.emit()

    def _colour(self, colours: Colours) -> None:
        style = colours.warning if self.is_warning else colours.good if self._is_good else ""
        self.setStyleSheet(f"{style} border-radius: 3px; padding: 5px;" if style else "")
