"""The picture of a fit: data, rendering and residual in three orthogonal slices, and the loss."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from napari_deltamic.cli.words import counted
from napari_deltamic.mesh.section import plane_section, plane_sections

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_deltamic.fitting import FitResult
    from napari_deltamic.imaging import ImageStack
    from napari_deltamic.mesh import TriangleMesh

WIDTH = 13.0
"""Inches across the figure."""
MARGIN, GAP, PANEL_GAP = 0.35, 0.4, 0.06
SLICES_HEIGHT_LIMIT = 7.0
TITLE_HEIGHT, HEADING_HEIGHT, BAR_HEIGHT = 0.45, 0.3, 0.1
LOSS_LEFT, LOSS_HEIGHT = 0.95, 2.1
REGION_COLORS = (
    "#ffb000",
    "#4dc3ff",
    "#ff5fa2",
    "#7bd84f",
    "#c59bff",
    "#ff7f3f",
    "#35e0c2",
    "#fff06b",
)
NARROW = 0.75
"""Inches; narrower panels get no text."""
ON_DARK = [withStroke(linewidth=2.0, foreground="black")]
ON_LIGHT = [withStroke(linewidth=2.0, foreground="white")]


@dataclass(frozen=True)
class _Panel:
    """One slice of a block: which axis it cuts, and which axes run right and down in it."""

    axis: int
    right: int
    down: int


PANELS = (_Panel(0, 2, 1), _Panel(1, 2, 0), _Panel(2, 0, 1))


def draw_fit(stack: ImageStack, result: FitResult, title: str = "") -> Figure:
    """Return the picture of a fit.

    Parameters
    ----------
    stack
        The data that were fitted.
    result
        What came out.
    title
        A heading; by default the number of regions and faces.

    Returns
    -------
    Figure
        Three blocks of slices (xy, with yz to its right and xz below it, all at one scale) above
        the loss curve.
    """
    extent = np.asarray(stack.upper_corner - stack.lower_corner)
    block_width = (WIDTH - 2 * MARGIN - 2 * GAP) / 3
    scale = min(
        (block_width - PANEL_GAP) / (extent[2] + extent[0]),
        (SLICES_HEIGHT_LIMIT - PANEL_GAP) / (extent[1] + extent[0]),
    )
    slices_height = scale * (extent[1] + extent[0]) + PANEL_GAP
    bars_height = BAR_HEIGHT + 0.45
    top = LOSS_HEIGHT + 0.85 + bars_height + slices_height
    height = top + HEADING_HEIGHT + TITLE_HEIGHT
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    regions, faces = len(result.mesh.regions), len(result.mesh.faces)
    heading = title or f"{counted(regions, 'region')}, {faces:,} faces"
    figure.text(
        MARGIN / WIDTH,
        1 - 0.5 * TITLE_HEIGHT / height,
        heading,
        fontsize=13,
        va="center",
        weight="bold",
    )

    cuts = slice_indices(stack, result.mesh)
    residual = stack.data - result.image
    if stack.mask is not None:
        residual = np.where(stack.mask, residual, np.nan)
    low, high = (float(v) for v in np.percentile(stack.data, (0.5, 99.8)))
    largest = float(np.nanpercentile(np.abs(residual), 99.8)) or 1.0
    brightness = Normalize(low, high if high > low else low + 1.0)
    blocks = (
        ("Data, with the mesh's sections", stack.data, "gray", brightness),
        ("Rendering of the mesh", result.image, "gray", brightness),
        ("Residual: data minus rendering", residual, "RdBu_r", Normalize(-largest, largest)),
    )
    for number, (name, volume, colors, norm) in enumerate(blocks):
        left = MARGIN + number * (block_width + GAP)
        figure.text(left / WIDTH, (top + 0.1) / height, name, fontsize=11, va="bottom")
        for panel in PANELS:
            axes = _panel_axes(figure, panel, extent, scale, (left, top), height)
            image = _show_slice(axes, panel, stack, volume, cuts, cmap=colors, norm=norm)
            dark = number < 2
            _annotate(axes, panel, stack, cuts, dark=dark)
            if number == 0:
                _draw_sections(axes, panel, stack, result.mesh, cuts)
                if panel.axis == 0:
                    _draw_scale_bar(axes, stack)
        bottom = top - slices_height - 0.1 - BAR_HEIGHT
        width = scale * (extent[2] + extent[0]) + PANEL_GAP
        bar = figure.add_axes((left / WIDTH, bottom / height, width / WIDTH, BAR_HEIGHT / height))
        figure.colorbar(image, cax=bar, orientation="horizontal")
        bar.tick_params(labelsize=8, length=2)
    _draw_loss(figure, result, height)
    return figure


def slice_indices(stack: ImageStack, mesh: TriangleMesh) -> tuple[int, int, int]:
    """Return the voxel plane of each axis that cuts the largest area out of the mesh."""
    chosen = []
    for axis, count in enumerate(stack.shape):
        positions = stack.origin[axis] + stack.spacing[axis] * np.arange(count)
        sections = plane_sections(mesh.vertices, mesh.faces, axis, positions)
        start, end = sections.segments[:, 0], sections.segments[:, 1]
        area = np.abs(np.bincount(sections.planes, _cross(start, end), count))
        chosen.append(int(np.argmax(area)) if area.any() else count // 2)
    return (chosen[0], chosen[1], chosen[2])


def _cross(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0])


def _panel_axes(
    figure: Figure,
    panel: _Panel,
    extent: NDArray[np.float64],
    scale: float,
    corner: tuple[float, float],
    height: float,
) -> Axes:
    """Add the axes of one slice; the corner is the top left of its block in inches."""
    size_x, size_y = scale * extent[panel.right], scale * extent[panel.down]
    left, top = corner
    if panel.axis == 2:
        left += scale * extent[2] + PANEL_GAP
    if panel.axis == 1:
        top -= scale * extent[1] + PANEL_GAP
    axes = figure.add_axes((left / WIDTH, (top - size_y) / height, size_x / WIDTH, size_y / height))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _show_slice(
    axes: Axes,
    panel: _Panel,
    stack: ImageStack,
    volume: NDArray[np.floating],
    cuts: tuple[int, int, int],
    **colors: Any,
) -> Any:
    plane = np.take(volume, cuts[panel.axis], axis=panel.axis)
    if panel.right < panel.down:
        plane = plane.T
    low, high = stack.lower_corner, stack.upper_corner
    return axes.imshow(
        plane,
        extent=(low[panel.right], high[panel.right], high[panel.down], low[panel.down]),
        aspect="auto",
        interpolation="nearest",
        **colors,
    )


def _annotate(
    axes: Axes, panel: _Panel, stack: ImageStack, cuts: tuple[int, int, int], *, dark: bool
) -> None:
    """Name the slice in its corner, and mark at its edges where the other two slices run."""
    position = stack.origin + stack.spacing * np.array(cuts)
    color, effects = ("white", ON_DARK) if dark else ("black", ON_LIGHT)
    names = "zyx"
    if axes.get_position().width * WIDTH >= NARROW:
        axes.text(
            0.02,
            0.98,
            f"{names[panel.axis]} = {position[panel.axis]:.3g} µm",
            transform=axes.transAxes,
            ha="left",
            va="top",
            fontsize=7.5,
            color=color,
            path_effects=effects,
        )
    axes.axvline(
        position[panel.right], color=color, linewidth=0.5, alpha=0.45, linestyle=(0, (4, 4))
    )
    axes.axhline(
        position[panel.down], color=color, linewidth=0.5, alpha=0.45, linestyle=(0, (4, 4))
    )


def _draw_sections(
    axes: Axes, panel: _Panel, stack: ImageStack, mesh: TriangleMesh, cuts: tuple[int, int, int]
) -> None:
    position = float(stack.origin[panel.axis] + stack.spacing[panel.axis] * cuts[panel.axis])
    for number, region in enumerate(mesh.regions):
        segments = plane_section(mesh.region_mesh(int(region)), panel.axis, position)
        # Sections come in (z, y, x) order; the drawing wants the axis that runs right first.
        drawn = segments if panel.right < panel.down else segments[:, :, ::-1]
        color = REGION_COLORS[number % len(REGION_COLORS)]
        axes.add_collection(
            LineCollection(list(drawn), colors=color, linewidths=1.1, capstyle="round"),
            autolim=False,
        )


def _draw_scale_bar(axes: Axes, stack: ImageStack) -> None:
    """Draw a bar of a round length, about a quarter of the panel, in the lower right corner."""
    width = stack.upper_corner[2] - stack.lower_corner[2]
    height = stack.upper_corner[1] - stack.lower_corner[1]
    length = round_length(0.25 * width)
    end = stack.upper_corner[2] - 0.05 * width
    level = stack.upper_corner[1] - 0.06 * height
    axes.plot(
        [end - length, end],
        [level, level],
        color="white",
        linewidth=3,
        solid_capstyle="butt",
        path_effects=[withStroke(linewidth=4.5, foreground="black")],
    )
    axes.text(
        end - 0.5 * length,
        level - 0.025 * height,
        f"{length:g} µm",
        color="white",
        fontsize=8.5,
        ha="center",
        va="bottom",
        path_effects=ON_DARK,
    )


def round_length(length: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above a length."""
    power = 10.0 ** np.floor(np.log10(length))
    steps = np.array([1.0, 2.0, 5.0])
    return float(power * steps[steps * power <= length * (1 + 1e-9)].max(initial=1.0))


def _draw_loss(figure: Figure, result: FitResult, height: float) -> None:
    axes = figure.add_axes(
        (
            LOSS_LEFT / WIDTH,
            0.55 / height,
            (WIDTH - LOSS_LEFT - MARGIN) / WIDTH,
            LOSS_HEIGHT / height,
        )
    )
    history = np.asarray(result.loss_history, dtype=np.float64)
    axes.set_xlabel("iteration")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.25, linewidth=0.6)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    if len(history):
        axes.set_xlim(0.5, len(history) + 0.5)
        if (history > 0).all():
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
    # A stage sees more detail than the one before, so its losses are another curve.
    for start, end in pairwise([*result.stage_starts, len(history)]):
        stage = history[start:end]
        iterations = np.arange(start + 1, start + 1 + len(stage))
        marker = "." if len(stage) == 1 else None
        axes.plot(iterations, stage, color="#1f5fa8", linewidth=1.4, marker=marker)
    for number, start in enumerate(result.stage_starts):
        if number:
            axes.axvline(start + 0.5, color="0.5", linewidth=0.8, linestyle=":")
        axes.text(
            start + 0.5,
            1.02,
            f" stage {number + 1}",
            transform=axes.get_xaxis_transform(),
            fontsize=8,
            color="0.35",
            va="bottom",
        )
    figure.text(
        1 - MARGIN / WIDTH,
        0.17 / height,
        result.stop_reason,
        ha="right",
        va="center",
        fontsize=8.5,
        color="0.35",
        style="italic",
    )
