"""Sample data for File > Open Sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.notifications import show_info

from napari_deltamic.imaging import DATASETS, fetch
from napari_deltamic.imaging.samples import SampleLabel, make_sample
from napari_deltamic.mesh import read_mesh
from napari_deltamic.plugin import engine
from napari_deltamic.plugin.background import call_beside_gui
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.reading import LayerData

# Small enough to be made, and fitted, while the user watches; so flat that the middle plane, which
# napari shows first, cuts most cells.
GENERATED_SHAPE = (24, 96, 96)
EMBRYO_CELLS = 8
MOVIE_CELLS, MOVIE_FRAMES = 4, 5
_UM = ("um",) * 3
# Percentiles of the voxels that are drawn black and white.
_SHOWN = (1.0, 99.8)


def generated_cells() -> list[LayerData]:
    """Return generated cells with marked membranes, their truth and spheres to start from."""
    return _generated("membrane")


def generated_nuclei() -> list[LayerData]:
    """Return the same for marked interiors."""
    return _generated("interior")


def generated_embryo() -> list[LayerData]:
    """Return a generated embryo with marked membranes, its cells as labels and as surfaces."""
    from napari_deltamic.imaging import make_embryo

    _say_if_slow()
    embryo = call_beside_gui(lambda: make_embryo(cells=EMBRYO_CELLS))
    stack = embryo.stack
    place: dict[str, Any] = {"scale": stack.spacing, "translate": stack.origin, "units": _UM}
    truth = surface_options(embryo.truth) | {"name": "Truth", "visible": False, "units": _UM}
    labels = {"name": "True cells", "visible": False}
    return [
        (stack.data, place | {"name": "Generated embryo"}, "image"),
        (embryo.labels, place | labels, "labels"),
        (surface_data(embryo.truth), truth, "surface"),
    ]


def generated_embryo_movie() -> list[LayerData]:
    """Return a generated embryo whose cells move, over a few frames, and its cells as labels."""
    from napari_deltamic.imaging import make_embryo_movie

    _say_if_slow()
    movie = call_beside_gui(lambda: make_embryo_movie(cells=MOVIE_CELLS, frames=MOVIE_FRAMES))
    stack = movie.frames[0].stack
    place: dict[str, Any] = {
        "scale": (1.0, *stack.spacing),
        "translate": (0.0, *stack.origin),
        "units": ("pixel", *_UM),
    }
    labels = {"name": "True cells over time", "visible": False}
    return [
        (movie.data(), place | {"name": "Generated embryo over time"}, "image"),
        (movie.labels(), place | labels, "labels"),
    ]


def embryo_nuclei() -> list[LayerData]:
    """Return the nuclei of an 8-cell mouse embryo and their annotation."""
    return [
        _real("mouse_embryo_nuclei_8cell.tif", "Embryo nuclei"),
        _annotation("mouse_embryo_nuclei_8cell_labels.tif", "Embryo nuclei annotation"),
    ]


def ovule_membranes() -> list[LayerData]:
    """Return the cell walls of a plant ovule and their annotation."""
    return [
        _real("ovule_membrane.tif", "Ovule cell walls"),
        _annotation("ovule_membrane_labels.tif", "Ovule annotation"),
    ]


def celegans_membranes() -> list[LayerData]:
    """Return the membranes of a C. elegans embryo; its voxel size is not known."""
    return [_real("celegans_dub_t33_membrane.tif", "C. elegans membranes")]


def droplet_timelapse() -> list[LayerData]:
    """Return 21 frames of a droplet; its voxel size is not known."""
    return [_real("droplet_timelapse_21frames.tif", "Droplet")]


def branchoid() -> list[LayerData]:
    """Return a closed surface of branching tubes."""
    mesh = call_beside_gui(lambda: read_mesh(fetch("branchoid.ply")))
    options = surface_options(mesh) | {"name": "Branchoid", "units": _UM}
    return [(surface_data(mesh), options, "surface")]


def _generated(label: SampleLabel) -> list[LayerData]:
    _say_if_slow()
    sample = call_beside_gui(lambda: make_sample("cells", GENERATED_SHAPE, label=label))
    stack = sample.stack
    place: dict[str, Any] = {"scale": stack.spacing, "translate": stack.origin, "units": _UM}
    # Unseen at first: in 2D napari shows but stray triangles of a surface.
    hidden = {"visible": False, "units": _UM}
    truth = surface_options(sample.truth) | hidden | {"name": "Truth"}
    seeds = surface_options(sample.seed_mesh) | hidden | {"name": "Seed spheres"}
    return [
        (stack.data, place | {"name": f"Generated cells ({label})"}, "image"),
        (surface_data(sample.truth), truth, "surface"),
        (surface_data(sample.seed_mesh), seeds, "surface"),
    ]


def _say_if_slow() -> None:
    if not engine.is_ready():
        show_info("Generating the sample; the first time on a computer takes up to a minute.")


def _real(name: str, title: str) -> LayerData:
    data, options = _fetched(name, title)
    # A few glaring voxels would leave the rest in the dark.
    low, high = (float(value) for value in np.percentile(data, _SHOWN))
    return data, options | {"contrast_limits": (low, high)}, "image"


def _annotation(name: str, title: str) -> LayerData:
    data, options = _fetched(name, title)
    # Seen first, it would hide the image.
    return data, options | {"visible": False}, "labels"


def _fetched(name: str, title: str) -> tuple[Any, dict[str, Any]]:
    import tifffile

    dataset = DATASETS[name]
    data = call_beside_gui(lambda: tifffile.imread(fetch(name)))
    options: dict[str, Any] = {
        "name": title,
        "metadata": {"source": dataset.source, "licence": dataset.licence},
    }
    if dataset.spacing is not None:
        lead = data.ndim - 3
        options["scale"] = (1.0,) * lead + dataset.spacing
        options["units"] = ("pixel",) * lead + _UM
    return data, options
