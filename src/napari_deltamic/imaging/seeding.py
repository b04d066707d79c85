"""Starting surfaces from the image itself: threshold, split what touches, mesh each object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.noise import estimate_background, estimate_noise
from napari_deltamic.imaging.stack import ImageStack
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

# Two lobes are one object unless the saddle between them is lower than this part of the lower one.
_SADDLE = 0.8
# A blurred, evenly filled object is cut at its true surface by half its plateau.
_HALF = 0.5
_PLATEAU_PERCENTILE = 95.0
# Of its filled volume; objects with more dark inside than that are shells, not bodies.
_HOLLOW_FRACTION = 0.2
_FRACTION_OF_TYPICAL_SIZE = 0.2
_NOISE_FLOOR = 4.0
_ADVICE = (
    "set a lower threshold or min_size, check that the right channel is chosen, or place seeds by "
    "hand (seed_spheres)"
)


def seed_from_image(
    stack: ImageStack,
    threshold: float | None = None,
    min_size: float | None = None,
    smoothing: float | None = None,
    fill_holes: bool = True,
    edge_length: float | None = None,
    split_touching: bool = True,
) -> TriangleMesh:
    """Find the objects in a stack and return one closed surface round each.

    Meant as the start of a fit, for labelled interiors (nuclei, cytosol) and for separate objects
    with a labelled surface. :func:`label_image` shows what it finds, as a label image.

    Parameters
    ----------
    stack
        The image.
    threshold, min_size, smoothing, fill_holes, split_touching
        As in :func:`label_image`.
    edge_length
        About how long the edges shall be, in um; by default as ``seed_from_labels`` chooses.

    Returns
    -------
    TriangleMesh
        Regions 1, 2, 3, ... as in the label image.

    Raises
    ------
    ValueError
        If an argument is out of range or no object is found.
    """
    from napari_deltamic.mesh.seeds import seed_from_labels

    labels = label_image(stack, threshold, min_size, smoothing, fill_holes, split_touching)
    return seed_from_labels(labels, stack.spacing, stack.origin, edge_length=edge_length)


def label_image(
    stack: ImageStack,
    threshold: float | None = None,
    min_size: float | None = None,
    smoothing: float | None = None,
    fill_holes: bool = True,
    split_touching: bool = True,
) -> NDArray[np.int32]:
    """Find the objects in a stack.

    Parameters
    ----------
    stack
        The image.
    threshold
        In the stack's units, on the smoothed image; voxels above belong to objects. By default
        Otsu's threshold on the square root of the smoothed image (dim objects are not lost to
        bright ones), then each object is cut at half its own brightness above the background.
    min_size
        Smallest object to keep, in um^3; by default a fifth of the size that half of the
        objects' volume lies in objects smaller than, so that specks do not count.
    smoothing
        Standard deviation of the Gaussian that the image is smoothed with, in um; by default
        the geometric mean of the voxel size. 0 for none.
    fill_holes
        Whether to fill dark space that an object encloses, as inside a labelled surface.
    split_touching
        Whether to cut objects in two where they are thin or dim.

    Returns
    -------
    ndarray
        (Z, Y, X) int32: 0 outside, 1, 2, 3, ... in the order of the objects' first voxels.

    Raises
    ------
    ValueError
        If an argument is out of range or no object is found.
    """
    from scipy import ndimage

    voxel = float(np.prod(stack.spacing))
    sigma = _checked("smoothing", smoothing, default=voxel ** (1 / 3))
    smallest = None if min_size is None else _checked("min_size", min_size)
    if threshold is not None and not np.isfinite(threshold):
        raise ValueError(f"threshold: expected a finite brightness, got {threshold}")
    trusted = stack.data if stack.mask is None else stack.data[stack.mask]
    if trusted.min() == trusted.max():
        raise ValueError(
            f"stack: every voxel holds {trusted.max():g}, so there is nothing to find; check the "
            "file and the chosen channel"
        )

    background = estimate_background(stack)
    smooth = _smoothed(stack, sigma, background)
    level = (
        _automatic_threshold(stack, smooth, sigma, background) if threshold is None else threshold
    )
    lit = smooth > level
    filled = ndimage.binary_fill_holes(lit) if fill_holes else lit
    pieces, _ = ndimage.label(filled)
    if split_touching:
        wide = _smoothed(stack, 2 * sigma, background) - background
        pieces = _split(pieces, lit, wide, stack.spacing)
    if threshold is None:
        pieces = _cut_at_half(pieces, lit, smooth - background, fill_holes, stack.spacing)
    # Below a ball of twice the smoothing's width, a blob is what smoothing makes of noise.
    least = 4 / 3 * np.pi * (2 * sigma) ** 3
    return _without_small(pieces, voxel, smallest, least)


def _checked(name: str, value: float | None, default: float = 0.0) -> float:
    number = default if value is None else value
    if not np.isfinite(number) or number < 0:
        raise ValueError(f"{name}: expected a finite number of 0 or more, got {value}")
    return float(number)


def _smoothed(stack: ImageStack, sigma: float, background: float) -> NDArray[np.float32]:
    """Return the image smoothed by ``sigma`` um; untrusted voxels count as background."""
    from scipy import ndimage

    data = stack.data
    if stack.mask is not None:
        data = np.where(stack.mask, data, np.float32(background))
    return np.asarray(ndimage.gaussian_filter(data, sigma / stack.spacing), dtype=np.float32)


def _automatic_threshold(
    stack: ImageStack, smooth: NDArray[np.float32], sigma: float, background: float
) -> float:
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    root = np.sqrt(np.maximum(smooth - background, 0.0))
    level = float(threshold_otsu(root)) ** 2
    if min(stack.shape[1:]) < 3:
        return background + level
    kept = 1.0  # of the noise's variance, after smoothing
    for width in sigma / stack.spacing:
        impulse = np.zeros(2 * int(4 * width + 1) + 1)
        impulse[len(impulse) // 2] = 1.0
        kept *= float(np.sum(ndimage.gaussian_filter1d(impulse, width) ** 2))
    return background + max(level, _NOISE_FLOOR * estimate_noise(stack) * float(np.sqrt(kept)))


def _split(
    pieces: NDArray[np.int32],
    lit: NDArray[np.bool_],
    brightness: NDArray[np.float32],
    spacing: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Cut every piece by a watershed of distance to its surface times brightness.

    The dark inside of a shell says nothing about where to cut: there the distance alone counts.
    """
    from scipy import ndimage
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed

    result = np.zeros_like(pieces)
    count = 0
    drop = -np.log(_SADDLE)
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        inside = pieces[box] == number
        height = _depth(inside, spacing)
        if not _is_shell(inside, lit[box], brightness[box], height):
            height *= np.maximum(brightness[box], 0.0)
        floor = height.max() * 1e-3
        height = np.log(np.maximum(height, floor) / floor) if floor > 0 else height
        peaks = height - reconstruction(height - drop, height) > 0.999 * drop
        markers, found = ndimage.label(peaks & inside, structure=np.ones((3, 3, 3)))
        cut = watershed(-height, markers, mask=inside) if found > 1 else inside.astype(np.int32)
        result[box][cut > 0] = cut[cut > 0] + count
        count += max(found, 1)
    return result


def _cut_at_half(
    pieces: NDArray[np.int32],
    lit: NDArray[np.bool_],
    brightness: NDArray[np.float32],
    fill_holes: bool,
    spacing: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Shrink every solid piece to its largest part brighter than half its plateau."""
    from scipy import ndimage

    result = np.zeros_like(pieces)
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        inside = pieces[box] == number
        if not _is_shell(inside, lit[box], brightness[box], _depth(inside, spacing)):
            plateau = np.percentile(brightness[box][inside], _PLATEAU_PERCENTILE)
            parts, _ = ndimage.label(inside & (brightness[box] > _HALF * plateau))
            inside = parts == np.bincount(parts[parts > 0]).argmax()
            if fill_holes:
                inside = ndimage.binary_fill_holes(inside)
        result[box][inside] = number
    return result


def _depth(inside: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance to the surface in um, also where the object touches the box's sides."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=spacing)
    return np.asarray(depth[1:-1, 1:-1, 1:-1])


def _is_shell(
    inside: NDArray[np.bool_],
    lit: NDArray[np.bool_],
    brightness: NDArray[np.float32],
    depth: NDArray[np.float64],
) -> bool:
    """Whether an object is dark within: mostly unlit, or dimmer in its core than in its rind."""
    if int((inside & ~lit).sum()) > _HOLLOW_FRACTION * int(inside.sum()):
        return True
    core = depth > 0.5 * depth.max()
    rind = inside & ~core
    return bool(rind.any() and np.median(brightness[core]) < np.median(brightness[rind]))


def _without_small(
    pieces: NDArray[np.int32], voxel: float, smallest: float | None, least: float
) -> NDArray[np.int32]:
    """Drop small pieces and number the rest 1, 2, 3, ...; sizes in um^3."""
    sizes = np.bincount(pieces.ravel()) * voxel
    sizes[0] = 0.0
    if smallest is None:
        ascending = np.sort(sizes)
        half = np.searchsorted(np.cumsum(ascending), 0.5 * ascending.sum())
        smallest = max(_FRACTION_OF_TYPICAL_SIZE * float(ascending[half]), least)
    kept = (sizes >= smallest) & (sizes > 0)
    if not kept.any():
        raise ValueError(
            f"stack: no object found; the largest candidate has {sizes.max():.3g} um^3, the "
            f"smallest size is {smallest:.3g} um^3; {_ADVICE}"
        )
    numbers = np.zeros(len(sizes), dtype=np.int32)
    numbers[kept] = np.arange(1, int(kept.sum()) + 1)
    return np.asarray(numbers[pieces])
