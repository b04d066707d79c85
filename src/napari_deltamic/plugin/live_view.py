"""What a viewer shows of a session: the fitted surface, its rendering and its outline."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget

from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.mesh_layers import mesh_metadata, surface_data, surface_options
from napari_deltamic.plugin.outline import Outline
from napari_deltamic.plugin.preview import PREVIEW_VOXELS_2D, PREVIEW_VOXELS_3D, Preview
from napari_deltamic.plugin.session import Session

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image, Layer, Surface
    from napari.viewer import Viewer

    from napari_deltamic.fitting import FitResult, FitState
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.spatial import Placement

UPDATES_PER_SECOND = 12
MESH_LAYER = "Fitted mesh"
RENDERING_LAYER = "Rendering"

_views: dict[int, LiveView] = {}


def live_view_of(viewer: Viewer) -> LiveView:
    """Return the view, with its session, that all docks of a viewer share."""
    # Docks get a proxy of the viewer, each its own.
    real = getattr(viewer, "__wrapped__", viewer)
    view = _views.get(id(real))
    if view is None:
        view = _views[id(real)] = LiveView(real)
    return view


class LiveView(QObject):
    """Brings a session's fit into a viewer's layers, a few times a second, on the GUI thread."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.session = Session()
        self.outline = Outline(viewer)
        self._viewer = viewer
        self._key = id(viewer)
        self._surface: Surface | None = None
        self._faces: Any = None
        self._shading = "smooth"
        self._rendering: Image | None = None
        self._bins: tuple[int, int, int] = (1, 1, 1)
        self._window: QWidget | None = None
        self._window_is_closing = False
        self._timer = QTimer(self)
        self._timer.setInterval(1000 // UPDATES_PER_SECOND)
        self._timer.timeout.connect(self.session.poll)
        self.session.started.connect(self._on_started)
        self.session.phase_changed.connect(self._on_phase)
        self.session.advanced.connect(self._on_state)
        self.session.previewed.connect(self._show_preview)
        self.session.finished.connect(self._on_finished)
        self.session.failed.connect(self._on_failed)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shut_down)

    def watch(self, window: QWidget) -> None:
        """Stop the fit when this window is closed; docks call it once they are in it."""
        if window is not self._window:
            self._window = window
            window.installEventFilter(self)
            window.destroyed.connect(self.shut_down)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Notice that the window was closed; the user may still have cancelled a mere request."""
        if watched is self._window:
            if event.type() == QEvent.Type.Close:
                self._window_is_closing = True
            elif event.type() == QEvent.Type.Hide and self._window_is_closing:
                self.shut_down()
            elif event.type() in (QEvent.Type.Show, QEvent.Type.WindowActivate):
                self._window_is_closing = False
        return False

    def shut_down(self) -> None:
        """Stop the fit, wait for its thread and forget the viewer."""
        if _views.pop(self._key, None) is None:
            return
        self._timer.stop()
        self.session.close()
        self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        self.outline.close()
        self._surface = self._rendering = self._window = None
        del self._viewer

    def _on_phase(self, phase: Phase) -> None:
        if phase.is_over:
            self._timer.stop()
            if self._surface is not None:
                self._surface.shading = self._shading

    def _on_started(self) -> None:
        self._limit_previews()
        layers = self._viewer.layers
        self._surface = _named(MESH_LAYER, layers)
        self._rendering = _named(RENDERING_LAYER, layers)
        self._faces = None
        if self._surface is not None:
            self._shading = str(self._surface.shading)
            # Normals cost more to compute than all the rest of an update.
            self._surface.shading = "none"
        self._timer.start()

    def _limit_previews(self) -> None:
        if self.session.worker is not None:
            self.session.worker.preview_voxels = (
                PREVIEW_VOXELS_3D if self._viewer.dims.ndisplay == 3 else PREVIEW_VOXELS_2D
            )

    def _on_ndisplay(self) -> None:
        self._limit_previews()
        if self._surface is not None:
            self._surface.visible = self._viewer.dims.ndisplay == 3

    @property
    def _placement(self) -> Placement:
        source = self.session.source
        assert source is not None
        return source.placement

    def _on_state(self, state: FitState) -> None:
        self._show_mesh(state.mesh)

    def _show_mesh(self, mesh: TriangleMesh) -> None:
        self.outline.show(mesh, self._placement)
        if self._surface is None or self._surface not in self._viewer.layers:
            self._faces = None
            # In 2D a surface layer shows stray triangles; there the outline shows the mesh.
            options = surface_options(mesh) | {
                "shading": "none",
                "visible": self._viewer.dims.ndisplay == 3,
            }
            self._surface = self._viewer.add_surface(
                surface_data(mesh), name=MESH_LAYER, **options, **self._placement.layer_options()
            )
        elif self._faces is not None and np.array_equal(mesh.faces, self._faces):
            self._surface.vertices = mesh.vertices.astype(np.float32)
            return
        else:
            self._surface.data = surface_data(mesh)
            self._surface.metadata |= mesh_metadata(mesh)
            if self._faces is None:
                self._surface.contrast_limits = surface_options(mesh)["contrast_limits"]
                _place(self._surface, self._placement.layer_options())
        self._faces = mesh.faces

    def _show_preview(self, preview: Preview) -> None:
        placement, bins = self._placement, np.array(preview.bins)
        options = placement.layer_options(
            placement.spacing * bins, placement.origin + placement.spacing * (bins - 1) / 2
        )
        if self._rendering is None or self._rendering not in self._viewer.layers:
            limits = self._image_contrast(preview)
            active = self._viewer.layers.selection.active
            self._rendering = self._viewer.add_image(
                preview.image,
                name=RENDERING_LAYER,
                colormap="magenta",
                blending="additive",
                contrast_limits=limits,
                **options,
            )
            self._below_the_meshes(active)
        else:
            self._rendering.data = preview.image
            if preview.bins != self._bins or not np.allclose(
                self._rendering.translate, options["translate"]
            ):
                _place(self._rendering, options)
        self._bins = preview.bins

    def _image_contrast(self, preview: Preview) -> tuple[float, float]:
        """Return the limits of the image that is fitted, so that both look alike."""
        source = self.session.source
        if source is not None and source.name in self._viewer.layers:
            low, high = self._viewer.layers[source.name].contrast_limits
        else:
            low, high = float(preview.image.min()), float(preview.image.max())
        return float(low), max(float(high), float(low) + 1e-6)

    def _below_the_meshes(self, active: Layer | None) -> None:
        layers = self._viewer.layers
        for name in (MESH_LAYER, Outline.LAYER):
            if name in layers:
                layers.move(layers.index(layers[name]), len(layers))
        layers.selection.active = active

    def _on_finished(self, result: FitResult | None) -> None:
        if result is None:
            return
        self._show_mesh(result.mesh)
        self._show_preview(Preview(result.image, (1, 1, 1)))
        for warning in result.warnings:
            show_warning(warning)

    def _on_failed(self, message: str) -> None:
        show_error(f"The fit failed: {message}")


def _named(name: str, layers: LayerList) -> Any:
    return next((layer for layer in layers if layer.name == name), None)


def _place(layer: Any, options: dict[str, Any]) -> None:
    for name, value in options.items():
        setattr(layer, name, value)


@atexit.register
def _stop_all() -> None:
    # A thread left running while the interpreter shuts down may crash it.
    for view in list(_views.values()):
        view.session.close()
