"""Binary masks to compare learned ones with, and light that is matched between them."""

from __future__ import annotations

from typing import Literal, get_args

import torch

FixedMasks = Literal["random", "hadamard", "uniform"]


def fixed_masks(
    kind: FixedMasks, count: int, rows: int, columns: int, binning: int, generator: torch.Generator
) -> torch.Tensor:
    """Return (T, Y, X) masks of zeros and ones.

    Parameters
    ----------
    kind
        "random", each voxel lit or not with equal chance; "hadamard", in every camera pixel the
        two-dimensional Walsh functions of the fewest sign changes, lit where positive; "uniform",
        all lit in every frame.
    count, rows, columns
        T, Y and X.
    binning
        Voxels along each side of a camera pixel; a power of two for Hadamard masks.
    generator
        Of the random ones.

    Raises
    ------
    ValueError
        If the kind is none of these, or there are no such Hadamard masks.
    """
    if kind == "random":
        return torch.randint(0, 2, (count, rows, columns), generator=generator).float()
    if kind == "uniform":
        return torch.ones(count, rows, columns)
    if kind == "hadamard":
        tile = hadamard_tiles(count, binning)
        return tile.repeat(1, rows // binning, columns // binning)
    raise ValueError(f"kind: expected one of {get_args(FixedMasks)}, got {kind!r}")


def hadamard_tiles(count: int, size: int) -> torch.Tensor:
    """Return (T, d, d) the T two-dimensional Walsh functions of lowest sequency, as 0 and 1.

    Raises
    ------
    ValueError
        If d is not a power of two, or has fewer than T functions.
    """
    if size & (size - 1) or not 1 <= count <= size * size:
        raise ValueError(
            f"binning: Hadamard masks need a power of two with at least {count} voxels in its "
            f"square, got {size}"
        )
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    changes = (matrix[:, 1:] != matrix[:, :-1]).sum(1)
    walsh = matrix[changes.argsort()]
    # Along both axes together: first the flat one, then the halves, then the quarters.
    index = torch.arange(size)
    sequency = (index[:, None] + index) * size + (index[:, None] - index).abs()
    order = sequency.flatten().argsort(stable=True)[:count]
    tiles = walsh[order // size, :, None] * walsh[order % size, None, :]
    return (tiles > 0).float()


def light_matched(masks: torch.Tensor) -> torch.Tensor:
    """Return masks as light: all frames together give the specimen one full exposure.

    The exposure time, which all frames share, is 1 / sum over frames of the mean mask, so that the
    means of the (T, Y, X) light add up to 1 whatever is compared: the light of
    :class:`~napari_deltamic.imaging.FullSampling`.
    """
    return masks / masks.mean(dim=(-2, -1)).sum().clamp(min=1e-3)
