"""Starting surfaces from the image itself: threshold, split what touches, mesh each object."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.imaging.markers import marker_image
from napari_deltamic.imaging.noise import estimate_background, estimate_noise
from napari_deltamic.imaging.stack import ImageStack
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

SeedLabel = Literal["interior", "membrane"]

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
    "lower the threshold or the smallest size, check that the right channel is chosen, or place "
    "spheres by hand"
)


def seed_from_image(
    stack: ImageStack,
    threshold: float | None = None,
    min_size: float | None = None,
    smoothing: float | None = None,
    fill_holes: bool = True,
    edge_length: float | None = None,
    split_touching: bool = True,
    label: SeedLabel = "interior",
    markers: ArrayLike | None = None,
    cell_size: float | None = None,
    envelope: bool | ArrayLike | None = None,
) -> TriangleMesh:
    """Find the objects in a stack and return their surfaces.

    Meant as the start of a fit. :func:`label_image` and :func:`membrane_labels` show what it
    finds, as a label image.

    Parameters
    ----------
    stack
        The image.
    threshold, min_size, fill_holes, split_touching
        As in :func:`label_image`; not for membranes.
    smoothing
        As in :func:`label_image` or :func:`membrane_labels`.
    edge_length
        About how long the edges shall be, in um; by default as ``seed_from_labels`` chooses.
    label
        What is marked: "interior" for labelled interiors (nuclei, cytosol) and for separate objects
        with a labelled surface, "membrane" for cells whose membranes touch.
    markers
        What the objects are, if it is known: (N, 3) points in um or a (Z, Y, X) label image, as in
        the function that finds them.
    cell_size, envelope
        As in :func:`membrane_labels`; for membranes only.

    Returns
    -------
    TriangleMesh
        Regions 1, 2, 3, ... as in the label image.

    Raises
    ------
    ValueError
        If an argument is out of range or does not go with the label, or no object is found.
    """
    from napari_deltamic.mesh.seeds import seed_from_labels

    if label not in get_args(SeedLabel):
        raise ValueError(f"label: expected one of {get_args(SeedLabel)}, got {label!r}")
    if label == "membrane":
        from napari_deltamic.imaging.membranes import membrane_labels

        for name, value, default in (
            ("threshold", threshold, None),
            ("min_size", min_size, None),
            ("fill_holes", fill_holes, True),
            ("split_touching", split_touching, True),
        ):
            if value is not default:
                raise ValueError(
                    f"{name}: means nothing for membranes; leave it out, or use label='interior'"
                )
        labels = membrane_labels(stack, markers, smoothing, cell_size, envelope)
    else:
        for name, given in (("cell_size", cell_size), ("envelope", envelope)):
            if given is not None:
                raise ValueError(
                    f"{name}: means nothing for interiors; leave it out, or use label='membrane'"
                )
        labels = label_image(
            stack, threshold, min_size, smoothing, fill_holes, split_touching, markers
        )
    return seed_from_labels(labels, stack.spacing, stack.origin, edge_length=edge_length)


def label_image(
    stack: ImageStack,
    threshold: float | None = None,
    min_size: float | None = None,
    smoothing: float | None = None,
    fill_holes: bool = True,
    split_touching: bool = True,
    markers: ArrayLike | None = None,
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
        objects' volume lies in objects smaller than, so that specks do not count. Not with
        markers, as every marked object is kept.
    smoothing
        Standard deviation of the Gaussian that the image is smoothed with, in um; by default
        the geometric mean of the voxel size. 0 for none.
    fill_holes
        Whether to fill dark space that an object encloses, as inside a labelled surface.
    split_touching
        Whether to cut objects in two where they are thin or dim; marked ones always are.
    markers
        What the objects are, if it is known: (N, 3) points in um, (z, y, x), one in each, or a
        (Z, Y, X) label image of marks. Objects get the numbers of their points (1, 2, 3, ...) or
        marks; what has no mark is no object.

    Returns
    -------
    ndarray
        (Z, Y, X) int32: 0 outside, 1, 2, 3, ... in the order of the objects' first voxels, or as
        marked.

    Raises
    ------
    ValueError
        If an argument is out of range, no object is found, or a mark lies on none.
    """
    from scipy import ndimage

    voxel = float(np.prod(stack.spacing))
    sigma = _checked("smoothing", smoothing, default=voxel ** (1 / 3))
    smallest = None if min_size is None else _checked("min_size", min_size)
    if threshold is not None and not np.isfinite(threshold):
        raise ValueError(f"threshold: expected a finite brightness, got {threshold}")
    if markers is not None and min_size is not None:
        raise ValueError("min_size: every marked object is kept; leave out min_size or markers")
    marks = None if markers is None else marker_image(markers, stack)
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
    wide = _smoothed(stack, 2 * sigma, background) - background
    if marks is not None:
        pieces = _marked(pieces, lit, wide, marks, stack.spacing)
    elif split_touching:
        pieces = _split(pieces, lit, wide, stack.spacing)
    if threshold is None:
        pieces = _cut_at_half(pieces, lit, smooth - background, fill_holes, stack.spacing)
    if marks is not None:
        return np.asarray(pieces, dtype=np.int32)
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
    """Cut every piece where it is thin or dim."""
    from scipy import ndimage
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed

    result = np.zeros_like(pieces)
    count = 0
    drop = -np.log(_SADDLE)
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        inside = pieces[box] == number
        height = _height(inside, lit[box], brightness[box], spacing)
        peaks = height - reconstruction(height - drop, height) > 0.999 * drop
        markers, found = ndimage.label(peaks & inside, structure=np.ones((3, 3, 3)))
        cut = watershed(-height, markers, mask=inside) if found > 1 else inside.astype(np.int32)
        result[box][cut > 0] = cut[cut > 0] + count
        count += max(found, 1)
    return result


def _marked(
    pieces: NDArray[np.int32],
    lit: NDArray[np.bool_],
    brightness: NDArray[np.float32],
    marks: NDArray[np.int32],
    spacing: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Give every piece to its mark, cut between its marks; pieces without a mark are dropped."""
    from scipy import ndimage
    from skimage.segmentation import watershed

    wanted = np.unique(marks[marks > 0])
    lost = np.setdiff1d(wanted, marks[pieces > 0])
    if len(lost):
        raise ValueError(
            f"markers: {len(lost)} of {len(wanted)} lie on no object, the first is number "
            f"{lost[0]}; move or drop it, or set a lower threshold"
        )
    result = np.zeros_like(pieces)
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        inside = pieces[box] == number
        if (marks[box][inside] > 0).any():
            height = _height(inside, lit[box], brightness[box], spacing)
            cut = watershed(-height, marks[box], mask=inside)
            result[box][inside] = cut[inside]
    return result


def _height(
    inside: NDArray[np.bool_],
    lit: NDArray[np.bool_],
    brightness: NDArray[np.float32],
    spacing: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the logarithm of the distance to an object's surface times its brightness.

    The dark inside of a shell says nothing about where to cut: there the distance alone counts.
    """
    height = _depth(inside, spacing)
    if not _is_shell(inside, lit, brightness, height):
        height *= np.maximum(brightness, 0.0)
    floor = height.max() * 1e-3
    return np.log(np.maximum(height, floor) / floor) if floor > 0 else height


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
        if box is None:
            continue
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
