"""The *Seed mesh* dock: a first surface near each object, from points, labels or the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from napari.layers import Labels, Points
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.cell_finder import CellFinder, Markers, found_markers, mesh_of_labels
from napari_deltamic.plugin.detail import explained_by_walls, suggested_detail
from napari_deltamic.plugin.finder_pages import InteriorPage, MarkerRows, MembranePage
from napari_deltamic.plugin.fold import Fold
from napari_deltamic.plugin.image_chooser import ImageChooser
from napari_deltamic.plugin.label_preview import PREVIEW_LAYER, LabelPreview
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.seed_points import add_seed_points, first_radius
from napari_deltamic.plugin.spatial import Placement, StackSource, placement_of, put, stack_source
from napari_deltamic.plugin.widgets import Dock, LayerChooser, MessageLabel, count_of, length_field

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.mesh import TriangleMesh

POINTS, LABELS, IMAGE = "Spheres at points", "Labels layer", "The image, by threshold"
MEMBRANES = "Membranes (watershed)"
MESH_LAYER, MARKERS_LAYER = "Seed mesh", "Cell markers"
# Diameter of a lone marker, as a part of the stack's longest side.
_MARKER_SIZE = 0.1
# Diameter of markers, as a part of the typical way from one to the next.
_MARKER_PART = 0.4


class Search(NamedTuple):
    """What is sought in an image, with all that a thread needs for it."""

    source: StackSource
    finder: CellFinder
    markers: Markers
    image: tuple[object, ...]
    settings: tuple[object, ...]

    def labels(self) -> NDArray[np.int32]:
        """Return the labels of what is found."""
        return self.finder.labels(self.source.load(), self.markers)


class MadeSeed(NamedTuple):
    """What was made of an image, and how much of it the walls between the labels explain."""

    labels: NDArray[np.integer]
    mesh: TriangleMesh
    explained: float | None


class SeedDock(Dock):
    """Makes a Surface layer from which a fit can start."""

    made = Signal(object)
    """A mesh was made; emits the Detail that suits a fit from it."""

    def __init__(self, napari_viewer: Viewer, is_step: bool = False) -> None:
        view = live_view_of(napari_viewer)
        super().__init__(view, is_step=is_step)
        self._viewer = napari_viewer
        self._task = BackgroundTask(self)
        self._own_points: Points | None = None
        self._own_markers: Points | None = None
        self.preview = LabelPreview(napari_viewer)
        self.image = ImageChooser(napari_viewer, view.session)
        self.method = QComboBox()
        self.method.addItems([POINTS, LABELS, IMAGE, MEMBRANES])
        self.method.setToolTip("What tells where the objects are")
        self.pages = QStackedWidget()
        self.points = LayerChooser(napari_viewer, Points, "add points first")
        self.add_points = QPushButton("Add points by clicking")
        self.radius = length_field("Of each sphere; best a little smaller than the object")
        self.labels = LayerChooser(napari_viewer, Labels, "open or paint labels first")
        self.finders: dict[str, InteriorPage | MembranePage] = {
            IMAGE: InteriorPage(),
            MEMBRANES: MembranePage(),
        }
        self.markers = MarkerRows(napari_viewer)
        self.button = QPushButton("Make seed mesh")
        self.message = MessageLabel()
        self.fold = Fold("Advanced")
        self._lay_out()
        self.image.changed.connect(self._on_image)
        self.method.currentIndexChanged.connect(self._on_method)
        self.add_points.clicked.connect(self._add_points)
        self.radius.valueChanged.connect(self._on_radius)
        self.markers.find_pressed.connect(lambda: self._try(self._find_markers))
        self.markers.preview_pressed.connect(lambda: self._try(self._show_labels))
        self.button.clicked.connect(lambda: self._try(self._make))
        self._task.busy_changed.connect(self._on_busy)
        self._task.failed.connect(self._refuse)
        self._on_image()
        self._on_method(0)

    def _lay_out(self) -> None:
        self.content.addWidget(self.image)
        form = QFormLayout()
        form.addRow("Seed from", self.method)
        self.content.addLayout(form)
        for rows in (
            (("Points", self.points), ("", self.add_points), ("Radius", self.radius)),
            (("Labels", self.labels),),
        ):
            page = QWidget()
            page_form = QFormLayout(page)
            page_form.setContentsMargins(0, 0, 0, 0)
            for title, widget in rows:
                page_form.addRow(title, widget)
            self.pages.addWidget(page)
        for page in self.finders.values():
            self.pages.addWidget(page)
        self.pages.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._pages_place = QVBoxLayout()
        self.content.addLayout(self._pages_place)
        self._pages_place.addWidget(self.pages)
        self.content.addWidget(self.fold)
        (self.fold if self.is_step else self.content).addWidget(self.markers)
        self.button.setMinimumHeight(30)
        self.button.setToolTip("Adds a Surface layer, from which the fit starts")
        self.content.addWidget(self.button)
        self.content.addWidget(self.message)
        self.image.setVisible(not self.is_step)
        self.message.is_elsewhere = self.is_step

    def _on_method(self, index: int) -> None:
        self.pages.setCurrentIndex(index)
        finds = self.method.currentText() in self.finders
        self.markers.setVisible(finds)
        # Finders do without their settings; points and labels have to be chosen.
        is_folded = finds and self.is_step
        self.fold.setVisible(is_folded)
        (self.fold.content().layout() if is_folded else self._pages_place).insertWidget(
            0, self.pages
        )

    def _on_image(self) -> None:
        try:
            source = self.image.source()
        except ValueError:
            return
        longest = float((source.placement.spacing * source.shape).max())
        # A mesh far larger than the stack would need more memory than there is.
        self.radius.setMaximum(0.5 * longest)
        self.radius.setValue(first_radius(source))

    def _add_points(self) -> None:
        try:
            placement = self.image.source().placement
        except ValueError as error:
            self._refuse(str(error))
            show_error(str(error))
            return
        self._own_points = add_seed_points(self._viewer, placement, self.radius.value())
        self.points.choose(self._own_points)
        self.message.say("Click on the centre of each object, moving the slider as needed.")

    def _on_radius(self, radius: float) -> None:
        """Draw the points as large as the spheres will be."""
        layer = self._own_points
        if layer is not None:
            layer.size = layer.current_size = 2.0 * radius / placement_of(layer).mesh_unit

    def _try(self, action: Callable[[], None]) -> None:
        """Do what a button asks for, and say what is missing."""
        try:
            action()
        except ValueError as error:
            self._refuse(str(error))
            show_error(str(error))

    @property
    def is_busy(self) -> bool:
        """Whether something is being found or made."""
        return self._task.is_busy

    def _search(self) -> Search:
        """Return what the widgets now say is to be found."""
        source = self.image.source()
        finder = self.finders[self.method.currentText()].finder()
        layer = self.markers.chosen()
        markers = None if layer is None else self._positions(layer)
        frame = tuple(round(place) for place in self._viewer.dims.point[:-3])
        place = (*source.placement.spacing.tolist(), *source.placement.origin.tolist())
        settings = finder, None if markers is None else markers.tobytes()
        return Search(source, finder, markers, (source.name, source.shape, place, frame), settings)

    def _find_markers(self) -> None:
        search = self._search_without_markers()

        def find() -> NDArray[np.float64]:
            return found_markers(search.finder, search.source.load())

        self._task.run(find, lambda points: self._show_markers(points, search.source))

    def _search_without_markers(self) -> Search:
        self.markers.use.setChecked(False)
        return self._search()

    def _show_markers(self, points: NDArray[np.float64], source: StackSource) -> None:
        placement = source.placement
        layer, unit = self._own_markers, placement.mesh_unit
        size = _marker_size(points, float((placement.spacing * source.shape).max())) / unit
        if layer is None or layer not in self._viewer.layers:
            layer = self._own_markers = self._viewer.add_points(
                points / unit,
                name=MARKERS_LAYER,
                size=size,
                face_color="white",
                border_color="black",
                projection_mode="rescale_spherical",
                **placement.layer_options(),
            )
        else:
            layer.data = points / unit
            layer.selected_data = set()
            put(layer, placement.layer_options())
            layer.size = size
        # Of those that the user adds.
        layer.current_size = size
        self.markers.take(layer)
        self.message.say(
            f"{count_of(len(points), 'marker')}, each in the middle of its cell. Add, drag or "
            f"delete some in the layer {layer.name!r}, then preview the labels."
        )

    def _show_labels(self) -> None:
        search = self._search()
        self._task.run(search.labels, lambda labels: self._on_labels(labels, search))

    def _on_labels(self, labels: NDArray[np.int32], search: Search) -> None:
        self.preview.show(labels, search.source.placement, search.image, search.settings)
        layers, markers = self._viewer.layers, self._own_markers
        if markers is not None and markers in layers:
            layers.move(layers.index(markers), len(layers))
        count = len(np.unique(labels[labels > 0]))
        self.message.say(
            f"{count_of(count, 'cell')} in the layer {PREVIEW_LAYER!r}. Paint there to mend them, "
            "or change the markers and preview again. Then make the mesh."
        )

    def _make(self) -> None:
        method = self.method.currentText()
        if method in self.finders:
            self._make_from_image()
            return
        source = self.image.source()
        function = self._from_points(source) if method == POINTS else self._from_labels(source)

        def add(mesh: TriangleMesh) -> None:
            self._view.session.finder = None
            self._add(mesh, source)

        self._task.run(function, add)

    def _make_from_image(self) -> None:
        search = self._search()
        placement, method = search.source.placement, self.method.currentText()
        shown = self.preview.labels(search.image, search.settings)

        def from_image() -> MadeSeed:
            stack = search.source.load()
            labels = search.finder.labels(stack, search.markers) if shown is None else shown
            mesh = mesh_of_labels(labels, placement.spacing, placement.origin)
            # Of interiors there is no wall to see.
            has_walls = method == MEMBRANES
            return MadeSeed(labels, mesh, explained_by_walls(stack, labels) if has_walls else None)

        def add(made: MadeSeed) -> None:
            if shown is None:
                self.preview.show(made.labels, placement, search.image, search.settings)
            # The outline of the mesh is to be seen now.
            self.preview.hide()
            self._view.session.finder = search.finder
            self._add(made.mesh, search.source, made.explained)

        self._task.run(from_image, add)

    def _from_points(self, source: StackSource) -> Callable[[], TriangleMesh]:
        """Return what makes spheres, with all that it needs taken from the widgets now."""
        layer, radius = self.points.layer, self.radius.value()
        if layer is None or len(layer.data) == 0:
            raise ValueError("add points first: one at the centre of each object")
        centers = self._positions(layer)

        def from_points() -> TriangleMesh:
            from napari_deltamic.mesh import seed_spheres

            return seed_spheres(centers, radius)

        return from_points

    def _positions(self, layer: Points) -> NDArray[np.float64]:
        """Return (N, 3) in um the points of a layer, of a time series those of this frame."""
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

    def _from_labels(self, source: StackSource) -> Callable[[], TriangleMesh]:
        labels, place = self._labels(source)
        return lambda: mesh_of_labels(labels.read(), place.spacing, place.origin)

    def _labels(self, source: StackSource) -> tuple[StackSource, Placement]:
        layer = self.labels.layer
        if layer is None:
            raise ValueError("choose a Labels layer: paint or open one first")
        labels = stack_source(layer, tuple(self._viewer.dims.point))
        if labels.shape == source.shape and not labels.placement.is_known:
            return labels, source.placement
        return labels, labels.placement

    def _add(self, mesh: TriangleMesh, source: StackSource, explained: float | None = None) -> None:
        placement = source.placement
        options = surface_options(mesh) | placement.layer_options()
        data = surface_data(mesh, placement.mesh_unit)
        seed = self._viewer.add_surface(data, name=MESH_LAYER, **options)
        self._view.show_seed(seed, mesh, placement)
        self._view.session.choose_mesh(seed.name)
        self.made.emit(suggested_detail(mesh.volumes(), placement.spacing, explained))
        touching = int((mesh.interfaces > 0).all(axis=1).sum())
        contacts = f", which share {count_of(touching, 'contact')}" if touching else ""
        low, high = (f"{float(f'{volume:.3g}'):g}" for volume in np.sort(mesh.volumes())[[0, -1]])
        self.message.say(
            f"{count_of(len(mesh.regions), 'surface')} of "
            f"{low if low == high else f'{low} to {high}'} µm³{contacts}."
            + ("" if self.is_step else " Next: the Fit dock.")
        )

    def _refuse(self, message: str) -> None:
        self.message.say(message, warning=True)

    def _on_busy(self, busy: bool) -> None:
        self.button.setEnabled(not busy)
        self.markers.set_busy(busy)
        self.message.say("Working..." if busy else "")


def _marker_size(points: NDArray[np.float64], longest: float) -> float:
    """Return a diameter in um for markers that are seen from far and yet apart."""
    if len(points) < 2:
        return _MARKER_SIZE * longest
    from scipy.spatial import cKDTree

    ways, _ = cKDTree(points).query(points, k=2)
    return _MARKER_PART * float(np.median(ways[:, 1]))
