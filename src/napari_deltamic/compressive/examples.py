"""Patches of real stacks and of generated embryos, split so that none tests what it trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.compressive.label_walls import walls
from napari_deltamic.compressive.patches import Patches, cut_patches, joined, normalised
from napari_deltamic.compressive.splitting import Split, contentful, joined_splits, split_stacks
from napari_deltamic.imaging import fetch, make_embryo
from napari_deltamic.replacing import replacing

_EMBRYO_SHAPE, _EMBRYO_SPACING = (44, 128, 128), (0.6, 0.2, 0.2)
_EMBRYO_PLANES = 2


@dataclass(frozen=True)
class _Stack:
    """A real stack; ``gap`` planes between its parts are more than the blur reaches."""

    name: str
    gap: int
    labels: str | None = None
    walls: bool = False


_STACKS = (
    _Stack("celegans_dub_t33_membrane.tif", 2),
    _Stack("ovule_membrane.tif", 4, "ovule_membrane_labels.tif", walls=True),
    _Stack("mouse_embryo_nuclei_8cell.tif", 3, "mouse_embryo_nuclei_8cell_labels.tif"),
)


def example_patches(
    size: int = 128, *, labelled: bool = False, embryos: int = 10, cache: Path | None = None
) -> Split:
    """Return patches of the real stacks that lie in the data folder, and of generated embryos.

    Real stacks are split by planes, with gaps, and embryos as a whole: the first fifth tests, the
    second validates, the rest trains.

    Parameters
    ----------
    size
        Voxels along y and x, at most 128.
    labelled
        Only what has labels, with targets: the walls where membranes are marked, nuclei else.
    embryos
        How many to generate, every other one with marked nuclei, the rest with marked membranes.
    cache
        File (.npz) that the embryos are kept in; they take seconds each.

    Raises
    ------
    ValueError
        If there are fewer than five embryos.
    FileNotFoundError
        If a real stack is absent.
    """
    import tifffile

    if embryos < 5:
        raise ValueError(f"embryos: at least 5 are needed to be split, got {embryos}")
    parts: list[Split] = []
    for stack in _STACKS:
        if labelled and stack.labels is None:
            continue
        image = tifffile.imread(fetch(stack.name, download=False))
        targets = None
        if labelled and stack.labels is not None:
            labels = tifffile.imread(fetch(stack.labels, download=False))
            targets = [walls(labels) if stack.walls else labels > 0]
        parts.append(split_stacks([image], size, targets, stack.gap))
    generated: tuple[list[Patches], ...] = ([], [], [])
    for number, (image, labels, cells) in enumerate(_embryos(embryos, cache)):
        planes = slice(*contentful(image).indices(len(image))[:2], _EMBRYO_PLANES)
        target = labels > cells if labels.max() > cells else walls(labels)
        cut = target[planes] if labelled else None
        generated[max(0, 2 - 5 * number // embryos)].append(
            cut_patches(image[planes], size, targets=cut)
        )
    return joined_splits([*parts, Split(*(joined(part) for part in generated))])


def _embryos(
    count: int, cache: Path | None
) -> list[tuple[NDArray[np.float32], NDArray[np.int32], int]]:
    """Return the image without noise, the labels and the number of cells of each embryo."""
    known: dict[str, Any] = {}
    if cache is not None and cache.exists():
        with np.load(cache) as file:
            known = dict(file)
    missing = [number for number in range(count) if f"image{number}" not in known]
    for number in missing:
        nuclei = number % 2 == 1
        embryo = make_embryo(
            8 if nuclei else 10,
            _EMBRYO_SHAPE,
            _EMBRYO_SPACING,
            seed=number,
            nuclei=nuclei,
            label="interior" if nuclei else "membrane",
        )
        known[f"image{number}"] = normalised(embryo.expected)
        known[f"labels{number}"] = embryo.labels
        known[f"cells{number}"] = np.array(embryo.cells)
    if cache is not None and missing:
        with replacing(cache) as name:
            np.savez_compressed(name, **known)
    return [
        (
            np.asarray(known[f"image{number}"], dtype=np.float32),
            np.asarray(known[f"labels{number}"], dtype=np.int32),
            int(known[f"cells{number}"]),
        )
        for number in range(count)
    ]
