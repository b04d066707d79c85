"""A list of images to train on, each with labels of what is to be found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QWidget

from napari_deltamic.plugin.compressive_layers import IS_COMPRESSED
from napari_deltamic.plugin.compressive_worker import TrainingStack
from napari_deltamic.plugin.preview import IS_RENDERING
from napari_deltamic.plugin.spatial import stack_source

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

NOTHING = "find nothing"
_NAME_WIDTH, _LABELS_WIDTH = 180, 150
_LABELS_TIP = "Labels of what a small network behind the decoder should find, such as nuclei"


class TrainingImages(QWidget):
    """The viewer's 3D images, kept up to date, with check boxes.

    Parameters
    ----------
    viewer
        Whose images to list.
    first
        Name of the one that is ticked at first, "" for the newest.

    Attributes
    ----------
    rows
        One for each image.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, first: str = "") -> None:
        super().__init__()
        self._viewer = viewer
        self.rows: list[ImageRow] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(0, 1)
        self._title = QLabel("Train on")
        self._grid.addWidget(self._title, 0, 0, 1, 2)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(self.refresh)
        self.refresh()
        named = [row for row in self.rows if row.layer.name == first]
        if named:
            for row in self.rows:
                row.box.setChecked(row is named[0])

    def refresh(self) -> None:
        """List the layers anew; what was ticked and chosen stays."""
        images = [layer for layer in self._viewer.layers if is_trainable(layer)]
        labels = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        # Not "is": docks may get layers wrapped in napari's proxy, which compares as equal.
        before, self.rows = self.rows, []
        for image in images:
            known = [row for row in before if row.layer == image]
            row = known[0] if known else self._new_row(image)
            row.list_labels(labels)
            self.rows.append(row)
        if self.rows and not before:
            self.rows[-1].box.setChecked(True)
        for row in before:
            if row not in self.rows:
                row.remove()
        for number, row in enumerate(self.rows, start=1):
            self._grid.addWidget(row.box, number, 0)
            self._grid.addWidget(row.labels, number, 1)
        self._title.setVisible(bool(self.rows))
        self.changed.emit()

    def chosen(self) -> list[ImageRow]:
        """Return the rows that are ticked."""
        return [row for row in self.rows if row.box.isChecked()]

    def stacks(self) -> tuple[TrainingStack, ...]:
        """Return what is to be trained on.

        Raises
        ------
        ValueError
            If nothing is ticked, or labels are chosen for some images only.
        """
        chosen = self.chosen()
        if not self.rows:
            raise ValueError(_why_none(self._viewer.layers))
        if not chosen:
            raise ValueError("Tick at least one image to train on.")
        missing = [row.layer.name for row in chosen if row.chosen_labels is None]
        if missing and len(missing) < len(chosen):
            raise ValueError(
                f"Choose labels to find in {missing[0]!r} too, or find nothing in any image."
            )
        return tuple(row.stack() for row in chosen)

    def _on_placed(self) -> None:
        self.changed.emit()

    def _new_row(self, image: Image) -> ImageRow:
        row = ImageRow(image)
        row.box.toggled.connect(lambda _: self.changed.emit())
        row.labels.currentIndexChanged.connect(lambda _: self.changed.emit())
        for event in (image.events.scale, image.events.units):
            event.connect(self._on_placed)
        return row


class ImageRow:
    """One image of the list.

    Attributes
    ----------
    layer
        The image.
    box
        Whether to train on it.
    labels
        What to find in it; seen only where there are labels of its shape.
    """

    def __init__(self, layer: Image) -> None:
        self.layer, self.box, self.labels = layer, QCheckBox(), QComboBox()
        self.labels.setMinimumWidth(_LABELS_WIDTH)
        self.labels.setMaximumWidth(_LABELS_WIDTH)
        self.labels.addItem(NOTHING, None)
        self.labels.currentIndexChanged.connect(lambda _: self._say_labels())

    @property
    def chosen_labels(self) -> Labels | None:
        """The chosen labels, if any."""
        found: Labels | None = self.labels.currentData()
        return found

    def stack(self) -> TrainingStack:
        """Return what a training reads; see :func:`stack_source` for errors."""
        labels = self.chosen_labels
        return TrainingStack(
            stack_source(self.layer), None if labels is None else stack_source(labels)
        )

    def list_labels(self, layers: list[Labels]) -> None:
        """Offer the labels that have the image's shape."""
        name = self.layer.name
        metrics = self.box.fontMetrics()
        # Long names are shortened rather than that they widen the dock.
        short = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, _NAME_WIDTH)
        self.box.setText(short.replace("&", "&&"))
        self.box.setToolTip(f"{name}: learn from this image")
        self.box.setAccessibleName(f"Train on {name}")
        self.labels.setAccessibleName(f"What to find in {name}")
        shape = stack_source(self.layer).shape
        fitting = [layer for layer in layers if tuple(layer.data.shape) == shape]
        before = self.chosen_labels
        self.labels.blockSignals(True)
        self.labels.clear()
        self.labels.addItem(NOTHING, None)
        for layer in fitting:
            self.labels.addItem(layer.name, layer)
        kept = [n for n in range(1, self.labels.count()) if self.labels.itemData(n) == before]
        self.labels.setCurrentIndex(kept[0] if kept and before is not None else 0)
        self.labels.blockSignals(False)
        self.labels.setVisible(bool(fitting))
        self._say_labels()

    def _say_labels(self) -> None:
        # The list itself has no room for long names.
        chosen = self.chosen_labels
        self.labels.setToolTip(_LABELS_TIP if chosen is None else f"{_LABELS_TIP}: {chosen.name}")

    def remove(self) -> None:
        """Take its widgets away."""
        for widget in (self.box, self.labels):
            widget.hide()
            widget.deleteLater()


def is_trainable(layer: Layer) -> bool:
    """Whether a layer is a 3D image of one channel that was not made here."""
    if not isinstance(layer, Image) or {IS_RENDERING, IS_COMPRESSED} & set(layer.metadata):
        return False
    return not _problem(layer)


def _problem(layer: Image) -> str:
    if layer.ndim > 3:
        return (
            f"{layer.name!r} has {layer.ndim} axes; take one frame or channel of it: right-click "
            "on the layer, then Split Stack"
        )
    try:
        stack_source(layer)
    except ValueError as error:
        return str(error)
    return ""


def _why_none(layers: Any) -> str:
    for layer in layers:
        if isinstance(layer, Image) and not {IS_RENDERING, IS_COMPRESSED} & set(layer.metadata):
            problem = _problem(layer)
            return f"No image to train on: {problem}." if problem else ""
    return "Open a 3D image (z, y, x) to train on first."
