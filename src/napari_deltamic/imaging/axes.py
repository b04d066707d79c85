"""The axes of an image on disk, and which frame and channel of it are meant."""

from __future__ import annotations

from pathlib import Path


def named_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return the axes with a single unnamed axis beside y and x taken as z."""
    unnamed = [k for k, axis in enumerate(axes) if axis in "QI" and shape[k] > 1]
    has_z = any(axis == "Z" and size > 1 for axis, size in zip(axes, shape, strict=True))
    if len(unnamed) != 1 or has_z:
        return axes
    return axes[: unnamed[0]] + "Z" + axes[unnamed[0] + 1 :]


def chosen_indices(
    file: Path, axes: str, shape: tuple[int, ...], channel: int | None, frame: int | None
) -> dict[str, int]:
    """Return the index to take along every axis that is not z, y or x.

    Parameters
    ----------
    file
        For messages.
    axes, shape
        A letter and a size for each axis: T, C, Z, Y, X, S for colours, Q or I for unknown ones.
    channel, frame
        What the user chose.

    Raises
    ------
    ValueError
        If the image is not one of stacks (Z, Y, X), or a channel or frame must be chosen or does
        not exist.
    """
    size_of = {axis: size for axis, size in zip(axes, shape, strict=True) if size > 1}
    layout = f"axes {axes} of shape {tuple(shape)}"
    if "S" in size_of:
        raise ValueError(
            f"path: {file} is a colour (RGB) image, {layout}; split its channels and save the one "
            "to fit as grey values"
        )
    if "Z" not in size_of and len(size_of) == 3 and size_of.keys() & set("TC"):
        name = "frames" if "T" in size_of else "channels"
        raise ValueError(
            f"path: {file} has no z axis, only {name} ({layout}); if they are the planes of a "
            f"stack, exchange slices and {name} in ImageJ (Image > Properties) and save again"
        )
    if not {"Z", "Y", "X"} <= size_of.keys() and not set("QI") & size_of.keys():
        raise ValueError(f"path: {file} is not a 3D stack: {layout}; a stack (Z, Y, X) is needed")
    unknown = sorted(size_of.keys() - set("TCZYX"))
    if unknown or len(size_of) != sum(size > 1 for size in shape):
        raise ValueError(
            f"path: {file} has {layout}, which cannot be told apart; save it with named axes, as "
            "OME-TIFF, OME-Zarr or from ImageJ"
        )
    wanted = (("C", "channel", channel), ("T", "frame", frame))
    return {
        axis: _checked_index(file, name, size_of.get(axis, 1), index)
        for axis, name, index in wanted
    }


def _checked_index(file: Path, name: str, count: int, index: int | None) -> int:
    if index is None:
        if count > 1:
            raise ValueError(
                f"{name}: {file} has {count} {name}s; choose one with {name}=0 to {count - 1}"
            )
        return 0
    if not 0 <= index < count:
        raise ValueError(f"{name}: {file} has {name}s 0 to {count - 1}, got {index}")
    return index
