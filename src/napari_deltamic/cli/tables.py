"""Tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from napari_deltamic.cli.terminal import console

if TYPE_CHECKING:
    from napari_deltamic.mesh import TriangleMesh


def print_table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1
) -> None:
    """Print a table; the first ``words`` columns hold words, the others numbers."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_header=any(header),
    )
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number < words else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table)


def print_measures(mesh: TriangleMesh, title: str) -> None:
    """Print the measures of every region of a mesh; a region that is not closed has few."""
    from napari_deltamic.mesh import measure

    print_table(
        title,
        (
            "region",
            "volume\n(µm³)",
            "area\n(µm²)",
            "centroid z, y, x\n(µm)",
            "sphericity",
            "mean curv.\n(1/µm)",
        ),
        (
            (
                str(one.region),
                _number(one.volume),
                _number(one.area),
                ", ".join(_number(position, ".3f") for position in one.centroid),
                _number(one.sphericity, ".3f"),
                _number(one.mean_curvature),
            )
            for one in measure(mesh)
        ),
    )


def print_shapes(mesh: TriangleMesh, title: str) -> None:
    """Print the axes and the surroundings of every region of a mesh."""
    from napari_deltamic.mesh import measure

    print_table(
        title,
        (
            "region",
            "semi-axes\n(µm)",
            "longest axis\nz, y, x",
            "free area\n(µm²)",
            "neigh-\nbours",
        ),
        (
            (
                str(one.region),
                ", ".join(_number(length, ".3f") for length in one.semi_axes),
                ", ".join(_number(component, ".2f") for component in one.axes[0]),
                _number(one.free_area),
                str(one.neighbours),
            )
            for one in measure(mesh)
        ),
    )


def print_contacts(mesh: TriangleMesh, title: str) -> None:
    """Print the measures of every interface of a mesh."""
    from napari_deltamic.mesh import measure_contacts

    print_table(
        title,
        ("regions", "area\n(µm²)", "mean curv.\n(1/µm)", "pieces", "perimeter\n(µm)"),
        (
            (
                f"{one.region_a}, {one.region_b}",
                _number(one.area),
                _number(one.mean_curvature),
                str(one.pieces),
                _number(one.perimeter),
            )
            for one in measure_contacts(mesh)
        ),
    )


def print_junctions(mesh: TriangleMesh, title: str) -> None:
    """Print the measures of the lines along which three or more regions of a mesh meet."""
    from napari_deltamic.mesh import measure_junctions

    print_table(
        title,
        ("regions", "length\n(µm)", "angles\n(°)", "spread\n(°)"),
        (
            (
                ", ".join(map(str, one.regions)),
                _number(one.length),
                ", ".join(_number(angle, ".1f") for angle in one.angles),
                ", ".join(_number(spread, ".1f") for spread in one.angle_spreads),
            )
            for one in measure_junctions(mesh)
        ),
    )


def _number(value: float, digits: str = "#.4g") -> str:
    """Return a value, by default to four digits with trailing zeros, so that columns line up."""
    return "-" if math.isnan(value) else f"{value:{digits}}".rstrip(".")
