"""Choosing the image to work on, with a look at its voxel size."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from napari.utils.notifications import show_error
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QPushButton, QWidget

from napari_deltamic.plugin.frames import (
    axis_kinds,
    channel_axis,
    channel_layers,
    check_planes,
    file_facts,
    frame_words,
)
from napari_deltamic.plugin.spatial import StackSource, frame_index, stack_source
from napari_deltamic.plugin.widgets import LayerChooser, MessageLabel

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.imaging.reading import StackInfo
    from napari_deltamic.plugin.session import Session

_COLOURS = ("green", "magenta", "cyan", "yellow", "gray")


class ImageChooser(QWidget):
    """A list of images; below it the stack's size, or fields for a voxel size that is unknown."""

    changed = Signal()

    def __init__(self, viewer: Viewer, session: Session) -> None:
        super().__init__()
        self._viewer = viewer
        self._session = session
        self.chooser = LayerChooser(viewer, Image, "open an image first")
        self.chooser.setToolTip("The stack to explain by meshes")
        self.message = MessageLabel()
        self.voxel_size = VoxelSizeEditor()
        self.voxel_size.applied.connect(self._apply_voxel_size)
        self.split = QPushButton("Split channels")
        self.split.setToolTip("Add each channel as a layer of its own, with the file's voxel size")
        self.split.clicked.connect(self._split_channels)
        self.split.hide()
        self._index: tuple[int, ...] = ()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Image", self.chooser)
        # Over the whole width, of which they need much.
        form.addRow(self.message)
        form.addRow(self.voxel_size)
        form.addRow(self.split)
        self.chooser.layer_changed.connect(self._on_chosen)
        session.image_changed.connect(self._follow)
        viewer.dims.events.current_step.connect(self._on_slider)
        self._follow(session.image_name)
        self._on_chosen()

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        return self.chooser.layer

    def source(self) -> StackSource:
        """Return the chosen stack at the slider's position.

        Raises
        ------
        ValueError
            If there is none, or the layer cannot be used.
        """
        if self.layer is None:
            raise ValueError("choose an image: open a 3D stack in napari first")
        check_planes(self.layer, self._file_facts(self.layer))
        return stack_source(self.layer, tuple(self._viewer.dims.point))

    def _follow(self, name: str) -> None:
        if name in self._viewer.layers and isinstance(self._viewer.layers[name], Image):
            self.chooser.choose(self._viewer.layers[name])

    def _on_chosen(self) -> None:
        layer = self.layer
        self._session.choose_image(layer.name if layer is not None else "")
        self.describe()
        self.changed.emit()

    def describe(self) -> None:
        """Say what the chosen layer is, or what is wrong with it."""
        self.voxel_size.hide()
        self.split.hide()
        self._index = ()
        if self.layer is None:
            self.message.say("")
            return
        facts = self._file_facts(self.layer)
        self.split.setVisible(channel_axis(self.layer, facts) is not None)
        try:
            source = self.source()
        except ValueError as error:
            self.message.say(str(error), warning=True)
            return
        self._index = source.index
        size = " × ".join(str(n) for n in source.shape)
        step = " × ".join(f"{s:.4g}" for s in source.placement.spacing)
        if source.placement.is_known:
            self.message.say(f"{size} voxels of {step} µm (z, y, x). {self.frame}".rstrip(". "))
            return
        stated = None if facts is None else facts.spacing
        origin = "The file says" if stated else "Enter it here"
        self.message.say(
            f"{size} voxels. {self.frame} The layer has no voxel size: 1 µm is taken. {origin}:",
            warning=True,
        )
        self.voxel_size.offer(stated or (1.0, 1.0, 1.0))

    @property
    def frame(self) -> str:
        """Which frame or channel the sliders choose, as a sentence; "" for a plain stack."""
        layer = self.layer
        if layer is None or not self._index:
            return ""
        sizes = layer.data.shape[: len(self._index)]
        return frame_words(self._index, sizes, axis_kinds(layer, self._file_facts(layer)))

    def _on_slider(self) -> None:
        layer = self.layer
        if layer is None or not self._index:
            return
        if frame_index(layer, tuple(self._viewer.dims.point)) != self._index:
            self.describe()
            self.changed.emit()

    def _file_facts(self, layer: Image) -> StackInfo | None:
        try:
            return file_facts(layer)
        except (OSError, ValueError) as error:
            show_error(str(error))
            return None

    def _split_channels(self) -> None:
        layer = self.layer
        if layer is None:
            return
        facts = self._file_facts(layer)
        axis = channel_axis(layer, facts)
        if facts is None or axis is None:
            return
        parts = [
            self._viewer.add_image(data, colormap=colour, blending="additive", **options)
            for (data, options), colour in zip(
                channel_layers(layer, axis, facts.spacing), cycle(_COLOURS), strict=False
            )
        ]
        layer.visible = False
        self.chooser.choose(parts[0])
        self._viewer.reset_view()

    def _apply_voxel_size(self, size: tuple[float, float, float]) -> None:
        layer = self.layer
        if layer is None:
            return
        # Labels of the same shape belong to the image and would no longer lie on it.
        shape = layer.data.shape[-3:]
        for other in [*self._viewer.layers]:
            same = isinstance(other, (Image, Labels)) and other.data.shape[-3:] == shape
            if other is layer or (same and all(other.scale == 1.0)):
                other.scale = (*other.scale[:-3], *size)
                other.units = (*other.units[:-3], "um", "um", "um")
        self._viewer.reset_view()
        self.describe()
        self.changed.emit()


class VoxelSizeEditor(QWidget):
    """Three lengths in um and a button."""

    applied = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        # Below each other: side by side they would widen the dock by a fifth.
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        self.fields = []
        for axis in "zyx":
            field = QDoubleSpinBox()
            field.setRange(0.0001, 1000.0)
            field.setDecimals(4)
            field.setToolTip(f"Voxel size along {axis} in µm")
            field.setSuffix(" µm")
            field.setAccessibleName(f"Voxel size along {axis} in micrometres")
            form.addRow(f"Size in {axis}", field)
            self.fields.append(field)
        self.button = QPushButton("Apply")
        self.button.setToolTip("Set the scale of this layer, in µm")
        self.button.clicked.connect(self._apply)
        form.addRow("", self.button)
        self.hide()

    def offer(self, size: tuple[float, float, float]) -> None:
        """Show the fields, filled in."""
        for field, length in zip(self.fields, size, strict=True):
            field.setValue(length)
        self.show()

    def _apply(self) -> None:
        self.applied.emit(tuple(field.value() for field in self.fields))
