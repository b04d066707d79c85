"""Where layers lie in space, and how a layer becomes a stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.region import Region, whole

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_deltamic.imaging import ImageStack


@dataclass(frozen=True, eq=False)
class Placement:
    """How um of a stack map to napari's world, along the layer's last three axes.

    Attributes
    ----------
    spacing, origin
        (3,) voxel size and centre of voxel (0, 0, 0) in um.
    um_per_unit
        (3,) um in one unit of the layer's axes.
    affine
        (4, 4) the layer's extra transform.
    units, axis_labels
        The layer's own, of the last three axes.
    is_known
        False where the layer has neither a scale nor a unit, so that the voxel size is a guess.
    """

    spacing: NDArray[np.float64]
    origin: NDArray[np.float64]
    um_per_unit: NDArray[np.float64]
    affine: NDArray[np.float64]
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]
    is_known: bool

    @property
    def mesh_unit(self) -> float:
        """In um, what 1 stands for in the data of surfaces, points and lines that lie here.

        napari's sliders step by the smallest scale of all layers, which is to be that of the
        image: so this is no less than any side of a voxel. It is 1 for voxels of up to 1 um.
        """
        return max(1.0, float(self.spacing.max()))

    def layer_options(self, spacing: Any = None, origin: Any = (0.0, 0.0, 0.0)) -> dict[str, Any]:
        """Return the arguments that place a layer whose data coordinates are these in um.

        By default those of a surface with vertices in :attr:`mesh_unit`; for an image give its
        voxel size and the centre of its first voxel.
        """
        spacing = np.full(3, self.mesh_unit) if spacing is None else np.asarray(spacing)
        return {
            "scale": spacing / self.um_per_unit,
            "translate": np.asarray(origin) / self.um_per_unit,
            "affine": self.affine,
            "units": self.units,
            "axis_labels": self.axis_labels,
        }


def put(layer: Layer, options: dict[str, Any]) -> None:
    """Place a layer that is there already, by the arguments that would place a new one."""
    for name, value in options.items():
        setattr(layer, name, value)


def placement_of(layer: Layer) -> Placement:
    """Return where a layer's last three axes lie.

    Raises
    ------
    ValueError
        If the layer has fewer than three axes, is rotated or sheared, mirrored, or measures space
        in something that is not a length.
    """
    name = layer.name
    if layer.ndim < 3:
        raise ValueError(
            f"layer {name!r} has {layer.ndim} axes, a flat image; a stack (z, y, x) is needed: "
            "open all planes as one file, or select their layers, right-click and choose Merge to "
            "Stack"
        )
    if not np.allclose(layer.rotate, np.eye(layer.ndim)) or np.any(np.asarray(layer.shear)):
        raise ValueError(
            f"layer {name!r} is rotated or sheared; reset its transform or resample it first"
        )
    um_per_unit = np.array([_um_per_unit(unit, name) for unit in layer.units[-3:]])
    scale = np.asarray(layer.scale[-3:], dtype=np.float64)
    if (scale <= 0).any():
        raise ValueError(f"layer {name!r} has the scale {scale}; voxel sizes must be positive")
    in_pixels = all(str(unit) in ("pixel", "dimensionless") for unit in layer.units[-3:])
    return Placement(
        spacing=scale * um_per_unit,
        origin=np.asarray(layer.translate[-3:], dtype=np.float64) * um_per_unit,
        um_per_unit=um_per_unit,
        affine=np.asarray(layer.affine.affine_matrix, dtype=np.float64)[-4:, -4:],
        units=tuple(layer.units[-3:]),
        axis_labels=tuple(layer.axis_labels[-3:]),
        is_known=not (in_pixels and np.all(scale == 1.0)),
    )


def _um_per_unit(unit: Any, name: str) -> float:
    if str(unit) in ("pixel", "dimensionless"):
        return 1.0
    try:
        return float((1.0 * unit).to("micrometer").magnitude)
    except Exception:
        raise ValueError(
            f"layer {name!r} measures space in {unit}; give its axes a unit of length"
        ) from None


@dataclass(frozen=True, eq=False)
class StackSource:
    """A stack within a layer's data, with its place; nothing is read before :meth:`load`.

    Attributes
    ----------
    name
        Of the layer.
    data
        (..., Z, Y, X) the layer's data, which may read their parts on demand.
    placement
        Where the stack lies.
    index
        The frame or channel: a number along each axis of the data before the last three.
    region
        Which part of it the stack is; None takes all.
    """

    name: str
    data: Any
    placement: Placement
    index: tuple[int, ...] = ()
    region: Region | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        z, y, x = self.data.shape[-3:]
        if self.region is None:
            return int(z), int(y), int(x)
        z, y, x = (part.stop - part.start for part in self.region)
        return z, y, x

    def read(self, region: Region | None = None) -> NDArray[Any]:
        """Return (Z, Y, X) values, of a part of the stack or of all; may read from disk."""
        ends = self.region or whole(self.shape)
        part = ends if region is None else _within(ends, region)
        return np.asarray(self.data[(*self.index, *part)])

    def load(self) -> ImageStack:
        """Return the stack; may read from disk, and raises ValueError for NaN and the like."""
        from napari_deltamic.imaging import ImageStack

        return ImageStack(self.read(), self.placement.spacing, self.placement.origin)

    def cropped(self, region: Region) -> StackSource:
        """Return a part of the stack, where it lies."""
        first = [part.start for part in region]
        place = self.placement
        moved = replace(place, origin=place.origin + place.spacing * first)
        kept = _within(self.region or whole(self.shape), region)
        return replace(self, placement=moved, region=kept)


def _within(outer: Region, inner: Region) -> Region:
    """Return a region of a region, counted as the outer one is."""
    z, y, x = (
        slice(a.start + b.start, a.start + b.stop) for a, b in zip(outer, inner, strict=True)
    )
    return z, y, x


def stack_source(layer: Layer, point: tuple[float, ...] = ()) -> StackSource:
    """Return the stack of an Image or Labels layer at the sliders' position.

    Parameters
    ----------
    layer
        An Image or Labels layer with at least three axes; the last three are space.
    point
        The viewer's position in world coordinates; its axes that the layer has beyond three choose
        the frame or channel.

    Raises
    ------
    ValueError
        If the layer is RGB or has fewer than three axes; see also :func:`placement_of`.
    """
    if getattr(layer, "rgb", False):
        raise ValueError(
            f"layer {layer.name!r} is a colour (RGB) image; right-click on it in the layer list, "
            "choose Split RGB, and take the channel that holds the dye"
        )
    placement = placement_of(layer)
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    if min(data.shape[-3:]) < 2:
        raise ValueError(
            f"layer {layer.name!r} has the shape {tuple(map(int, data.shape))}, one voxel along an "
            "axis of space; a stack of several planes is needed"
        )
    return StackSource(layer.name, data, placement, frame_index(layer, point))


def frame_index(layer: Layer, point: tuple[float, ...]) -> tuple[int, ...]:
    """Return which frame or channel the sliders show: a number along each axis but the last three.

    Parameters
    ----------
    layer
        With three axes or more.
    point
        As of :func:`stack_source`.
    """
    leading = layer.ndim - 3
    if not leading:
        return ()
    shape = layer.data[0].shape if getattr(layer, "multiscale", False) else layer.data.shape
    position = np.asarray((0.0,) * layer.ndim + tuple(point))[-layer.ndim :][:leading]
    index = np.rint((position - layer.translate[:leading]) / layer.scale[:leading])
    last = np.array(shape[:leading]) - 1
    return tuple(int(number) for number in np.clip(index, 0, last))
