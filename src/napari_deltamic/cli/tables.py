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


def _number(value: float, digits: str = "#.4g") -> str:
    """Return a value, by default to four digits with trailing zeros, so that columns line up."""
    return "-" if math.isnan(value) else f"{value:{digits}}".rstrip(".")
