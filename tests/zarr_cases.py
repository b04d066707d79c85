"""OME-Zarr images as other programs write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

zarr = pytest.importorskip("zarr")

UM = "micrometer"


def write_ome_zarr(
    folder: Path,
    data,
    axes="zyx",
    steps=None,
    of_all=None,
    units=(UM, UM, UM),
    version="0.5",
    chunks=None,
    changes=None,
):
    """Write an image with one level and return its folder.

    ``steps`` and ``of_all`` are the transformations of the level and of all levels, as pairs of a
    type and its numbers; ``changes`` overrides entries of the metadata.
    """
    types = {"t": "time", "c": "channel"}
    unit_of = dict(zip("zyx", units, strict=True))
    described = []
    for name in axes:
        axis = {"name": name, "type": types.get(name, "space")}
        if unit_of.get(name):
            axis["unit"] = unit_of[name]
        described.append(axis)
    steps = [("scale", [0.5 if name == "z" else 0.2 for name in axes])] if steps is None else steps
    level = {"path": "full", "coordinateTransformations": listed(steps)}
    image = {"axes": described, "datasets": [level], "name": "cells"}
    if of_all:
        image["coordinateTransformations"] = listed(of_all)
    image |= changes or {}
    is_old = version == "0.4"
    group = zarr.open_group(folder, mode="w", zarr_format=2 if is_old else 3)
    array = group.create_array(
        "full",
        shape=data.shape,
        chunks=chunks or tuple(min(size, 8) for size in data.shape),
        dtype=data.dtype,
        **({} if is_old else {"dimension_names": list(axes)}),
    )
    array[...] = data
    if is_old:
        group.attrs["multiscales"] = [{"version": version, **image}]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [image]}
    return folder


def listed(steps):
    """Return transformations as the metadata hold them."""
    return [{"type": kind, kind: list(numbers)} for kind, numbers in steps]


def chunk_files(folder: Path) -> list[Path]:
    """Return the files that hold values, not metadata."""
    names = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
    return sorted(one for one in folder.rglob("*") if one.is_file() and one.name not in names)


class Counted:
    """A lazy array that notes the parts that are read of it."""

    def __init__(self, values):
        """Hold values that are there already."""
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return np.asarray(self.values[index])
