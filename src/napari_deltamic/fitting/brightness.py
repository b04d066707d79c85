"""The linear unknowns in closed form: the brightness of every interface and region, and the rest.

Few unknowns are solved for by one rendering of each. An embryo has hundreds; but their renderings
hardly overlap, so that conjugate gradients need a dozen renderings for all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import Brightness, Topology
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
    """
    solving = solving_brightness(problem, vertices, topology, brightness, steps, precision)
    return at_once(solving)


def solving_brightness(
    problem: Problem,
    vertices: torch.Tensor | NDArray[np.float64],
    topology: Topology,
    brightness: Brightness,
    steps: int = _STEPS,
    precision: float = PRECISION,
) -> Generator[None, None, Brightness]:
    """Do what :func:`solve_brightness` does bit by bit, a rendering at a time."""
    solving = _solving(problem, vertices, topology, brightness, _Effort(steps, precision))
    while True:
        # Both are settings of the thread, so none may outlast a yield.
        with threads_for(problem), torch.no_grad():
            try:
                next(solving)
            except StopIteration as end:
                return cast(Brightness, end.value)
        yield


def _solving(
    problem: Problem,
    vertices: torch.Tensor | NDArray[np.float64],
    topology: Topology,
    brightness: Brightness,
    effort: _Effort,
) -> Generator[None, None, Brightness]:
    split, rate = len(brightness.membrane), problem.attenuation
    values = np.concatenate([brightness.membrane, brightness.interior])
    light = _Light.of(problem, vertices, topology, brightness)
    constant = [] if problem.constant is None else [problem.constant]
    values, factors = yield from _best(light, constant, problem.target, values, effort)
    if problem.learns_attenuation:
        # Linear in its rate about the brightness that goes with the present one.
        columns = [*constant, (yield from light.dimmed(values))]
        values, factors = yield from _best(light, columns, problem.target, values, effort)
        farthest, most = _FARTHEST / problem.depth, _MOST_DIMMED / problem.depth
        rate = float(np.clip(rate + np.clip(factors[-1], -farthest, farthest), -most, most))
    return Brightness(values[:split], values[split:], factors[0] if constant else 0.0, rate)


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
    interface: NDArray[np.int64]
    inner: NDArray[np.int64]
    outer: NDArray[np.int64]
    interfaces: int
    regions: int
    render: Callable[[Vector, Vector], Vector]
    """From densities of faces, membrane and jump; an empty tensor for none."""
    _tape: tuple[Vector, list[Vector]] | None = None

    @classmethod
    def of(
        cls,
        problem: Problem,
        vertices: torch.Tensor | NDArray[np.float64],
        topology: Topology,
        brightness: Brightness,
    ) -> _Light:
        positions = positions_of(problem, vertices).detach()

        def render(membrane: Vector, jump: Vector) -> Vector:
            parts = [part if len(part) else None for part in (membrane, jump)]
            modes = problem.transform(positions, topology.faces, *parts)
            return problem.project(modes * problem.transfer)

        interface, inner_region, outer_region = (table.cpu().numpy() for table in topology[1:])
        return cls(
            problem,
            interface,
            inner_region,
            outer_region,
            len(brightness.membrane),
            len(brightness.interior),
            render,
        )

    @property
    def count(self) -> int:
        return self.interfaces + self.regions

    def seen(self, values: Numbers) -> Generator[None, None, Vector]:
        """Return what the brightness looks like, without background."""
        yield
        return self.render(*self._densities(values))

    def dimmed(self, values: Numbers) -> Generator[None, None, Vector]:
        """Return the derivative of what it looks like in the rate of attenuation."""
        assert self.problem.root is not None
        depths = torch.from_numpy(self.problem.depths).to(self.problem.root)
        return -depths[:, None, None] * (yield from self.seen(values))

    def adjoint(self, vector: Vector) -> Generator[None, None, Numbers]:
        """Return the transposed map."""
        if self._tape is None:
            yield
            with torch.enable_grad():
                leaves = [one.requires_grad_() for one in self._densities(np.ones(self.count))]
                self._tape = self.render(*leaves), leaves
        yield
        image, leaves = self._tape
        by_face = torch.autograd.grad(image, leaves, vector, retain_graph=True, allow_unused=True)
        parts = []
        if self.interfaces:
            parts.append(np.bincount(self.interface, _numbers(by_face[0]), self.interfaces))
        if self.regions:
            jumps = _numbers(by_face[1])
            sums = np.bincount(self.inner, jumps, self.regions + 1)
            sums -= np.bincount(self.outer, jumps, self.regions + 1)
            parts.append(sums[:-1])
        return np.concatenate(parts)

    def _densities(self, values: Numbers) -> list[Vector]:
        membrane, interior = values[: self.interfaces], np.append(values[self.interfaces :], 0.0)
        faces = [
            membrane[self.interface] if self.interfaces else np.empty(0),
            interior[self.inner] - interior[self.outer] if self.regions else np.empty(0),
        ]
        return [torch.from_numpy(one).float().to(self.problem.transform.device) for one in faces]


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

    The other columns are taken out of everything beforehand. A component that turns out negative is
    dark; it stays so unless the data want it brighter.
    """
    basis = _orthonormal(others)

    def freed(vector: Vector) -> Vector:
        for one in basis:
            vector = vector - inner(one, vector) * one
        return vector

    values = np.maximum(start, 0.0)
    scale = yield from _scales(light)
    residual = freed(target - (yield from light.seen(values)))
    slope = yield from light.adjoint(residual)
    largest = yield from light.adjoint(freed(target))
    settled = effort.precision * float(np.linalg.norm(scale * largest))
    free = np.ones(light.count, bool)
    for _ in range(_ROUNDS):
        direction, size = np.zeros(light.count), np.inf
        for _ in range(effort.steps):
            smoothed = np.where(free, scale**2 * slope, 0.0)
            before, size = size, float(smoothed @ slope)
            if np.sqrt(size) <= settled:
                break
            direction = smoothed + size / before * direction
            seen = freed((yield from light.seen(direction)))
            length = float(direction @ slope) / float(inner(seen, seen))
            values = values + length * direction
            residual = residual - length * seen
            slope = yield from light.adjoint(residual)
        dark = values < 0.0
        # What is dark at its best, or brighter than nothing after all.
        wanted = ~free & (slope * scale > settled)
        if not (dark.any() or wanted.any()):
            break
        free = (free & ~dark) | wanted
        if dark.any():
            values = np.where(dark, 0.0, values)
            residual = freed(target - (yield from light.seen(values)))
            slope = yield from light.adjoint(residual)
    values = np.maximum(values, 0.0)
    return values, _factors(others, target - (yield from light.seen(values)))


def _scales(light: _Light) -> Generator[None, None, Numbers]:
    """Return (N,) about one over the norm of each component's rendering.

    A face's light is taken to reach as many others of its kind in every interface, so that the
    squared norms are as the areas: the row sums of the products, shared out.
    """
    parts = []
    for kind in (slice(0, light.interfaces), slice(light.interfaces, light.count)):
        unit = np.zeros(light.count)
        unit[kind] = 1.0
        if unit.any():
            seen = yield from light.seen(unit)
            moments = yield from light.adjoint(seen)
            parts.append(np.maximum(moments[kind], 0.0))
    norms = np.concatenate(parts)
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
