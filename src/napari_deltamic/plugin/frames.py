"""Frames and channels of layers: which is shown, in words, and what the file says of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from napari_deltamic.imaging.reading import StackInfo, stack_info

if TYPE_CHECKING:
    from napari.layers import Image

_TIFF = (".tif", ".tiff")
_KINDS = {"t": "Frame", "time": "Frame", "frame": "Frame", "c": "Channel", "channel": "Channel"}
_UNKNOWN = "Frame or channel"


def frame_words(index: Sequence[int], sizes: Sequence[int], kinds: Sequence[str]) -> str:
    """Return a sentence such as "Channel 1 of 3 (slider)."; "" for a plain stack.

    Parameters
    ----------
    index
        Which is shown, from 0, along each axis before z, y and x.
    sizes
        Of these axes.
    kinds
        What each axis is, as of :func:`axis_kinds`.
    """
    parts = [
        f"{kind} {number + 1} of {size}"
        for number, size, kind in zip(index, sizes, kinds, strict=True)
        if size > 1
    ]
    if not parts:
        return ""
    return f"{', '.join(parts)} ({'slider' if len(parts) == 1 else 'sliders'})."


def axis_kinds(layer: Image, facts: StackInfo | None = None) -> list[str]:
    """Return what each axis before z, y and x is, by its label or its file, as far as known."""
    leading = layer.ndim - 3
    by_label = [_KINDS.get(str(label).lower(), _UNKNOWN) for label in layer.axis_labels[:leading]]
    if facts is None or tuple(facts.shape) != tuple(layer.data.shape):
        return by_label
    by_file = [_KINDS.get(axis.lower(), _UNKNOWN) for axis in facts.axes[:leading]]
    return [
        stated if known == _UNKNOWN else known
        for known, stated in zip(by_label, by_file, strict=True)
    ]


def file_facts(layer: Image) -> StackInfo | None:
    """Return what the TIFF file of a layer states, most of which napari's own reader leaves out.

    Raises
    ------
    OSError, ValueError
        If it cannot be read any more.
    """
    path = layer.source.path
    if not path or not str(path).lower().endswith(_TIFF) or not os.path.isfile(path):
        return None
    return _facts(str(path), os.stat(path).st_mtime_ns)


@lru_cache(maxsize=16)
def _facts(path: str, _changed: int) -> StackInfo:
    return stack_info(path)


def channel_axis(layer: Image, facts: StackInfo | None) -> int | None:
    """Return which axis of a layer holds the channels, if its file says so."""
    is_plain = not layer.multiscale and not layer.rgb
    if facts is None or not is_plain or tuple(facts.shape) != tuple(layer.data.shape):
        return None
    axis = facts.axes.find("C")
    return axis if axis >= 0 and {"Z", "Y", "X"} <= set(facts.axes) else None


def check_planes(layer: Image, facts: StackInfo | None) -> None:
    """Raise ValueError if a layer's file says that its channels lie where planes should."""
    axis = channel_axis(layer, facts)
    if facts is not None and axis is not None and axis >= layer.ndim - 3:
        raise ValueError(
            f"layer {layer.name!r} has, by its file, the axes {', '.join(facts.axes.lower())}, so "
            "that its channels would be taken for planes; press Split channels and choose one"
        )


def channel_layers(
    layer: Image, axis: int, spacing: Sequence[float] | None
) -> list[tuple[Any, dict[str, Any]]]:
    """Return data and options of a layer for each channel of another one.

    Parameters
    ----------
    layer
        Whose channels to part.
    axis
        Which of its axes they are.
    spacing
        (3,) voxel size in um that the file states, taken where the layer has none.
    """
    kept = [number for number in range(layer.ndim) if number != axis]
    scale, units = [layer.scale[k] for k in kept], [str(layer.units[k]) for k in kept]
    if spacing is not None and all(unit == "pixel" for unit in units) and set(scale[-3:]) == {1.0}:
        scale, units = [*scale[:-3], *spacing], [*units[:-3], "um", "um", "um"]
    options = {"scale": scale, "units": units, "translate": [layer.translate[k] for k in kept]}
    before = (slice(None),) * axis
    return [
        (layer.data[(*before, number)], {**options, "name": f"{layer.name}, channel {number + 1}"})
        for number in range(layer.data.shape[axis])
    ]
