"""The light of faces that stay where they are, rendered once for many steps of the others."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import Brightness, Topology
from napari_deltamic.fitting.problem import Problem, density_modes

# Brightness is scaled with every step, its ratios are not; beyond this they are others.
_SAME = 1e-9


class StillLight:
    """Renders a mesh of which some vertices are held.

    Parameters
    ----------
    topology
        Of the mesh.
    held
        (V,) which vertices stay.
    """

    def __init__(self, topology: Topology, held: NDArray[np.bool_]) -> None:
        stays = torch.from_numpy(held).to(topology.faces.device)[topology.faces].all(dim=1)
        self._moving = Topology(*(table[~stays] for table in topology))
        self._staying = Topology(*(table[stays] for table in topology))
        self._known: dict[bool, tuple[NDArray[np.float64], torch.Tensor]] = {}

    def modes(
        self, problem: Problem, positions: torch.Tensor, brightness: Brightness
    ) -> torch.Tensor:
        """Return what :func:`~napari_deltamic.fitting.problem.density_modes` does.

        Parameters
        ----------
        problem
            The same in each call.
        positions
            (V, 3), those of held vertices the same in each call; the modes can be derived by the
            others.
        brightness
            Of membrane or of interior, the other being empty.
        """
        is_membrane = len(brightness.membrane) > 0
        values = brightness.membrane if is_membrane else brightness.interior
        scale = float(values.mean())
        ratios = values / scale
        known = self._known.get(is_membrane)
        if known is None or np.abs(ratios - known[0]).max() > _SAME:
            parts = (ratios, brightness.interior) if is_membrane else (brightness.membrane, ratios)
            with torch.no_grad():
                light = density_modes(
                    problem, positions.detach(), self._staying, Brightness(*parts, 0.0)
                )
            known = self._known[is_membrane] = ratios, light
        return density_modes(problem, positions, self._moving, brightness) + scale * known[1]
