"""The *PSF* dock: how far the microscope spreads the light of a point."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
)

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.image_chooser import ImageChooser
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.widgets import Dock, MessageLabel

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.plugin.session import Sigma

# Full width at half maximum of a Gaussian, in standard deviations.
FWHM_PER_SIGMA = float(np.sqrt(8.0 * np.log(2.0)))
_PREVIEW_PIXELS = 130
_SAMPLES = 65


class Sections(NamedTuple):
    """Pictures of a PSF."""

    planes: dict[str, NDArray[np.uint8]]
    """By name, the central planes "xy" and "xz": grey values, x to the right."""
    sides: dict[str, tuple[float, float]]
    """By name, how tall and wide the plane is; the longest side of the PSF is 1."""


class PsfDock(Dock):
    """Sets the widths of a Gaussian PSF and shows what they mean."""

    def __init__(self, napari_viewer: Viewer) -> None:
        view = live_view_of(napari_viewer)
        super().__init__(view)
        self._session = view.session
        self._task = BackgroundTask(self)
        self._wanted: Sigma | None = None
        self.image = ImageChooser(napari_viewer, self._session)
        self.fields: list[QDoubleSpinBox] = []
        self.widths = [QLabel() for _ in "zyx"]
        self.reset = QPushButton("Back to one voxel along each axis")
        self.advice = MessageLabel()
        self.previews = {"xy": QLabel(), "xz": QLabel()}
        self._lay_out()
        self.image.changed.connect(self._refresh)
        self.reset.clicked.connect(lambda: self._session.choose_sigma(None))
        self._session.sigma_changed.connect(self._refresh)
        self._refresh()

    def _lay_out(self) -> None:
        self.content.addWidget(self.image)
        form = QFormLayout()
        for axis, width in zip("zyx", self.widths, strict=True):
            field = QDoubleSpinBox()
            field.setRange(0.001, 1000.0)
            field.setDecimals(3)
            field.setSingleStep(0.05)
            field.setSuffix(" µm")
            field.setKeyboardTracking(False)
            field.setToolTip(f"Standard deviation of the blur along {axis}")
            field.valueChanged.connect(self._on_edited)
            self.fields.append(field)
            row = QHBoxLayout()
            row.addWidget(field, stretch=1)
            row.addWidget(width)
            form.addRow(f"Sigma {axis}", row)
        self.content.addLayout(form)
        self.reset.setToolTip("What a stack sampled at Nyquist's rate has: a fair first guess")
        self.content.addWidget(self.reset)
        self.content.addWidget(self.advice)
        pictures = QHBoxLayout()
        for plane, label in self.previews.items():
            column = QVBoxLayout()
            title = QLabel(f"{plane[0]} to the right, {plane[1]} downwards")
            title.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setFixedSize(_PREVIEW_PIXELS, _PREVIEW_PIXELS)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setStyleSheet("background: black")
            column.addWidget(label, alignment=Qt.AlignmentFlag.AlignCenter)
            column.addWidget(title)
            pictures.addLayout(column)
        self.content.addLayout(pictures)

    def _on_edited(self) -> None:
        z, y, x = (field.value() for field in self.fields)
        self._session.choose_sigma((z, y, x))

    def _refresh(self) -> None:
        try:
            placement = self.image.source().placement
        except ValueError:
            sigma, spacing = self._session.sigma, None
        else:
            sigma, spacing = self._session.sigma_for(placement), placement.spacing
        # A part of the widths alone means nothing, and one voxel means nothing without an image.
        for widget in (*self.fields, self.reset):
            widget.setEnabled(sigma is not None)
        if sigma is None:
            return
        for field, width, value in zip(self.fields, self.widths, sigma, strict=True):
            field.blockSignals(True)
            field.setValue(value)
            field.blockSignals(False)
            width.setText(f"FWHM {FWHM_PER_SIGMA * value:.3g} µm")
        self._advise(sigma, spacing)
        self._wanted = sigma
        self._draw_next()

    def _advise(self, sigma: Sigma, spacing: NDArray[np.float64] | None) -> None:
        steps = sigma if spacing is None else spacing
        narrow = [
            axis
            for axis, width, step in zip("zyx", sigma, steps, strict=True)
            if width < 0.5 * step
        ]
        self.advice.say(
            f"Less than half a voxel along {', '.join(narrow)}: the image cannot show such detail."
            if narrow
            else "",
            warning=True,
        )

    def _draw_next(self) -> None:
        """Start drawing the widths asked for last, unless a drawing is under way."""
        if self._wanted is None or self._task.is_busy:
            return
        sigma, self._wanted = self._wanted, None
        self._task.run(lambda: _sections(sigma), self._show)

    def _show(self, sections: Sections) -> None:
        for plane, image in sections.planes.items():
            rows, columns = image.shape
            picture = QImage(
                image.tobytes(), columns, rows, columns, QImage.Format.Format_Grayscale8
            )
            tall, wide = (max(1, round(_PREVIEW_PIXELS * side)) for side in sections.sides[plane])
            self.previews[plane].setPixmap(
                QPixmap.fromImage(picture).scaled(
                    wide,
                    tall,
                    Qt.AspectRatioMode.IgnoreAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )
        self._draw_next()


def _sections(sigma: Sigma) -> Sections:
    """Return the central planes of the PSF and their size."""
    import torch

    from napari_deltamic.optics import GaussianPSF

    psf = GaussianPSF(sigma=sigma)
    reach = psf.extent()
    z, y, x = (float(step) for step in 2.0 * reach / (_SAMPLES - 1))
    with torch.no_grad():
        voxels = psf.sampled((_SAMPLES,) * 3, (z, y, x)).numpy()
    middle = _SAMPLES // 2
    # The root shows the faint outer part beside the bright centre.
    shown = np.rint(255.0 * np.sqrt(np.clip(voxels / voxels.max(), 0.0, 1.0))).astype(np.uint8)
    planes = {"xy": shown[middle], "xz": np.ascontiguousarray(shown[:, middle])}
    tall, deep, wide = reach / reach.max()
    return Sections(planes, {"xy": (deep, wide), "xz": (tall, wide)})
