"""The mesh that a fit starts from, as the command line names it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.cli.errors import UsageError
from napari_deltamic.cli.words import counted

if TYPE_CHECKING:
    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.imaging.stack import OnVoxels
    from napari_deltamic.mesh import TriangleMesh

# What the border of the stack cuts goes on so many voxels, out of sight of the blur.
_BEYOND = 5.0
# Voxels of a label image that are taken as they are.
_MOST_LABELS = 3e7

PointsUnit = Literal["um", "voxel"]


def read_points(path: Path) -> NDArray[np.float64]:
    """Return the (N, 3) points of a CSV file in (z, y, x) order.

    The columns are found by the names z, y, x or, as napari writes them, axis-0, axis-1, axis-2;
    without a header the three columns are z, y, x. With more axes than three the last three count.

    Raises
    ------
    UsageError
        If the file holds no points, lacks a column or has a cell that is not a finite number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--points: {path} is not a CSV file: {error}") from error
    if not rows:
        raise UsageError(f"--points: {path} is empty")
    columns, rows = _point_columns(path, rows)
    points = []
    for number, row in enumerate(rows, start=1):
        try:
            point = [float(row[column]) for column in columns]
        except (ValueError, IndexError):
            raise UsageError(
                f"--points: point {number} of {path} is not three numbers: {row}"
            ) from None
        if not np.isfinite(point).all():
            raise UsageError(f"--points: point {number} of {path} is not finite: {row}")
        points.append(point)
    if not points:
        raise UsageError(f"--points: {path} has a header but no points")
    return np.array(points)


def _point_columns(path: Path, rows: list[list[str]]) -> tuple[list[int], list[list[str]]]:
    header = [cell.strip().lower() for cell in rows[0]]
    if all(_is_number(cell) for cell in header):
        if len(header) != 3:
            raise UsageError(
                f"--points: {path} has {counted(len(header), 'column')} and no header; "
                "write z,y,x in its first line, above the columns that hold them"
            )
        return [0, 1, 2], rows
    if {"z", "y", "x"} <= set(header):
        return [header.index(name) for name in "zyx"], rows[1:]
    axes = sorted(name for name in header if name.startswith("axis-"))
    if len(axes) >= 3:
        return [header.index(name) for name in axes[-3:]], rows[1:]
    raise UsageError(f"--points: {path} has no columns named z, y, x; its header is {rows[0]}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def spheres_at(path: Path, radius: float | None, unit: PointsUnit, stack: OnVoxels) -> TriangleMesh:
    """Return one sphere at each point of a CSV file that lies in the stack.

    Raises
    ------
    UsageError
        If there is no radius, or a point lies outside of the stack.
    """
    from napari_deltamic.mesh import seed_spheres

    if radius is None:
        raise UsageError("--radius: needed with --points, in um")
    return seed_spheres(points_in(path, unit, stack), radius)


def points_in(path: Path, unit: PointsUnit, stack: OnVoxels) -> NDArray[np.float64]:
    """Return the (N, 3) points of a CSV file in um, all of which must lie in the stack.

    Raises
    ------
    UsageError
        If one does not.
    """
    points = read_points(path)
    if unit == "voxel":
        points = stack.origin + stack.spacing * points
    outside = ((points < stack.lower_corner) | (points > stack.upper_corner)).any(axis=1)
    if outside.any():
        first = int(np.argmax(outside))
        hint = "" if unit == "voxel" else "; are they in voxels? then add --points-unit voxel"
        raise UsageError(
            f"--points: point {first + 1} at {_numbers(points[first])} um lies outside of the "
            f"stack, which runs from {_numbers(stack.lower_corner)} to "
            f"{_numbers(stack.upper_corner)} um{hint}"
        )
    return points


def mesh_from_membranes(stack: ImageStack, path: Path | None, unit: PointsUnit) -> TriangleMesh:
    """Return one mesh of touching cells, found by their membranes or one at each point of a file.

    Raises
    ------
    UsageError
        If a point lies outside of the stack.
    """
    from napari_deltamic.imaging import membrane_labels
    from napari_deltamic.mesh import seed_from_labels

    markers = None if path is None else points_in(path, unit, stack)
    labels = membrane_labels(stack, markers)
    return seed_from_labels(labels, stack.spacing, stack.origin, beyond=_BEYOND * stack.spacing)


def mesh_from_labels(path: Path, stack: OnVoxels) -> TriangleMesh:
    """Return one surface around each label of a file that lies on the stack's voxels.

    Raises
    ------
    UsageError
        If the shapes differ, or there is no label in it.
    """
    from napari_deltamic.mesh import seed_from_labels

    labels = read_labels(path, stack.shape)
    return seed_from_labels(labels, stack.spacing, stack.origin, beyond=_BEYOND * stack.spacing)


def mesh_from_large_labels(path: Path, stack: OnVoxels) -> TriangleMesh:
    """Do what :func:`mesh_from_labels` does with as many voxels as memory surely holds.

    Of more, every second, third ... along each axis counts.
    """
    from napari_deltamic.imaging import LazyStack, open_stack
    from napari_deltamic.mesh import seed_from_labels

    step = int(np.ceil((np.prod(stack.shape, dtype=float) / _MOST_LABELS) ** (1 / 3)))
    if step == 1:
        return mesh_from_labels(path, stack)
    try:
        found: LazyStack = open_stack(path, spacing=stack.spacing)
    except ValueError as error:
        raise UsageError(f"--labels: {str(error).removeprefix('path: ')}") from error
    _check_labels(path, found.shape, np.dtype(found.data.dtype), stack.shape)
    # Slab by slab, for not all that can be sliced can be sliced in steps.
    slabs = [
        np.asarray(found.data[k : k + 1, :, :])[:, ::step, ::step]
        for k in range(0, found.shape[0], step)
    ]
    coarse = step * stack.spacing
    beyond = _BEYOND * stack.spacing
    return seed_from_labels(np.concatenate(slabs), coarse, stack.origin, beyond=beyond)


def read_labels(path: Path, shape: tuple[int, int, int]) -> NDArray[np.integer]:
    """Return the (Z, Y, X) labels of a TIFF or a zarr folder, which must have a stack's shape.

    Raises
    ------
    UsageError
        If the shapes differ, or there is no label in it.
    """
    from napari_deltamic.imaging import open_stack
    from napari_deltamic.imaging.tiff_reading import tiff_values

    try:
        if path.is_dir():
            labels = np.asarray(open_stack(path, spacing=(1, 1, 1)).data[:, :, :])
        else:
            labels = np.squeeze(tiff_values(path))
    except ValueError as error:
        # The reader's sentence names the file, but its own argument.
        raise UsageError(f"--labels: {str(error).removeprefix('path: ')}") from error
    _check_labels(path, labels.shape, labels.dtype, shape)
    if not (labels > 0).any():
        raise UsageError(f"--labels: {path} has no label above 0")
    return labels


def _check_labels(
    path: Path, found: tuple[int, ...], dtype: np.dtype[Any], shape: tuple[int, int, int]
) -> None:
    if found != shape:
        raise UsageError(f"--labels: {path} has shape {found}, the stack has {shape}")
    if not np.issubdtype(dtype, np.integer):
        raise UsageError(f"--labels: {path} holds {dtype}, not whole numbers")


def _numbers(values: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
