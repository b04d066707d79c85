"""How well the cells of membrane stacks are found, on generated embryos and on real stacks.

Generated: Voronoi cells in an ellipsoid, contacts twice as bright as outer faces, z-spacing three
times that of x and y, a peak of 20 photons over 1 of background. Every cell must be found once.
Real: the ovule's reference cells that the border cuts at most slightly, all of its voxels for the
variation of information, and counts where there is no truth.
"""

import resource
import time
from itertools import product

import numpy as np
from machine import describe
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_deltamic.imaging import (
    ImageStack,
    automatic_markers,
    data_folder,
    fetch,
    membrane_labels,
    poisson_noise,
    read_stack,
)
from napari_deltamic.mesh import dice_scores, variation_of_information

SPACING = np.array((0.6, 0.2, 0.2))
PSF = np.array((0.6, 0.3, 0.3))
CELL_VOLUME, MARGIN, SHEET = 200.0, 2.5, 0.12
MOST_CUT = 0.05
CELEGANS_SPACING = (1.0, 0.25, 0.25)


def embryo(count: int, seed: int) -> tuple[ImageStack, np.ndarray]:
    """Return a noisy stack of ``count`` cells and its true labels."""
    rng = np.random.default_rng(seed)
    radii = np.array((0.8, 0.9, 1.3))
    radii *= np.cbrt(count * CELL_VOLUME / (4 / 3 * np.pi * radii.prod()))
    inside = rng.uniform(-1, 1, (40000, 3))
    inside = inside[np.linalg.norm(inside, axis=1) < 1] * radii
    sites = inside[rng.choice(len(inside), count, replace=False)]
    for _ in range(6):
        nearest = cKDTree(sites).query(inside)[1]
        sites = np.array([inside[nearest == cell].mean(axis=0) for cell in range(count)])
    shape = np.ceil(2 * (radii + MARGIN) / SPACING).astype(int) * (3, 1, 1)
    fine = SPACING / (3, 1, 1)
    position = (np.moveaxis(np.indices(shape), 0, -1) - (shape - 1) / 2) * fine
    distance, nearest = cKDTree(sites).query(position, k=2)
    apart = np.linalg.norm(sites[nearest[..., 0]] - sites[nearest[..., 1]], axis=-1)
    contact = (distance[..., 1] ** 2 - distance[..., 0] ** 2) / (2 * apart)
    level = np.linalg.norm(position / radii, axis=-1)
    depth = (level - 1) * level / np.linalg.norm(position / radii**2, axis=-1)
    light = np.exp(-((depth / SHEET) ** 2) / 2)
    light += np.where(depth < 0, 2 * np.exp(-((contact / SHEET) ** 2) / 2), 0)
    light = ndimage.gaussian_filter(light, PSF / fine)[1::3]
    truth = np.where(depth < 0, nearest[..., 0] + 1, 0)[1::3]
    return ImageStack(poisson_noise(light, 20.0, seed, 1.0), SPACING), truth


def timed(stack: ImageStack) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    labels = membrane_labels(stack)
    return labels, time.perf_counter() - start


def generated() -> None:
    print("\ncells seed  found  each once   mean Dice   volume error mean / max     seconds")
    for count, seed in product((4, 8, 32), (0, 1)):
        stack, truth = embryo(count, seed)
        labels, seconds = timed(stack)
        sizes = np.bincount(labels.ravel())
        partners, errors = [], []
        for cell in range(1, count + 1):
            shared = np.bincount(labels[truth == cell], minlength=len(sizes))
            partners.append(int(shared.argmax()))
            errors.append(abs(sizes[partners[-1]] / (truth == cell).sum() - 1))
        once = sorted(partners) == list(range(1, labels.max() + 1))
        dice = np.mean(list(dice_scores(labels, truth).values()))
        print(
            f"{count:5d} {seed:4d} {labels.max():6d} {'yes' if once else 'NO':>10} {dice:11.3f}"
            f" {100 * np.mean(errors):13.1f} % / {100 * np.max(errors):.1f} % {seconds:13.1f}"
        )


def ovule() -> None:
    stack = read_stack(fetch("ovule_membrane.tif"))
    truth = read_stack(fetch("ovule_membrane_labels.tif")).data.astype(int)
    border = np.ones(truth.shape, dtype=bool)
    border[1:-1, 1:-1, 1:-1] = False
    sizes = np.bincount(truth.ravel())
    cut = np.bincount(truth[border], minlength=len(sizes)) / np.maximum(sizes, 1)
    judged = [int(cell) for cell in np.unique(truth) if cell > 0 and cut[cell] < MOST_CUT]
    labels, seconds = timed(stack)
    split, merged = variation_of_information(labels, truth)
    scores = dice_scores(labels, truth)
    print(
        f"\novule: {labels.max()} cells ({len(np.unique(truth))} in the reference), variation of "
        f"information {split:.3f} split + {merged:.3f} merge nats; {seconds:.1f} s"
    )
    print(
        f"  Dice of the {len(judged)} cells with less than {MOST_CUT:.0%} of voxels on the border:"
    )
    print("  " + ", ".join(f"{cell}: {scores[cell]:.3f}" for cell in judged), end="")
    print(f"; mean {np.mean([scores[cell] for cell in judged]):.3f}")


def counted(name: str, spacing: tuple[float, float, float] | None) -> None:
    stack = read_stack(fetch(name), spacing=spacing)
    labels, seconds = timed(stack)
    sizes = np.bincount(labels.ravel())[1:] * stack.spacing.prod()
    sides = labels[:, [0, -1]].any() or labels[:, :, [0, -1]].any()
    points = len(automatic_markers(stack))
    print(
        f"\n{name}: {labels.max()} cells ({points} markers), median {np.median(sizes):.0f} um^3, "
        f"from {sizes.min():.0f} to {sizes.max():.0f}; "
        f"{'some reach' if sides else 'none reaches'} the sides; {seconds:.1f} s"
    )


def main() -> None:
    print(describe("numpy", "scipy", "scikit-image"))
    generated()
    if data_folder() is None:
        print("\nno folder of real data: the real stacks are left out")
    else:
        ovule()
        counted("celegans_dub_t33_membrane.tif", CELEGANS_SPACING)
        counted("drosophila_embryo_caax_tiny.tif", None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
