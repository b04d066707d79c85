"""The exact mesh Fourier transform in float64: the oracle that every fast path is tested against.

It costs faces x frequencies and is differentiable by torch's own rules, so it checks gradients too.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

# Below this spread of phases the recurrence cancels and the series converges within the terms.
_SERIES_SPREAD = 1.0
_SERIES_TERMS = 20
_PAIRS_AT_ONCE = 2_000_000


def exact_transform(
    vertices: ArrayLike | torch.Tensor,
    faces: ArrayLike | torch.Tensor,
    membrane: ArrayLike | torch.Tensor,
    k: ArrayLike | torch.Tensor,
    interior: ArrayLike | torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the Fourier transform of a mesh's density at given frequencies, in float64.

    Parameters
    ----------
    vertices
        (V, 3) in um.
    faces
        (F, 3) vertex indices.
    membrane
        (F,) density per um^2 of each face, or one number for all.
    k
        (N, 3) frequencies in cycles/um.
    interior
        (F,) density per um^3 on the inner side of each face minus that on its outer side, or one
        number for all. The mesh must be closed for this term to mean anything.

    Returns
    -------
    torch.Tensor
        (N,) complex128.

    Notes
    -----
    A face's surface term is -2 A f[a, b, c], the second divided difference of f(t) = exp(-i t) at
    the phases of its corners (Hermite-Genocchi formula); the interior term follows from it by the
    divergence theorem.
    """
    points = _float64(vertices)
    corners = points[_shareable(faces).to(torch.int64)]
    frequencies = _float64(k)
    face_count = len(corners)
    membrane = _float64(membrane).expand(face_count)
    jump = torch.zeros(()) if interior is None else _float64(interior)
    jump = jump.to(torch.float64).expand(face_count)
    cross = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double_area = _safe_norm(cross)
    # Per face, the volume of the tetrahedron to a common point gives the mode at zero.
    about = corners - points.detach().mean(dim=0)
    volume = (
        torch.einsum("fi,fi->f", about[:, 0], torch.linalg.cross(about[:, 1], about[:, 2])) / 6.0
    )

    pieces = []
    for some in frequencies.split(max(1, _PAIRS_AT_ONCE // max(face_count, 1))):
        phases = 2.0 * torch.pi * torch.einsum("nj,fcj->cfn", some, corners)
        unit = -divided_difference(phases[0], phases[1], phases[2])
        surface = torch.einsum("f,fn->n", (membrane * double_area) + 0j, unit)
        squared = (some * some).sum(dim=1)
        at_zero = squared == 0
        direction = some / torch.where(at_zero, torch.ones_like(squared), squared)[:, None]
        weight = jump[:, None] * torch.einsum("fj,nj->fn", cross, direction)
        by_divergence = (1j / (2.0 * torch.pi)) * (weight * unit).sum(dim=0)
        enclosed = torch.where(at_zero, (jump * volume).sum() + 0j, by_divergence)
        pieces.append(surface + enclosed)
    return torch.cat(pieces) if pieces else frequencies.new_zeros(0, dtype=torch.complex128)


def divided_difference(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """Return the second divided difference of exp(-i t) at three phases, to rounding.

    The order of the arguments does not matter mathematically, so the two that lie farthest apart
    are divided by; where even they are close, a Taylor series about the mean takes over.
    """
    low, middle, high = torch.stack([a, b, c]).sort(dim=0).values
    spread = high - low
    close = spread < _SERIES_SPREAD
    safe_spread = torch.where(close, torch.ones_like(spread), spread)
    recurrence = (_first_difference(middle, high) - _first_difference(low, middle)) / safe_spread
    # Far arguments would overflow the series in the branch that is not taken.
    mean = (low + middle + high) / 3.0
    offsets = [torch.where(close, t - mean, torch.zeros_like(t)) for t in (low, middle, high)]
    return torch.where(close, torch.exp(-1j * mean) * _series(*offsets), recurrence)


def _first_difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    half = 0.5 * (b - a)
    return -1j * torch.exp(-0.5j * (a + b)) * torch.sinc(half / torch.pi)


def _series(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """Return sum over n of (-i)^(n+2) / (n+2)! h_n, with h_n the complete symmetric polynomials."""
    e2, e3 = a * b + b * c + c * a, a * b * c
    previous = [torch.zeros_like(a), torch.zeros_like(a), torch.ones_like(a)]
    coefficient = -0.5 + 0j
    result = coefficient * previous[2]
    for n in range(1, _SERIES_TERMS):
        # e1 vanishes, because the offsets are about their mean.
        previous = [previous[1], previous[2], e3 * previous[0] - e2 * previous[1]]
        coefficient *= -1j / (n + 2)
        result = result + coefficient * previous[2]
    return result


def _safe_norm(vectors: torch.Tensor) -> torch.Tensor:
    squared = (vectors * vectors).sum(dim=-1)
    positive = squared > 0
    return torch.where(positive, torch.where(positive, squared, 1.0).sqrt(), 0.0)


def _float64(values: ArrayLike | torch.Tensor) -> torch.Tensor:
    return _shareable(values).to(torch.float64)


def _shareable(values: ArrayLike | torch.Tensor) -> torch.Tensor:
    # Meshes hold read-only arrays, which torch would warn about sharing.
    return values if isinstance(values, torch.Tensor) else torch.from_numpy(np.array(values))
