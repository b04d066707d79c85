"""Images in zarr folders: OME-Zarr 0.1 to 0.5 (NGFF), and plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, FiniteFloat, ValidationError, model_validator

from napari_deltamic.imaging.chunk_sizes import check_chunk_sizes
from napari_deltamic.imaging.metadata import VoxelSize, micrometres
from napari_deltamic.imaging.stored_image import StoredImage

if TYPE_CHECKING:
    import zarr

_METADATA = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")


def is_zarr(folder: Path) -> bool:
    """Whether a folder holds an image, a group or an array in zarr format."""
    return any((folder / name).is_file() for name in _METADATA)


def stored_zarr(folder: Path) -> StoredImage:
    """Return the image in full resolution of an OME-Zarr folder, or a zarr array.

    Parameters
    ----------
    folder
        Of an image, an array, or a conversion by bioformats2raw, of which the first image counts.

    Raises
    ------
    FileNotFoundError
        If the folder is none of these.
    ValueError
        If its metadata are damaged, or it holds something else.
    ImportError
        If the package zarr is not installed.
    """
    if not is_zarr(folder):
        raise FileNotFoundError(f"path: {folder} is a folder without an image in zarr format")
    try:
        import zarr
    except ImportError as error:
        raise ImportError(
            f"path: {folder} needs the package zarr; pip install 'napari-deltamic[zarr]'"
        ) from error
    try:
        node: Any = zarr.open(str(folder), mode="r")
        if isinstance(node, zarr.Array):
            return _plain(folder, node)
        if "bioformats2raw.layout" in _attributes(node):
            node = node["0"]
        multiscale = _multiscale(_attributes(node), sorted(node.keys()))
        array = node[multiscale.datasets[0].path]
        return _described(folder, array, multiscale)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(
            f"path: {folder} has OME-Zarr metadata that make no sense: {place}: {first['msg']}"
        ) from error
    # Damaged metadata fail in a dozen ways, from those of JSON to those of codecs.
    except Exception as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"path: {folder} is not a readable OME-Zarr image: {what}") from error


class _Axis(BaseModel):
    name: str
    type: str = ""
    unit: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        # As of version 0.3.
        return {"name": value} if isinstance(value, str) else value

    @property
    def letter(self) -> str:
        """As other files name it."""
        name = self.name.upper()
        unknown = name if name in ("T", "C", "Z", "Y", "X") else "Q"
        return {"time": "T", "channel": "C"}.get(self.type, unknown)


class _Step(BaseModel):
    type: str
    scale: list[FiniteFloat] = []
    translation: list[FiniteFloat] = []


class _Dataset(BaseModel):
    path: str
    steps: list[_Step] = Field([], alias="coordinateTransformations")


class _Multiscale(BaseModel):
    # Before version 0.3 there were always these.
    axes: list[_Axis] = [_Axis(name=name) for name in "tczyx"]
    datasets: list[_Dataset] = Field(min_length=1)
    steps: list[_Step] = Field([], alias="coordinateTransformations")


@dataclass(frozen=True)
class _ZarrVoxels:
    """The values of an array; whatever goes wrong while reading them names the folder."""

    folder: Path
    array: zarr.Array[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        try:
            # What memory cannot hold may have more chunks than can be looked at.
            np.empty(
                [len(_places(*one)) for one in zip(index, self.shape, strict=True)], self.dtype
            )
            check_chunk_sizes(self.array, index)
            return np.asarray(self.array[index])
        except MemoryError:
            raise
        # Codecs fail in their own ways.
        except Exception as error:
            raise ValueError(f"path: {self.folder} cannot be read: {error}") from error


def _places(part: int | slice, size: int) -> range:
    """Return which values along an axis a part of it meets."""
    return range(*part.indices(size)) if isinstance(part, slice) else range(1)


def _attributes(group: Any) -> dict[str, Any]:
    """Return the attributes of OME, which lie one level deeper since version 0.5."""
    attributes = dict(group.attrs)
    return dict(attributes.get("ome", attributes))


def _multiscale(attributes: dict[str, Any], inside: list[str]) -> _Multiscale:
    found = attributes.get("multiscales")
    if not isinstance(found, list) or not found:
        raise ValueError(
            "it is a group without metadata of an image (multiscales); name what is to be read of "
            f"what it holds: {', '.join(inside) or 'nothing'}"
        )
    return _Multiscale.model_validate(found[0])


def _plain(folder: Path, array: zarr.Array[Any]) -> StoredImage:
    """Return an array whose axes count by their names, or else as (z, y, x) behind others."""
    names = getattr(array.metadata, "dimension_names", None) or ()
    letters = [_Axis(name=name or "").letter for name in names]
    if not {"Z", "Y", "X"} <= set(letters):
        letters = list("Q" * (array.ndim - 3) + "ZYX"[-array.ndim :])
    nothing = VoxelSize((None, None, None), "a zarr array without metadata of OME")
    return _stored(folder, array, letters, nothing)


def _described(folder: Path, array: Any, multiscale: _Multiscale) -> StoredImage:
    """Return an array with the voxel size and the place that its metadata state."""
    letters = [axis.letter for axis in multiscale.axes]
    if array.ndim != len(letters):
        raise ValueError(f"its axes are {', '.join(letters)}, but its array has {array.ndim}")
    steps = multiscale.datasets[0].steps + multiscale.steps
    scale, shift = np.ones(len(letters)), np.zeros(len(letters))
    for step in steps:
        numbers = np.array({"scale": step.scale, "translation": step.translation}.get(step.type))
        if numbers.shape != scale.shape:
            raise ValueError(
                f"its transformation {step.type!r} is not a scale or a translation of "
                f"{len(letters)} numbers"
            )
        if step.type == "scale":
            scale, shift = scale * numbers, shift * numbers
        else:
            shift = shift + numbers
    is_scaled = any(step.type == "scale" for step in steps)
    lengths: dict[str, float | None] = dict.fromkeys("ZYX")
    place, stated = dict.fromkeys("ZYX", 0.0), []
    for number, letter in enumerate(letters):
        if letter not in lengths or not is_scaled:
            continue
        length, unit = float(scale[number]), multiscale.axes[number].unit
        lengths[letter] = micrometres(length, unit or "")
        stated.append(f"{letter.lower()} {length:.6g} {unit or 'without a unit'}")
        # Of an image without a voxel size that makes sense, nothing says where it lies.
        place[letter] = float(shift[number]) / length if length > 0 else 0.0
    found = "OME-Zarr metadata with " + (", ".join(stated) or "no scale")
    size = VoxelSize((lengths["Z"], lengths["Y"], lengths["X"]), found)
    return _stored(folder, array, letters, size, (place["Z"], place["Y"], place["X"]))


def _stored(
    folder: Path,
    array: zarr.Array[Any],
    letters: list[str],
    size: VoxelSize,
    place: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> StoredImage:
    voxels = _ZarrVoxels(folder, array)
    return StoredImage(folder, voxels, "".join(letters), size, place, tuple(array.chunks))
