"""What a compressive model makes of an image, as layers that lie on the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.plugin.preview import IS_RENDERING

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_deltamic.compressive import Simulation
    from napari_deltamic.plugin.spatial import Placement

# In the metadata of images that were reconstructed, which nobody wants to train on.
IS_COMPRESSED = "napari_deltamic_compressed"


def add_comparison(
    viewer: Viewer,
    name: str,
    placement: Placement,
    found: Simulation,
    binning: int,
    marked: NDArray[np.bool_] | None = None,
) -> Image:
    """Add the reconstruction, its rivals and its frames; return the reconstruction's layer.

    Parameters
    ----------
    viewer
        Where to.
    name
        Of the image.
    placement
        Where the image lies.
    found
        What was simulated.
    binning
        Voxels along each side of a camera pixel.
    marked
        (Z, Y, X) what the model finds in the image, if it was trained to.
    """
    place = placement.layer_options(placement.spacing, placement.origin)
    _, rows, columns = found.truth.shape
    # The frames of whole fields reach beyond the image, where there is nothing to see.
    frames = found.frames[..., : -(-rows // binning), : -(-columns // binning)]
    viewer.add_image(
        frames,
        name=f"{name} frames",
        visible=False,
        metadata={IS_RENDERING: True},
        contrast_limits=(0.0, max(float(frames.max()), 1e-6)),
        **frames_options(placement, binning),
    )
    own = {"contrast_limits": (0.0, 1.0), "metadata": {IS_COMPRESSED: True}, **place}
    viewer.add_image(found.interpolated, name=f"{name} interpolated", visible=False, **own)
    layer = viewer.add_image(found.reconstruction, name=f"{name} compressed", **own)
    if marked is not None:
        viewer.add_labels(marked.astype(np.uint8), name=f"{name} found", **place)
    return layer


def frames_options(placement: Placement, binning: int) -> dict[str, Any]:
    """Return the arguments that put (T, Z, Y / d, X / d) frames onto their image.

    Their first pixel is as large as d x d voxels, whose middle is half of d - 1 voxels inwards.
    """
    step = placement.spacing * (1, binning, binning)
    inwards = 0.5 * (binning - 1) * placement.spacing * (0, 1, 1)
    options = placement.layer_options(step, placement.origin + inwards)
    affine = np.eye(5)
    affine[1:, 1:] = options["affine"]
    return {
        "scale": (1.0, *options["scale"]),
        "translate": (0.0, *options["translate"]),
        "affine": affine,
        "units": ("pixel", *options["units"]),
        "axis_labels": ("pattern", *options["axis_labels"]),
    }
