"""What the plugin adds to napari's File and Layers menus, besides its docks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import napari
import numpy as np
from napari.layers import Image, Surface
from napari.utils.notifications import show_error, show_info
from numpy.typing import NDArray

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.live_view import LiveView, live_view_of
from napari_deltamic.plugin.mesh_layers import mesh_from_layer
from napari_deltamic.plugin.preview import IS_RENDERING
from napari_deltamic.plugin.seed_points import add_seed_points, first_radius
from napari_deltamic.plugin.spatial import Placement, placement_of, stack_source

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_deltamic.mesh import TriangleMesh

# Of the grid around a mesh that lies on no image: voxels along its longest side, and beyond it.
_ACROSS, _BEYOND = 64, 8


class Grid(NamedTuple):
    """Voxels to render on."""

    shape: tuple[int, int, int]
    placement: Placement


def seed_points() -> None:
    """Add a Points layer on the chosen image, to click on the centre of each cell."""
    _try(_add_points)


def render_mesh() -> None:
    """Add the image that the selected mesh gives through the microscope."""
    _try(_render)


def labels_from_mesh() -> None:
    """Add a Labels layer of which voxels lie in which region of the selected mesh."""
    _try(_label)


def _try(action: Callable[[Viewer, LiveView], None]) -> None:
    viewer = napari.current_viewer()
    try:
        if viewer is None:
            raise ValueError("there is no viewer: open one first")
        action(viewer, live_view_of(viewer))
    except ValueError as error:
        show_error(str(error))


def _add_points(viewer: Viewer, view: LiveView) -> None:
    image = _image(viewer, view)
    if image is None:
        raise ValueError("seed points: open the image first, so that the points lie on it")
    source = stack_source(image, tuple(viewer.dims.point))
    add_seed_points(viewer, source.placement, first_radius(source))
    show_info(
        "Click on the centre of each cell, moving the slider as needed; then Layers > Segment > "
        "deltaMic: Seed mesh makes a sphere at each."
    )


def _render(viewer: Viewer, view: LiveView) -> None:
    surface = _surface(viewer, "render a mesh")
    mesh, grid = mesh_from_layer(surface), _grid(viewer, view, surface)
    psf, label = view.session.psf_for(grid.placement), view.session.settings.label

    def image() -> NDArray[np.float32]:
        from napari_deltamic.imaging import render

        return render(
            mesh,
            psf.make(),
            grid.shape,
            grid.placement.spacing,
            grid.placement.origin,
            membrane=0.0 if label == "interior" else 1.0,
            interior=0.0 if label == "membrane" else 1.0,
        )

    def add(rendering: NDArray[np.float32]) -> None:
        viewer.add_image(rendering, name=f"{surface.name} (rendered)", **_placed(grid))
        marked = {"membrane": "membranes", "interior": "interiors"}.get(label, "both")
        show_info(
            f"Rendered with marked {marked}, as the last fit, and this blur: {psf.summary()}. "
            "The PSF designer changes it."
        )

    BackgroundTask(view).run(image, add)


def _label(viewer: Viewer, view: LiveView) -> None:
    surface = _surface(viewer, "labels from a mesh")
    mesh, grid = mesh_from_layer(surface), _grid(viewer, view, surface)

    def labels() -> NDArray[np.int32]:
        from napari_deltamic.mesh import voxelise

        return voxelise(mesh, grid.shape, grid.placement.spacing, grid.placement.origin)

    def add(found: NDArray[np.int32]) -> None:
        viewer.add_labels(found, name=f"{surface.name} (labels)", **_placed(grid))

    BackgroundTask(view).run(labels, add)


def _surface(viewer: Viewer, what: str) -> Surface:
    """Return the selected mesh, or the only one."""
    active = viewer.layers.selection.active
    if isinstance(active, Surface):
        return active
    surfaces = _of_type(viewer, Surface)
    if not surfaces:
        raise ValueError(
            f"{what}: there is no Surface layer; make a seed mesh, run a fit or open a mesh file"
        )
    if len(surfaces) > 1:
        raise ValueError(f"{what}: select one of the Surface layers in the layer list first")
    return surfaces[0]


def _image(viewer: Viewer, view: LiveView) -> Image | None:
    """Return the image that the docks work on, or the newest."""
    images = _of_type(viewer, Image)
    chosen = [image for image in images if image.name == view.session.image_name]
    return (chosen or images or [None])[-1]


def _of_type(viewer: Viewer, kind: type[Layer]) -> list[Any]:
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, kind) and IS_RENDERING not in layer.metadata
    ]


def _grid(viewer: Viewer, view: LiveView, surface: Surface) -> Grid:
    """Return the voxels of the image, or a box about the mesh where there is none."""
    image = _image(viewer, view)
    if image is None:
        return _grid_about(mesh_from_layer(surface), placement_of(surface))
    source = stack_source(image, tuple(viewer.dims.point))
    return Grid(source.shape, source.placement)


def _grid_about(mesh: TriangleMesh, placement: Placement) -> Grid:
    lower, upper = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    step = max(float((upper - lower).max()) / _ACROSS, 1e-6)
    z, y, x = (int(n) for n in np.ceil((upper - lower) / step) + 1 + 2 * _BEYOND)
    spacing = np.full(3, step)
    return Grid((z, y, x), replace(placement, spacing=spacing, origin=lower - _BEYOND * step))


def _placed(grid: Grid) -> dict[str, Any]:
    return grid.placement.layer_options(grid.placement.spacing, grid.placement.origin)
