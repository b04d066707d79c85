"""What the faces of a mesh carry: which regions they part, and how bright each kind is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.mesh import TriangleMesh

_CPU = torch.device("cpu")
# A dark component would never be moved, so for the gradient none is darker than this part of the
# usual one. Not of the brightest: the sliver of an interface may be a hundred times as bright.
_DIMMEST = 0.05


class Topology(NamedTuple):
    """What the faces of a mesh say about its densities, on the device that renders it."""

    faces: torch.Tensor
    """(F, 3) vertex indices."""
    interface: torch.Tensor
    """(F,) interface of each face."""
    inner: torch.Tensor
    """(F,) position of the inner region among the mesh's regions; R for the outside."""
    outer: torch.Tensor
    """(F,) the same of the outer region."""


class Brightness(NamedTuple):
    """The linear unknowns."""

    membrane: NDArray[np.float64]
    """(I,) per um^2 of each interface; empty where the membrane is dark."""
    interior: NDArray[np.float64]
    """(R,) per um^3 of each region; empty where the interior is dark."""
    background: float
    attenuation: float = 0.0
    """How fast deeper planes get dimmer, per um along z from the stack's first plane."""


def topology_of(mesh: TriangleMesh, device: torch.device = _CPU) -> Topology:
    """Return the topology of a mesh on a device."""
    sides = np.where(mesh.face_regions < 0, len(mesh.regions), mesh.face_regions)
    tables = mesh.faces, mesh.face_interfaces, *sides.T
    return Topology(*(torch.tensor(np.array(table), device=device) for table in tables))


def interior_jumps(topology: Topology, interior: NDArray[np.float64]) -> torch.Tensor:
    """Return (F,) inner minus outer brightness of each face, from (R,) that of the regions."""
    with_outside = torch.tensor(np.append(interior, 0.0), device=topology.faces.device)
    return with_outside[topology.inner] - with_outside[topology.outer]


def per_face(membrane: NDArray[np.float64], topology: Topology) -> torch.Tensor:
    """Return (F,) the brightness of each face, from (I,) that of the interfaces."""
    return torch.tensor(membrane, device=topology.faces.device)[topology.interface]


def lit(brightness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the brightness without a dark component; all alike if every one is dark."""
    if len(brightness) == 0:
        return brightness
    bright = brightness[brightness > 0]
    if len(bright) == 0:
        return brightness + 1.0
    return np.maximum(brightness, _DIMMEST * np.median(bright))


def is_dim(brightness: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which components are dark, or little brighter than :func:`lit` would make them."""
    bright = brightness[brightness > 0]
    return brightness <= 2.0 * _DIMMEST * np.median(bright) if len(bright) else brightness <= 0
