"""The continuous parameters of a PSF model under the names, units and bounds that people use.

An optimiser sees them as one vector of *raw* numbers: the quantity itself, or its logarithm where
it must stay positive.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_deltamic.optics.psf import PSF


class Quantity(NamedTuple):
    """One number of a PSF model."""

    name: str
    """As asked for by name, such as ``na`` or ``sigma_z``."""
    unit: str
    """Such as ``um`` or ``waves``; empty for a plain number."""
    parameter: str
    """The torch parameter that holds its raw value."""
    position: int | None
    """Index in that parameter; None where it is a single number."""
    lower: float
    """Smallest value that makes sense."""
    upper: float
    """Largest value that makes sense."""
    width: float
    """How well it is known beforehand: one standard deviation of its raw value."""
    logarithmic: bool = False
    """Whether the raw value is the logarithm."""

    def raw_of(self, value: float) -> float:
        """Return the raw number of a value."""
        return float(np.log(value)) if self.logarithmic else float(value)

    def value_of(self, raw: float) -> float:
        """Return the value of a raw number."""
        return float(np.exp(raw)) if self.logarithmic else float(raw)

    def deviation_of(self, raw: float, deviation: float) -> float:
        """Return a standard deviation in the quantity's unit from that of its raw number."""
        return deviation * self.value_of(raw) if self.logarithmic else deviation


def chosen_quantities(psf: PSF, names: Iterable[str], argument: str = "learn") -> list[Quantity]:
    """Return the quantities of a model that are asked for.

    Parameters
    ----------
    psf
        The model.
    names
        Names of quantities, or of groups: ``sigma`` stands for ``sigma_z``, ``sigma_y`` and
        ``sigma_x``.
    argument
        What the caller calls the names, for the error.

    Raises
    ------
    ValueError
        If the model has no such quantity; the message lists those it has.
    """
    offered = psf.quantities()
    chosen: dict[str, Quantity] = {}
    for name in names:
        found = [q for q in offered if q.name == name or q.name.startswith(f"{name}_")]
        exact = [q for q in found if q.name == name]
        if not found:
            has = ", ".join(q.name for q in offered) or "none"
            raise ValueError(
                f"{argument}: {type(psf).__name__} has no quantity {name!r}; it has: {has}"
            )
        chosen.update((q.name, q) for q in exact or found)
    return list(chosen.values())


def raw_values(psf: PSF, quantities: Sequence[Quantity]) -> NDArray[np.float64]:
    """Return (P,) the raw values that a model has now."""
    parameters = dict(psf.named_parameters())
    held = [parameters[q.parameter].detach().cpu().double() for q in quantities]
    return np.array(
        [
            float(tensor if q.position is None else tensor[q.position])
            for q, tensor in zip(quantities, held, strict=True)
        ]
    )


def called_with(
    psf: PSF, quantities: Sequence[Quantity], raw: torch.Tensor, method: str, *arguments: Any
) -> torch.Tensor:
    """Return what a model's method gives with other raw values, differentiable in them.

    Parameters
    ----------
    psf
        The model; left as it is.
    quantities
        What is replaced.
    raw
        (P,) the raw values.
    method, arguments
        Such as ``"otf", frequencies``.
    """
    parameters = dict(psf.named_parameters())
    replaced: dict[str, torch.Tensor] = {}
    for quantity, value in zip(quantities, raw, strict=True):
        held = parameters[quantity.parameter].detach()
        before = replaced.get(quantity.parameter, held)
        value = value.to(before)
        replaced[quantity.parameter] = (
            value
            if quantity.position is None
            else before.index_put((torch.tensor(quantity.position),), value)
        )
    # By way of forward, the only method that functional_call knows.
    found: torch.Tensor = torch.func.functional_call(psf, replaced, (method, *arguments))
    return found


def with_raw_values(
    psf: PSF, quantities: Sequence[Quantity], raw: NDArray[np.float64] | torch.Tensor
) -> PSF:
    """Return a copy of a model with other raw values."""
    result = copy.deepcopy(psf)
    parameters = dict(result.named_parameters())
    with torch.no_grad():
        for quantity, value in zip(quantities, raw, strict=True):
            held = parameters[quantity.parameter]
            held[... if quantity.position is None else quantity.position] = float(value)
    return result
