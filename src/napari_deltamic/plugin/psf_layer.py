"""A PSF as a layer, in the middle of the image that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deltamic.plugin.preview import IS_RENDERING

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.plugin.psf_drawing import Volume
    from napari_deltamic.plugin.spatial import StackSource


def add_psf_layer(viewer: Viewer, name: str, found: Volume, source: StackSource | None) -> None:
    """Add an Image layer.

    Parameters
    ----------
    viewer
        Where to.
    name
        Of the layer.
    found
        The PSF's voxels.
    source
        The image in whose middle it can be seen; None puts it about the origin.
    """
    half = [step * (n // 2) for n, step in zip(found.voxels.shape, found.steps, strict=True)]
    options: dict[str, object] = {
        "scale": found.steps,
        "translate": [-length for length in half],
        "units": ("um",) * 3,
    }
    if source is not None:
        placement = source.placement
        middle = [
            first + 0.5 * step * (n - 1)
            for first, step, n in zip(
                placement.origin, placement.spacing, source.shape, strict=True
            )
        ]
        origin = [at - length for at, length in zip(middle, half, strict=True)]
        options = placement.layer_options(found.steps, origin)
    viewer.add_image(
        found.voxels,
        name=name,
        colormap="inferno",
        blending="additive",
        contrast_limits=(0.0, 1.0),
        metadata={IS_RENDERING: True},
        **options,
    )
