"""Whether to fit one frame or all, and where to keep the frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_deltamic.plugin.frames import axis_kinds, channel_axis, file_facts
from napari_deltamic.plugin.movie_worker import MovieSource
from napari_deltamic.plugin.spatial import stack_source

if TYPE_CHECKING:
    from napari.layers import Image


class MovieOptions(QWidget):
    """Fields that are shown only for images with a time axis."""

    def __init__(self) -> None:
        super().__init__()
        self.all_frames = QCheckBox("Fit all frames, from this one on")
        self.all_frames.setToolTip("Each frame starts where the one before ended")
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("none: kept in memory only")
        self.folder.setToolTip("Each finished frame is written there, so that a movie can go on")
        self.browse = QPushButton("...")
        self.browse.setToolTip("Choose a folder")
        self.browse.setAccessibleName("Choose a folder for the frames")
        self.folder.setAccessibleName("Folder that frames are kept in")
        self.resume = QCheckBox("Go on from what is there")
        self.resume.setToolTip("With the same image, mesh, PSF and settings as before")
        row = QHBoxLayout()
        row.addWidget(self.folder, stretch=1)
        row.addWidget(self.browse)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(self.all_frames)
        form.addRow("Keep in", row)
        form.addRow("", self.resume)
        self._form = form
        self.all_frames.toggled.connect(self._show_rows)
        self.folder.textChanged.connect(self._show_rows)
        self.browse.clicked.connect(self._choose)
        self._show_rows()
        self.hide()

    @property
    def is_wanted(self) -> bool:
        """Whether all frames are to be fitted."""
        return self.isVisibleTo(self.parentWidget()) and self.all_frames.isChecked()

    @property
    def path(self) -> Path | None:
        """The folder for the frames, if one is given."""
        text = self.folder.text().strip()
        return Path(text).expanduser() if text else None

    @property
    def goes_on(self) -> bool:
        """Whether to go on from what that folder holds."""
        return self.path is not None and self.resume.isChecked()

    def describe(self, layer: Image | None) -> None:
        """Offer the choice if the layer has a time axis."""
        self.setVisible(layer is not None and has_time(layer))

    def _show_rows(self) -> None:
        wanted = self.all_frames.isChecked()
        self._form.setRowVisible(1, wanted)
        self._form.setRowVisible(2, wanted and self.path is not None)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the frames")
        if folder:
            self.folder.setText(folder)


def has_time(layer: Image) -> bool:
    """Return whether a layer is a movie of stacks: (T, Z, Y, X) with several frames."""
    is_plain = not getattr(layer, "rgb", False) and not getattr(layer, "multiscale", False)
    if not is_plain or layer.ndim != 4 or layer.data.shape[0] == 1:
        return False
    try:
        facts = file_facts(layer)
    except (OSError, ValueError):
        # Said where the image is chosen.
        facts = None
    return channel_axis(layer, facts) is None and axis_kinds(layer, facts) != ["Channel"]


def movie_source(layer: Image, point: tuple[float, ...]) -> MovieSource:
    """Return the frames of a layer from the sliders' position on.

    Raises
    ------
    ValueError
        As :func:`stack_source`; also if the layer's time axis has no length.
    """
    source = stack_source(layer, point)
    interval, start = float(layer.scale[0]), float(layer.translate[0])
    if interval <= 0:
        raise ValueError(
            f"layer {layer.name!r} has the scale {interval} along time; it must be positive"
        )
    frame = int(np.rint((point[-4] - start) / interval))
    first = int(np.clip(frame, 0, layer.data.shape[0] - 1))
    time = layer.units[0], str(layer.axis_labels[0])
    return MovieSource(source, layer.data, first, interval, start, time)
