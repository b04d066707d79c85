"""The *Seed mesh* dock: a first surface near each object, from points, labels or the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Points
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QWidget,
)

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.image_chooser import ImageChooser
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.spatial import Placement, StackSource, placement_of, stack_source
from napari_deltamic.plugin.widgets import AUTOMATIC, Dock, LayerChooser, MessageLabel, count_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.mesh import TriangleMesh

POINTS, LABELS, IMAGE = "Spheres at points", "Labels layer", "The image, by threshold"
POINTS_LAYER, MESH_LAYER = "Seed points", "Seed mesh"
# Radius of a first sphere, as a part of the stack's longest side.
_DEFAULT_RADIUS = 0.08


class SeedDock(Dock):
    """Makes a Surface layer from which a fit can start."""

    def __init__(self, napari_viewer: Viewer) -> None:
        view = live_view_of(napari_viewer)
        super().__init__(view)
        self._viewer = napari_viewer
        self._task = BackgroundTask(self)
        self._own_points: Points | None = None
        self.image = ImageChooser(napari_viewer, view.session)
        self.method = QComboBox()
        self.method.addItems([POINTS, LABELS, IMAGE])
        self.method.setToolTip("What tells where the objects are")
        self.pages = QStackedWidget()
        self.points = LayerChooser(napari_viewer, Points, "add points first")
        self.add_points = QPushButton("Add points by clicking")
        self.radius = _length_field("Of each sphere; best a little smaller than the object")
        self.labels = LayerChooser(napari_viewer, Labels, "open or paint labels first")
        self.threshold = QDoubleSpinBox()
        self.smallest = _length_field("Drop objects of a smaller volume (µm³)", automatic=True)
        self.smallest.setRange(0.0, 1e9)
        self.smallest.setSuffix(" µm³")
        self.split = QCheckBox("Split touching objects")
        self.button = QPushButton("Make seed mesh")
        self.message = MessageLabel()
        self._lay_out()
        self.image.changed.connect(self._on_image)
        self.method.currentIndexChanged.connect(self.pages.setCurrentIndex)
        self.add_points.clicked.connect(self._add_points)
        self.radius.valueChanged.connect(self._on_radius)
        self.button.clicked.connect(self._make)
        self._task.busy_changed.connect(self._on_busy)
        self._task.failed.connect(self._refuse)
        self._on_image()

    def _lay_out(self) -> None:
        self.threshold.setRange(0.0, 1e9)
        self.threshold.setDecimals(2)
        self.threshold.setSpecialValueText(AUTOMATIC)
        self.threshold.setToolTip(
            "Voxels above belong to objects. Automatic: Otsu's threshold, then each object is cut "
            "at half its own brightness."
        )
        self.split.setChecked(True)
        self.split.setToolTip("Cut objects in two where they are thin or dim")
        self.content.addWidget(self.image)
        form = QFormLayout()
        form.addRow("Seed from", self.method)
        self.content.addLayout(form)
        for rows in (
            (("Points", self.points), ("", self.add_points), ("Radius", self.radius)),
            (("Labels", self.labels),),
            (("Threshold", self.threshold), ("Smallest", self.smallest), ("", self.split)),
        ):
            page = QWidget()
            page_form = QFormLayout(page)
            page_form.setContentsMargins(0, 0, 0, 0)
            for title, widget in rows:
                page_form.addRow(title, widget)
            self.pages.addWidget(page)
        self.pages.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.content.addWidget(self.pages)
        self.button.setMinimumHeight(30)
        self.button.setToolTip("Adds a Surface layer; choose it in the Fit dock")
        self.content.addWidget(self.button)
        self.content.addWidget(self.message)

    def _on_image(self) -> None:
        try:
            source = self.image.source()
        except ValueError:
            return
        longest = float((source.placement.spacing * source.shape).max())
        # A mesh far larger than the stack would need more memory than there is.
        self.radius.setMaximum(0.5 * longest)
        self.radius.setValue(float(f"{_DEFAULT_RADIUS * longest:.2g}"))

    def _add_points(self) -> None:
        try:
            placement = self.image.source().placement
        except ValueError as error:
            self._refuse(str(error))
            show_error(str(error))
            return
        self._own_points = layer = self._viewer.add_points(
            ndim=3,
            name=POINTS_LAYER,
            size=2.0 * self.radius.value(),
            face_color="#ffff0055",
            border_color="yellow",
            projection_mode="rescale_spherical",
            **placement.layer_options(),
        )
        layer.mode = "add"
        self.points.choose(layer)
        self.message.say("Click on the centre of each object, moving the slider as needed.")

    def _on_radius(self, radius: float) -> None:
        """Draw the points as large as the spheres will be."""
        if self._own_points is not None:
            self._own_points.size = self._own_points.current_size = 2.0 * radius

    def _make(self) -> None:
        try:
            source = self.image.source()
            function = self._function(source)
        except ValueError as error:
            self._refuse(str(error))
            show_error(str(error))
            return
        self._task.run(function, lambda mesh: self._add(mesh, source))

    def _function(self, source: StackSource) -> Callable[[], TriangleMesh]:
        """Return what makes the mesh, with all that it needs taken from the widgets now."""
        method = self.method.currentText()
        if method == POINTS:
            centers, radius = self._centers(source), self.radius.value()

            def from_points() -> TriangleMesh:
                from napari_deltamic.mesh import seed_spheres

                return seed_spheres(centers, radius)

            return from_points
        if method == LABELS:
            labels, place = self._labels(source)

            def from_labels() -> TriangleMesh:
                from napari_deltamic.mesh import seed_from_labels

                return seed_from_labels(np.asarray(labels), place.spacing, place.origin)

            return from_labels
        threshold, smallest = self.threshold.value() or None, self.smallest.value() or None
        split = self.split.isChecked()

        def from_image() -> TriangleMesh:
            from napari_deltamic.imaging import seed_from_image

            return seed_from_image(
                source.load(), threshold=threshold, min_size=smallest, split_touching=split
            )

        return from_image

    def _centers(self, source: StackSource) -> NDArray[np.float64]:
        layer = self.points.layer
        if layer is None or len(layer.data) == 0:
            raise ValueError("add points first: one at the centre of each object")
        if layer.ndim < 3:
            raise ValueError(f"layer {layer.name!r} holds 2D points; add 3D points on the image")
        points, leading = np.asarray(layer.data, dtype=np.float64), layer.ndim - 3
        # Of a time series only the points of the frame that the sliders show.
        place = np.asarray((0.0,) * layer.ndim + tuple(self._viewer.dims.point))[-layer.ndim :]
        here = (place[:leading] - layer.translate[:leading]) / layer.scale[:leading]
        points = points[(np.abs(points[:, :leading] - here) <= 0.5).all(axis=1)][:, leading:]
        if len(points) == 0:
            raise ValueError(f"layer {layer.name!r} has no points in this frame")
        placement = placement_of(layer)
        return points * placement.spacing + placement.origin

    def _labels(self, source: StackSource) -> tuple[object, Placement]:
        layer = self.labels.layer
        if layer is None:
            raise ValueError("choose a Labels layer: paint or open one first")
        labels = stack_source(layer, tuple(self._viewer.dims.point))
        if labels.shape == source.shape and not labels.placement.is_known:
            return labels.data, source.placement
        return labels.data, labels.placement

    def _add(self, mesh: TriangleMesh, source: StackSource) -> None:
        placement = source.placement
        options = surface_options(mesh) | placement.layer_options()
        seed = self._viewer.add_surface(surface_data(mesh), name=MESH_LAYER, **options)
        self._view.show_seed(seed, mesh, placement)
        self._view.session.choose_mesh(seed.name)
        low, high = (f"{volume:.3g}" for volume in np.sort(mesh.volumes())[[0, -1]])
        self.message.say(
            f"{count_of(len(mesh.regions), 'surface')} of "
            f"{low if low == high else f'{low} to {high}'} µm³. Next: the Fit dock."
        )

    def _refuse(self, message: str) -> None:
        self.message.say(message, warning=True)

    def _on_busy(self, busy: bool) -> None:
        self.button.setEnabled(not busy)
        if busy:
            self.message.say("Making the mesh...")
        else:
            self.message.say("")


def _length_field(tip: str, *, automatic: bool = False) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setRange(0.0 if automatic else 0.001, 1e5)
    field.setDecimals(3)
    field.setSuffix(" µm")
    field.setToolTip(tip)
    if automatic:
        field.setSpecialValueText(AUTOMATIC)
    return field
