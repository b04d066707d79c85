"""The phase that aberrations add in the pupil."""

from __future__ import annotations

from typing import NamedTuple

import torch

from napari_deltamic.optics.diffraction.zernike import degrees_of, zernike


class Aberrations(NamedTuple):
    """Zernike modes of a wavefront."""

    noll: tuple[int, ...]
    """Index of each."""
    path: torch.Tensor
    """(N,) root mean square of each over the pupil, in um of path."""

    @property
    def round(self) -> bool:
        """Whether none of them depends on the azimuth."""
        return all(degrees_of(noll)[1] == 0 for noll in self.noll)


def aberration_path(aberrations: Aberrations, v: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Return the path in um that the aberrations add at points of the unit disc."""
    total = torch.zeros_like(u)
    for noll, path in zip(aberrations.noll, aberrations.path, strict=True):
        total = total + path * zernike(noll, v, u)
    return total
