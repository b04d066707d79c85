"""Bessel functions of the first kind that can be differentiated; torch's own cannot."""

from __future__ import annotations

from typing import Any

import torch

# Below this J2 is taken from its series, where the recurrence would cancel.
_SMALL = 1e-3


def bessel(order: int, x: torch.Tensor) -> torch.Tensor:
    """Return J0, J1 or J2 of real x, to 2e-7, with first derivatives in both modes.

    Parameters
    ----------
    order
        0, 1 or 2.
    x
        Any shape, float32 or float64.
    """
    found: torch.Tensor = _Bessel.apply(x, order)  # type: ignore[no-untyped-call]
    return found


def _value(order: int, x: torch.Tensor) -> torch.Tensor:
    if order < 2:
        known = torch.special.bessel_j0 if order == 0 else torch.special.bessel_j1
        found: torch.Tensor = known(x)
        return found
    small = x.abs() < _SMALL
    safe = torch.where(small, torch.ones_like(x), x)
    recurred = 2.0 * _value(1, safe) / safe - _value(0, safe)
    return torch.where(small, x.square() / 8.0, recurred)


def _slope(order: int, x: torch.Tensor) -> torch.Tensor:
    if order == 0:
        return -_value(1, x)
    if order == 1:
        return (_value(0, x) - _value(2, x)) / 2.0
    small = x.abs() < _SMALL
    safe = torch.where(small, torch.ones_like(x), x)
    return torch.where(small, x / 4.0, _value(1, safe) - 2.0 * _value(2, safe) / safe)


class _Bessel(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, order: int) -> torch.Tensor:
        return _value(order, x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, int], output: torch.Tensor) -> None:
        x, ctx.order = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        return cotangents[0] * _slope(ctx.order, x), None

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return tangents[0] * _slope(ctx.order, x)
