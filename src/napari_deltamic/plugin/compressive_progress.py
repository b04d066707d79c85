"""How a training goes: a bar, its patterns, one image in three ways, and its losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_deltamic.plugin.compressive_pictures import Tiles
from napari_deltamic.plugin.compressive_plot import TrainingPlot
from napari_deltamic.plugin.theme import fade

if TYPE_CHECKING:
    from napari_deltamic.compressive.state import Epoch
    from napari_deltamic.plugin.compressive_worker import TrainingPreview

_CAPTIONS = "Truth", "Reconstructed", "Interpolated"
_STEPS = 1000


class TrainingProgress(QWidget):
    """Shows the training that runs, and afterwards the model in use.

    Attributes
    ----------
    bar, patterns, images, plot
        What it shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        self._title = QLabel("Patterns, white where light falls")
        self.patterns = Tiles("What the micromirror device shows, one pattern for each frame")
        self.images = Tiles(
            "A plane that is not learned from: as it is, as the model makes it of the frames, and "
            "as bicubic interpolation makes it of as many frames in even light"
        )
        self.plot = TrainingPlot()
        fade(self._title)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.bar, self._title, self.patterns, self.images, self.plot):
            column.addWidget(widget)
        self.clear()

    def clear(self) -> None:
        """Show nothing yet."""
        self.bar.hide()
        self.show_preview(None)
        self.show_epochs(())

    def fill(self, part: float | None) -> None:
        """Show how much is done, 0 to 1; None for what has an unknown length."""
        self.bar.show()
        # A bar that takes updates repaints at once, and with it Qt composes the whole window.
        self.bar.setUpdatesEnabled(False)
        self.bar.setRange(0, 0 if part is None else _STEPS)
        self.bar.setValue(0 if part is None else int(_STEPS * part))
        self.bar.setUpdatesEnabled(True)

    def show_preview(self, preview: TrainingPreview | None) -> None:
        """Show patterns and images, as far as there are any."""
        self.patterns.show_pictures([] if preview is None else list(preview.masks))
        images = [] if preview is None else [image for image in preview[1:] if image is not None]
        self.images.show_pictures(images, _CAPTIONS if images else None)
        self._title.setVisible(preview is not None)
        self.patterns.setVisible(preview is not None)
        self.images.setVisible(bool(images))

    def show_epochs(self, epochs: Sequence[Epoch]) -> None:
        """Draw the losses so far; none hides the plot."""
        self.plot.setVisible(bool(epochs))
        if epochs:
            self.plot.show_epochs(epochs)
