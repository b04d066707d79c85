"""The linear unknowns in closed form: the brightness of every interface and region, and the rest.

Few unknowns are solved for by one rendering of each. An embryo has hundreds; but their renderings
hardly overlap, so that conjugate gradients need a dozen renderings for all of them together.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import (
    Brightness,
    Topology,
    interior_jumps,
    is_dim,
    per_face,
)
from napari_deltamic.fitting.linear import bounded_minimum
from napari_deltamic.fitting.problem import Problem, inner, positions_of, threads_for
from napari_deltamic.mesh.steps import at_once

Vector = torch.Tensor
Numbers = NDArray[np.float64]
Found = tuple[Numbers, list[float]]
"""Brightness, and factors of other columns."""

# Up to so many unknowns a rendering of each costs less than conjugate gradients.
_FEW = 8
_STEPS = 12
# Sets of dark components that are tried: each may show that others are dark, or bright after all.
_ROUNDS = 4
PRECISION = 3e-4
# Largest change of the logarithm of brightness over the depth of the stack that is solved at once.
_FARTHEST = 0.5
# The deepest plane is not dimmed by more than this, in either direction.
_MOST_DIMMED = 4.0


class _Effort(NamedTuple):
    """When conjugate gradients end."""

    steps: int
    precision: float


def solve_brightness(
    problem: Problem,
    vertices: torch.Tensor | NDArray[np.float64],
    topology: Topology,
    brightness: Brightness,
    steps: int = _STEPS,
    precision: float = PRECISION,
    kept: NDArray[np.bool_] | None = None,
) -> Brightness:
    """Return all linear unknowns at their best, none but background and attenuation negative.

    Parameters
    ----------
    problem
        The stage's problem. If its attenuation is to be learned, the one returned is better, and
        the other unknowns are those that go with it.
    vertices
        (V, 3) float64 in um from the centre of voxel 0.
    topology
        Of the mesh.
    brightness
        Says how many unknowns there are of each kind; where to start from if they are many.
    steps
        Most steps of conjugate gradients for one set of dark components.
    precision
        They end where the gradient has fallen to this part of its first size.
    kept
        (I + R,) which interfaces, and after them which regions, stay as bright as they are; None
        for none.
    """
    solving = solving_brightness(problem, vertices, topology, brightness, steps, precision, kept)
    return at_once(solving)


def solving_brightness(
    problem: Problem,
    vertices: torch.Tensor | NDArray[np.float64],
    topology: Topology,
    brightness: Brightness,
    steps: int = _STEPS,
    precision: float = PRECISION,
    kept: NDArray[np.bool_] | None = None,
) -> Generator[None, None, Brightness]:
    """Do what :func:`solve_brightness` does bit by bit, a rendering at a time."""
    split = len(brightness.membrane)
    free = np.ones(split + len(brightness.interior), bool) if kept is None else ~kept
    light = _Light(problem, positions_of(problem, vertices).detach(), topology, split, free)
    solving = _solving(light, brightness, _Effort(steps, precision))
    while True:
        # Both are settings of the thread, so none may outlast a yield.
        with threads_for(problem), torch.no_grad():
            try:
                next(solving)
            except StopIteration as end:
                return cast(Brightness, end.value)
        yield


def _solving(
    light: _Light, brightness: Brightness, effort: _Effort
) -> Generator[None, None, Brightness]:
    problem, split, rate = light.problem, light.interfaces, light.problem.attenuation
    everything = np.concatenate([brightness.membrane, brightness.interior])
    values, target = everything[light.free], problem.target
    still = yield from light.kept(everything)
    if still is not None:
        target = target - still
    constant = [] if problem.constant is None else [problem.constant]
    values, factors = yield from _best(light, constant, target, values, effort)
    if problem.learns_attenuation:
        # Linear in its rate about the brightness that goes with the present one.
        seen = yield from light.seen(values)
        columns = [*constant, _dimmed(problem, seen if still is None else seen + still)]
        values, factors = yield from _best(light, columns, target, values, effort)
        farthest, most = _FARTHEST / problem.depth, _MOST_DIMMED / problem.depth
        rate = float(np.clip(rate + np.clip(factors[-1], -farthest, farthest), -most, most))
    everything[light.free] = values
    return Brightness(everything[:split], everything[split:], factors[0] if constant else 0.0, rate)


def _dimmed(problem: Problem, image: Vector) -> Vector:
    """Return the derivative of what is seen in the rate of attenuation."""
    assert problem.root is not None
    depths = torch.from_numpy(problem.depths).to(problem.root)
    return -depths[:, None, None] * image


def _best(
    light: _Light, others: list[Vector], target: Vector, start: Numbers, effort: _Effort
) -> Generator[None, None, Found]:
    """Return the brightness, and factors of other columns, that fit best together."""
    if light.count <= _FEW:
        return (yield from _by_columns(light, others, target))
    return (yield from _by_steps(light, others, target, start, effort))


@dataclass
class _Light:
    """The linear map from the brightness of interfaces and regions to the problem's space.

    Its methods yield before each rendering.
    """

    problem: Problem
    positions: Vector
    topology: Topology
    interfaces: int
    free: NDArray[np.bool_]
    """(I + R,) which of them are unknown: the others are none of the map's."""
    _tape: tuple[Vector, list[Vector]] | None = None

    @property
    def count(self) -> int:
        return int(self.free.sum())

    @property
    def kinds(self) -> list[slice]:
        """Where the unknown ones of interfaces are, and where those of regions, if there are."""
        split = int(self.free[: self.interfaces].sum())
        return [
            kind for kind in (slice(0, split), slice(split, self.count)) if kind.stop > kind.start
        ]

    def seen(self, values: Numbers) -> Generator[None, None, Vector]:
        """Return what the brightness looks like, without background."""
        yield
        return self._render(self._unknown, self._densities(self._among(values), self._unknown))

    def kept(self, everything: Numbers) -> Generator[None, None, Vector | None]:
        """Return what the brightness that is known looks like; None if there is none."""
        if self.free.all():
            return None
        yield
        known, shining = self._lit(~self.free), np.where(self.free, 0.0, everything)
        return self._render(known, self._densities(shining, known))

    def of_ones(self) -> Generator[None, None, Vector]:
        """Return what it looks like if all that is unknown is as bright."""
        return (yield from self._taped())[0].detach()

    def adjoint(self, vector: Vector) -> Generator[None, None, Numbers]:
        """Return the transposed map."""
        image, leaves = yield from self._taped()
        yield
        by_face = torch.autograd.grad(image, leaves, vector, retain_graph=True, allow_unused=True)
        interface, inner_region, outer_region = self._tables
        regions, parts = len(self.free) - self.interfaces, []
        if self.interfaces:
            parts.append(np.bincount(interface, _numbers(by_face[0]), self.interfaces))
        if regions:
            jumps = _numbers(by_face[1])
            sums = np.bincount(inner_region, jumps, regions + 1)
            sums -= np.bincount(outer_region, jumps, regions + 1)
            parts.append(sums[:-1])
        return np.concatenate(parts)[self.free].astype(np.float64)

    def _taped(self) -> Generator[None, None, tuple[Vector, list[Vector]]]:
        if self._tape is None:
            yield
            leaves = self._densities(self._among(np.ones(self.count)), self._unknown)
            with torch.enable_grad():
                leaves = [one.requires_grad_() for one in leaves]
                self._tape = self._render(self._unknown, leaves), leaves
        return self._tape

    @cached_property
    def _unknown(self) -> Topology:
        return self._lit(self.free)

    @cached_property
    def _tables(self) -> list[NDArray[np.int64]]:
        return [table.cpu().numpy() for table in self._unknown[1:]]

    def _lit(self, shining: NDArray[np.bool_]) -> Topology:
        """Return the faces whose densities some of the brightness goes into."""
        if shining.all():
            return self.topology
        chosen = torch.from_numpy(shining).to(self.topology.faces.device)
        # The last is that of the outside.
        regions = torch.nn.functional.pad(chosen[self.interfaces :], (0, 1))
        if self.interfaces:
            faces = chosen[: self.interfaces][self.topology.interface]
        else:
            faces = torch.zeros_like(self.topology.interface, dtype=torch.bool)
        if len(regions) > 1:
            faces = faces | regions[self.topology.inner] | regions[self.topology.outer]
        return Topology(*(table[faces] for table in self.topology))

    def _among(self, values: Numbers) -> Numbers:
        everything = np.zeros(len(self.free))
        everything[self.free] = values
        return everything

    def _densities(self, everything: Numbers, topology: Topology) -> list[Vector]:
        """Return those of faces, membrane and jump; an empty tensor for none."""
        membrane, interior = everything[: self.interfaces], everything[self.interfaces :]
        parts = [
            per_face(membrane, topology) if len(membrane) else torch.empty(0),
            interior_jumps(topology, interior) if len(interior) else torch.empty(0),
        ]
        return [part.float() for part in parts]

    def _render(self, topology: Topology, densities: list[Vector]) -> Vector:
        parts = [part if len(part) else None for part in densities]
        modes = self.problem.transform(self.positions, topology.faces, *parts)
        return self.problem.project(modes * self.problem.transfer)


def _numbers(values: Vector | None) -> Numbers:
    assert values is not None
    return np.asarray(values.double().cpu().numpy())


def _by_columns(
    light: _Light, others: list[Vector], target: Vector
) -> Generator[None, None, Found]:
    """Return brightness and factors of other columns, from products of all columns."""
    columns = []
    for unit in np.eye(light.count):
        columns.append((yield from light.seen(unit)))
    columns += others
    products = [[inner(a, b) for b in [*columns, target]] for a in columns]
    # Together, because each number that is asked of a GPU costs a wait.
    table = torch.stack([torch.stack(row) for row in products]).double().cpu().numpy()
    least = np.concatenate([np.zeros(light.count), np.full(len(others), -np.inf)])
    found = bounded_minimum(table[:, :-1], table[:, -1], least, np.full(len(columns), np.inf))
    return found[: light.count], found[light.count :].tolist()


def _by_steps(
    light: _Light, others: list[Vector], target: Vector, start: Numbers, effort: _Effort
) -> Generator[None, None, Found]:
    """Return the same by conjugate gradients, without the products of all pairs of columns.

    What the other columns explain is taken out of every slope and of what each step gains. A
    component that turns out negative is dark; it stays so unless the data want it brighter.
    """
    basis, shadows = _orthonormal(others), []
    for one in basis:
        shadows.append((yield from light.adjoint(one)))

    def slope_at(rest: Vector) -> Generator[None, None, Numbers]:
        slope = yield from light.adjoint(rest)
        for one, shadow in zip(basis, shadows, strict=True):
            slope -= float(inner(one, rest)) * shadow
        return slope

    # Who was dark before, and has been kept alight for its gradient, is likely to be so again.
    free = np.concatenate([~is_dim(start[kind]) for kind in light.kinds])
    values = np.where(free, start, 0.0)
    scale = yield from _scales(light)
    rest, taken = target - (yield from light.seen(values)), np.zeros(len(basis))
    slope = yield from slope_at(rest)
    largest = yield from slope_at(target)
    settled = effort.precision * float(np.linalg.norm(scale * largest))
    for _ in range(_ROUNDS):
        direction, size = np.zeros(light.count), np.inf
        for _ in range(effort.steps):
            smoothed = np.where(free, scale**2 * slope, 0.0)
            before, size = size, float(smoothed @ slope)
            if np.sqrt(size) <= settled:
                break
            direction = smoothed + size / before * direction
            seen = yield from light.seen(direction)
            # In place: another vector of the data's size would take as long as the rest of it.
            shares = np.array([float(inner(one, seen)) for one in basis])
            _take_out(seen, basis, shares)
            length = float(direction @ slope) / float(inner(seen, seen))
            values, taken = values + length * direction, taken + length * shares
            rest.sub_(seen, alpha=length)
            slope = yield from slope_at(rest)
        dark = values < 0.0
        # What is dark at its best, or brighter than nothing after all.
        wanted = ~free & (slope * scale > settled)
        if not (dark.any() or wanted.any()):
            break
        free = (free & ~dark) | wanted
        if dark.any():
            values = np.where(dark, 0.0, values)
            rest, taken = target - (yield from light.seen(values)), np.zeros(len(basis))
            slope = yield from slope_at(rest)
    _take_out(rest, basis, taken)
    return values, _factors(others, rest)


def _take_out(vector: Vector, basis: list[Vector], shares: Numbers) -> None:
    for one, share in zip(basis, shares, strict=True):
        vector.sub_(one, alpha=float(share))


def _scales(light: _Light) -> Generator[None, None, Numbers]:
    """Return (N,) about one over the norm of each component's rendering.

    A face's light is taken to reach as many others of its kind in every interface, so that the
    squared norms are as the areas: the row sums of the products, shared out.
    """
    everything = yield from light.of_ones()
    parts, others = [], light.kinds[:-1]
    for kind in others:
        unit = np.zeros(light.count)
        unit[kind] = 1.0
        seen = yield from light.seen(unit)
        everything = everything - seen
        parts.append((yield from light.adjoint(seen))[kind])
    # The last kind is what the others leave.
    parts.append((yield from light.adjoint(everything))[light.kinds[-1]])
    norms = np.maximum(np.concatenate(parts), 0.0)
    return np.asarray(1.0 / np.sqrt(np.maximum(norms, 1e-6 * norms.max())))


def _orthonormal(columns: list[Vector]) -> list[Vector]:
    basis: list[Vector] = []
    for column in columns:
        for one in basis:
            column = column - inner(one, column) * one
        basis.append(column / inner(column, column).sqrt())
    return basis


def _factors(columns: list[Vector], rest: Vector) -> list[float]:
    """Return the factors of columns that explain most of what is left."""
    if not columns:
        return []
    gram = np.array([[float(inner(a, b)) for b in columns] for a in columns])
    moments = np.array([float(inner(a, rest)) for a in columns])
    bound = np.full(len(columns), np.inf)
    found: list[float] = bounded_minimum(gram, moments, -bound, bound).tolist()
    return found
