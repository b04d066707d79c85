"""Frequency continuation: from a coarse, wide-basin problem to the full band."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.imaging.image_model import Shape, padded_shape
from napari_deltamic.imaging.stack import OnVoxels
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.region_boxes import region_boxes
from napari_deltamic.mesh.remeshing.driver import checked_lengths
from napari_deltamic.meshft.band import narrow_band
from napari_deltamic.optics import PSF

# A first band of this many modes across an object finds it from a rough seed.
_FIRST_MODES = 3.6
# The last band ends where the OTF has fallen this far: beyond lies more noise than shape.
_LAST_OTF = 0.02
# Extra blur of a stage, in units of 1 / cutoff; the OTF is then about one half at the band's edge.
_BLUR = 0.195
# Edge length of a stage in units of 1 / cutoff, for its first and its last stage.
_EDGES = (0.26, 0.38)
# Shortest edge that is chosen by itself, in units of the smallest voxel side.
_FINEST_EDGE = 1.25
# Longest edge that may be asked for, as a part of an object's size: some 120 faces for a ball.
_COARSEST_EDGE = 0.25
# Likely offset of a vertex from its neighbours' mean, as a fraction of that of a surface whose
# radius of curvature is 1 / cutoff; towards the first and the last stage, and in that. Measured.
_BENDS = (0.08, 0.02, 0.003)
# The same of regions that touch. They start near their place, where offsets from the neighbours'
# own are held from the start: others would flatten what is merely round.
_TOUCHING_BENDS = (0.01, 0.003, 0.002)
# Of surfaces that do not touch, in a last stage with Poisson weights. Without a blur the noise that
# the prior is weighed against is some 14 times more; a wider prior settles sooner.
_POISSON_BEND = 0.006


class Stage(NamedTuple):
    """One problem of the continuation."""

    cutoff: float
    """Largest frequency in cycles/um along an axis on which the PSF lets it through."""
    band: tuple[int, int, int]
    """Largest mode index along z, y and x."""
    blur: float
    """Standard deviation in um of a Gaussian that data and rendering are both blurred by."""
    edge_length: float
    """Of the mesh, in um."""
    offset_width: float
    """Standard deviation in um of a vertex' offset from its neighbours; see :mod:`roughness`."""
    roughness_order: int
    """1 or 2; see :mod:`roughness`."""


def stages(
    stack: OnVoxels,
    mesh: TriangleMesh,
    psf: PSF,
    box: tuple[int, int, int],
    settings: FitSettings,
    size: float | None = None,
) -> list[Stage]:
    """Return the stages of a fit, coarse to fine.

    Parameters
    ----------
    stack, mesh, psf, settings
        Those of the fit.
    box
        Voxels of the periodic box around the stack.
    size
        How large an object may be, in um; by default what stack and mesh say.

    Raises
    ------
    ValueError
        If the edge length asked for is too long for the objects, or so short that there would be
        too many faces.
    """
    size = object_size(stack, mesh) if size is None else size
    if settings.edge_length is not None and settings.remesh:
        _check_edge_length(settings.edge_length, size, mesh)
    lengths = stack.spacing * box
    widest, nyquist, last = _last_band(stack.spacing, psf, box)
    first = min(_FIRST_MODES / size, last)
    count = settings.stages if first < last else 1
    result = []
    for position in np.linspace(0.0, 1.0, count) if count > 1 else [1.0]:
        cutoff = first * (last / first) ** position
        # The last cutoff is a mode of the box, up to rounding.
        reach = np.minimum(np.ceil(cutoff * lengths - 1e-9).astype(int), widest)
        # Past Nyquist modes alias, so then all that the PSF lets through must be there.
        band = np.where(reach >= nyquist, widest, reach)
        edge = (_EDGES[0] + (_EDGES[1] - _EDGES[0]) * position) / cutoff
        finest = settings.edge_length or _finest_edge(stack.spacing)
        edge = max(edge, finest) if position < 1 or settings.edge_length is None else finest
        final = position == 1
        weighted = final and settings.noise == "poisson"
        blur = 0.0 if weighted else _BLUR / cutoff
        bends = _TOUCHING_BENDS if mesh.has_contacts else _BENDS
        bend = bends[2] if final else bends[0] + (bends[1] - bends[0]) * position
        if weighted and not mesh.has_contacts:
            bend = _POISSON_BEND
        width = bend * cutoff * edge**2
        kept = int(band[0]), int(band[1]), int(band[2])
        order = 2 if final or mesh.has_contacts else 1
        result.append(Stage(cutoff, kept, blur, edge, width, order))
    return result


def automatic_edge_length(
    shape: tuple[int, int, int], spacing: NDArray[np.float64], psf: PSF
) -> float:
    """Return the edge length in um of the last stage where :class:`FitSettings` asks for none.

    Parameters
    ----------
    shape
        Voxels of the stack; its objects are taken to lie in it.
    spacing
        (3,) voxel size in um.
    psf
        The blur.
    """
    box = padded_shape(shape, spacing, np.minimum(psf.extent(), spacing * shape))
    return max(_EDGES[1] / _last_band(spacing, psf, box)[2], _finest_edge(spacing))


def finest_seen(stack: OnVoxels, psf: PSF) -> NDArray[np.float64]:
    """Return (3,) the largest frequencies of the last stage along z, y and x, in cycles/um."""
    box = padded_shape(stack.shape, stack.spacing, np.minimum(psf.extent(), stack.spacing))
    # Up to the next mode, for in thin stacks they lie far apart.
    return np.asarray((_last_band(stack.spacing, psf, box)[0] + 1) / (stack.spacing * box))


def _last_band(
    spacing: NDArray[np.float64], psf: PSF, box: Shape
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Return the largest modes that the PSF lets through, those of Nyquist, and the last cutoff."""
    widest = np.array(narrow_band(box, spacing, psf.otf, _LAST_OTF))
    nyquist = np.maximum((np.array(box) - 1) // 2, 1)
    return widest, nyquist, float((np.minimum(widest, nyquist) / (spacing * box)).max())


def _finest_edge(spacing: NDArray[np.float64]) -> float:
    return _FINEST_EDGE * float(spacing.min())


def _check_edge_length(edge_length: float, size: float, mesh: TriangleMesh) -> None:
    """Raise ValueError before the first stage, not when the last one comes to remesh."""
    if edge_length > _COARSEST_EDGE * size:
        raise ValueError(
            f"edge_length: {edge_length:g} um is too long for objects of at most {size:.3g} um; "
            f"ask for {_COARSEST_EDGE * size:.3g} um or less, or leave it out"
        )
    checked_lengths(mesh, edge_length)


def object_size(stack: OnVoxels, mesh: TriangleMesh) -> float:
    """Return how large an object may be, in um: its share of the stack, or its seed if larger."""
    lower, upper = region_boxes(mesh)
    share = float(np.min(stack.spacing * stack.shape)) / len(mesh.regions) ** (1 / 3)
    return float(max(0.6 * share, np.median(np.max(upper - lower, axis=1))))
