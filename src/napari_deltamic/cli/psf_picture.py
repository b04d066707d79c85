"""Pictures of PSFs: sections through the focus, and through the transfer function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_deltamic.optics import PSF

WIDTH, HEIGHT = 9.0, 3.35
"""Inches of the picture of one PSF."""
COLORMAP = "magma"
_FAINTEST = 1e-4
# Half the side of the sections, in full widths at half maximum along z.
_WIDTHS_SHOWN = 3.0
_PIXELS = 161
_FREQUENCIES = 121
_DARK, _LIGHT = "#404040", "#c8c8c8"


class Sections(NamedTuple):
    """What is shown of a PSF."""

    xy: NDArray[np.float64]
    """(N, N) the plane of the focus; the peak is 1."""
    xz: NDArray[np.float64]
    """(N, N) the plane along the axis, z downwards."""
    otf: NDArray[np.float64]
    """(Q, Q) modulus of the transfer function, kz downwards and kx to the right."""
    reach: float
    """Half the side of xy and xz, in um."""
    band: tuple[float, float]
    """Half the height and half the width of otf, in cycles/um."""


def draw_psf(psf: PSF, title: str = "", widths: NDArray[np.float64] | None = None) -> Figure:
    """Return the picture of a PSF, with logarithmic brightness.

    Parameters
    ----------
    psf
        What to draw.
    title
        A heading.
    widths
        (3,) its full widths at half maximum in um, where they are known already.
    """
    from napari_deltamic.optics.width import fwhm_of

    known = fwhm_of(psf) if widths is None else widths
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
    _head(figure, title, known, 0.955)
    draw_row(figure, sections(psf, known), 0.0, 1.0)
    return figure


def draw_two(
    pair: tuple[PSF, PSF],
    titles: tuple[str, str],
    widths: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Figure:
    """Return the picture of two PSFs, one above the other, at one scale."""
    figure = Figure(figsize=(WIDTH, 2 * HEIGHT), facecolor="white")
    largest = np.maximum(*widths)
    bands = np.maximum(_band(pair[0]), _band(pair[1]))
    for row, (psf, title) in enumerate(zip(pair, titles, strict=True)):
        _head(figure, title, widths[row], 1.0 - 0.5 * row - 0.0225)
        shown = sections(psf, largest, (float(bands[0]), float(bands[1])))
        draw_row(figure, shown, 0.5 - 0.5 * row, 0.5)
    return figure


def _head(figure: Figure, title: str, widths: NDArray[np.float64], height: float) -> None:
    z, y, x = widths
    words = f"full width at half maximum: z {z:.3g}, y {y:.3g}, x {x:.3g} µm"
    figure.text(0.012, height, title, fontsize=11, weight="bold", va="center")
    figure.text(0.988, height, words, fontsize=9, color=_DARK, va="center", ha="right")


def sections(
    psf: PSF, widths: NDArray[np.float64], band: tuple[float, float] | None = None
) -> Sections:
    """Return what is shown of a PSF.

    Parameters
    ----------
    psf
        What to show.
    widths
        (3,) full widths at half maximum in um; they say how much of it.
    band
        How far the frequencies go, along z and x, in cycles/um; by default as the light does.
    """
    reach = _WIDTHS_SHOWN * float(max(widths))
    band = _band(psf) if band is None else band
    with torch.no_grad():
        xy, xz = _planes(psf, reach)
        kz, kx = (torch.linspace(-k, k, _FREQUENCIES, dtype=torch.float64) for k in band)
        grid = torch.meshgrid(kz, torch.zeros(1, dtype=torch.float64), kx, indexing="ij")
        otf = psf.otf(torch.stack(grid, dim=-1)).abs()[:, 0].cpu().numpy()
    return Sections(xy / xy.max(), xz / xz.max(), otf, reach, band)


def _band(psf: PSF) -> tuple[float, float]:
    """Return frequencies along z and x, in cycles/um, a little beyond those that pass."""
    from napari_deltamic.optics.sampling import nyquist_spacing

    steps = nyquist_spacing(psf)
    return 0.55 / float(steps[0]), 0.55 / float(steps[2])


def _planes(psf: PSF, reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the planes z = 0 and y = 0."""
    from napari_deltamic.optics.microscope import MicroscopePSF

    n, step = _PIXELS, 2.0 * reach / (_PIXELS - 1)
    if isinstance(psf, MicroscopePSF):
        # A plane of it can be had by itself.
        across = psf.sampled((1, n, n), (step, step, step))[0]
        along = psf.sampled((n, 1, n), (step, step, step))[:, 0]
        return across.cpu().numpy(), along.cpu().numpy()
    # Of the whole no more than needed: a blur without bound is sampled where it is periodic.
    volume = psf.sampled((n, n, n), (step, step, step)).cpu().numpy()
    return volume[n // 2], volume[:, n // 2]


def draw_row(figure: Figure, shown: Sections, bottom: float, height: float) -> None:
    """Draw the sections of one PSF into a band across a figure, given in shares of its height."""
    side = 0.68 * height
    # The figure's shares of width and height differ by its own sides.
    ratio = figure.get_figheight() / figure.get_figwidth()
    wide = side * ratio
    base = bottom + 0.145 * height
    lefts = [0.055 + number * (wide + 0.063) for number in range(3)]
    xy, xz, otf = (figure.add_axes((left, base, wide, side)) for left in lefts)
    reach = shown.reach
    for axes, plane, name, down in ((xy, shown.xy, "xy", "y"), (xz, shown.xz, "xz", "z")):
        _show(axes, plane, (reach, reach))
        _label(axes, f"PSF, {name} through the centre", "x (µm)", f"{down} (µm)")
    # One scale for all three.
    image = _show(otf, shown.otf, shown.band)
    _label(otf, "|OTF|, ky = 0", "kx (cycles/µm)", "kz (cycles/µm)")
    _bar(figure, image, lefts[2] + wide + 0.008, base, side)


def _show(axes: Axes, plane: NDArray[np.float64], half: tuple[float, float]) -> Any:
    down, right = half
    return axes.imshow(
        np.maximum(plane, 1e-30),
        extent=(-right, right, down, -down),
        aspect="auto",
        interpolation="nearest",
        cmap=COLORMAP,
        norm=LogNorm(_FAINTEST, 1.0),
    )


def _label(axes: Axes, title: str, right: str, down: str) -> None:
    axes.set_title(title, fontsize=9, loc="left", pad=3)
    axes.set_xlabel(right, fontsize=8, labelpad=1)
    axes.set_ylabel(down, fontsize=8, labelpad=0)
    axes.locator_params(nbins=5)
    axes.tick_params(labelsize=7.5, length=2)
    for spine in axes.spines.values():
        spine.set_color(_LIGHT)


def _bar(figure: Figure, image: Any, left: float, bottom: float, height: float) -> None:
    bar = figure.add_axes((left, bottom, 0.008, height))
    figure.colorbar(image, cax=bar)
    bar.tick_params(labelsize=7, length=2)
    bar.minorticks_off()
