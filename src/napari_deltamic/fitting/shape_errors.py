"""How well a fit determines the shape: standard errors of vertices, volumes, areas, brightness.

A fit ends at the maximum a posteriori of its last stage. Its errors are the noise's, as it is in
each voxel, and what the prior on wrinkles held back. That counts with the prior's own width, as if
shapes were as rough on all scales; where they are smooth but bent, it holds back more: by how much
is estimated from the fitted shape.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.fitting.local_inverse import Solver
from napari_deltamic.fitting.measure_gradients import (
    area_gradients,
    interfaces_of_regions,
    volume_gradients,
)
from napari_deltamic.fitting.normal_equations import (
    Linearised,
    ended,
    farthest,
    normal_equations,
)
from napari_deltamic.fitting.prepared_fit import PreparedFit
from napari_deltamic.fitting.progress import Progress
from napari_deltamic.fitting.shape_unknowns import Unknowns
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.fitting.state import Intensities
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.steps import at_once

# How often what the prior held back is given back, to see how much it holds back of that.
_ROUNDS = 2
# Of what it held back: in a volume most of that cancels.
_PRECISION = 1e-3


class ShapeErrors(NamedTuple):
    """Standard errors of what a fit found; none is of the PSF, which is taken as it is."""

    vertices: NDArray[np.float64]
    """(V,) of each vertex across the surface, in um."""
    volumes: NDArray[np.float64]
    """(R,) of each region, in um^3."""
    areas: NDArray[np.float64]
    """(R,) of each region's surface, in um^2."""
    interface_areas: NDArray[np.float64]
    """(I,) of each interface, in um^2."""
    intensities: Intensities
    """Of the linear unknowns, in the image's units; zero for those that were not fitted."""


@dataclass(frozen=True, eq=False)
class ShapeCovariance:
    """How a fitted shape and its brightness may be off: mean squares, like a covariance."""

    mesh: TriangleMesh
    free: Unknowns
    _vertex_errors: NDArray[np.float64]
    _solver: Solver
    _held_back: NDArray[np.float64]

    def vertex_errors(self) -> NDArray[np.float64]:
        """Return (V,) standard errors of each vertex across the surface, in um.

        Where interfaces meet, the root mean square over the normals of the faces there.
        """
        return self._vertex_errors

    def error_of(self, gradient: ArrayLike) -> float:
        """Return the standard error of a function of the shape.

        Parameters
        ----------
        gradient
            (V, 3) its derivatives in the vertices, per um.

        Raises
        ------
        ValueError
            If the gradient is not of that shape.
        """
        return float(self.errors_of(np.asarray(gradient, dtype=np.float64)[None])[0])

    def errors_of(self, gradients: ArrayLike) -> NDArray[np.float64]:
        """Return (M,) standard errors of functions of the shape, from (M, V, 3) gradients."""
        array = np.asarray(gradients, dtype=np.float64)
        if array.ndim != 3 or array.shape[1:] != self.mesh.vertices.shape:
            raise ValueError(
                f"gradients: expected shape (M, {len(self.mesh.vertices)}, 3), got {array.shape}; "
                "give the derivatives in every vertex"
            )
        return np.asarray(_errors(at_once(self.covariance_of(array))))

    def covariance_of(
        self, gradients: NDArray[np.float64]
    ) -> Generator[None, None, NDArray[np.float64]]:
        """Return (M, M) the covariance of functions with (M, V, 3) gradients; yields often."""
        sums = self.free.along(gradients).T
        covariance = yield from self._solver.covariance(sums)
        held_back = sums.T @ self._held_back
        return np.asarray(covariance + np.outer(held_back, held_back))

    def brightness_covariance(self) -> Generator[None, None, NDArray[np.float64]]:
        """Return (K, K) that of the linear unknowns, in the fit's units; yields often.

        Their order is membrane, interior, background, attenuation, as far as the fit has them.
        """
        sparse, dense = self._solver.equations.border.shape
        return (yield from self._solver.covariance(np.zeros((sparse, dense)), np.eye(dense)))


def shape_covariance(
    prepared: PreparedFit, progress: Progress, stage: Stage
) -> Generator[None, None, ShapeCovariance]:
    """Return how well a fit determines its shape; yields several times a second.

    Parameters
    ----------
    prepared, stage
        As the last leg had them.
    progress
        Settled.
    """
    fit = ended(prepared, progress, stage)
    yield
    known = yield from normal_equations(fit)
    free = known.free
    solver = Solver(known.equations, fit.mesh.vertices[free.vertex], 0.5 * known.reach)
    held_back = yield from _held_back(known, solver)
    groups = yield from solver.local_covariances(known.reach)
    for core, covariance in groups:
        # As likely where the surface is bent otherwise by chance, so the mean around counts, of
        # vertices mostly that the data know.
        known_by = 1.0 / np.diag(covariance)
        covariance *= 1.0 + float(np.square(held_back[core] * known_by).sum() / known_by.sum())
    errors = np.sqrt(_across(fit.mesh, free, _tensors(fit.mesh, free, groups)))
    # Where nothing is known, as little is known of what the prior holds back.
    errors = np.minimum(errors, farthest(fit.mesh))
    return ShapeCovariance(fit.mesh, free, errors, solver, held_back)


def shape_errors(
    prepared: PreparedFit, progress: Progress, stage: Stage
) -> Generator[None, None, ShapeErrors]:
    """Return the standard errors of a fit's shape and measures; yields several times a second.

    Parameters
    ----------
    prepared, stage
        As the last leg had them.
    progress
        Settled.
    """
    known = yield from shape_covariance(prepared, progress, stage)
    mesh, bright = known.mesh, progress.brightness
    rows = [volume_gradients(mesh), area_gradients(mesh)]
    gradients = np.concatenate([one.toarray() for one in rows])
    regions, interfaces = len(mesh.regions), len(mesh.interfaces)
    found = yield from known.covariance_of(gradients.reshape(-1, len(mesh.vertices), 3))
    bounds = interfaces_of_regions(mesh)
    by_interface = found[regions:, regions:]
    light = _errors((yield from known.brightness_covariance()))
    membrane, interior = len(bright.membrane), len(bright.interior)
    rest = light[membrane + interior :].tolist()
    background = rest.pop(0) if prepared.settings.fit_background else 0.0
    return ShapeErrors(
        known.vertex_errors(),
        _errors(found[:regions, :regions]),
        _errors(bounds @ by_interface @ bounds.T),
        _errors(by_interface[:interfaces, :interfaces]),
        Intensities(
            prepared.scale * light[:membrane],
            prepared.scale * light[membrane : membrane + interior],
            prepared.scale * background,
            rest[0] if rest else 0.0,
        ),
    )


def _held_back(known: Linearised, solver: Solver) -> Generator[None, None, NDArray[np.float64]]:
    """Return (N,) by how much the prior keeps each shift from where the data alone would be.

    The fitted shape is too smooth already, so what it gives is given back to it, and again.
    """
    found = np.zeros((len(known.pull), 1))
    for _ in range(_ROUNDS):
        pull = known.pull[:, None] + known.prior @ found
        found, _ = yield from solver.solution(pull, precision=_PRECISION)
    return np.asarray(found[:, 0])


def _tensors(
    mesh: TriangleMesh, free: Unknowns, groups: list[tuple[NDArray[np.int64], NDArray[np.float64]]]
) -> NDArray[np.float64]:
    """Return (V, 3, 3) covariances of the vertices, from those within groups of seen unknowns."""
    by_vertex = np.zeros((len(mesh.vertices), 3, 3))
    for core, covariance in groups:
        vertex, direction = free.vertex[core], free.direction[core]
        first, second = np.nonzero(vertex[:, None] == vertex)
        among = covariance[first, second]
        terms = np.einsum("n,na,nb->nab", among, direction[first], direction[second])
        np.add.at(by_vertex, vertex[first], terms)
    return by_vertex


def _across(
    mesh: TriangleMesh, free: Unknowns, by_vertex: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (V,) variances across the faces, from (V, 3, 3) covariances of seen shifts."""
    count = len(mesh.vertices)
    normals, areas = mesh.face_normals_and_areas()
    corner, face = mesh.faces.ravel(), np.repeat(np.arange(len(mesh.faces)), 3)
    along = np.einsum("na,nab,nb->n", normals[face], by_vertex[corner], normals[face])
    total = np.bincount(corner, areas[face], count)
    mean = np.bincount(corner, areas[face] * along, count) / np.where(total > 0, total, 1.0)
    single = np.bincount(free.vertex, minlength=count) == 1
    return np.where(single, np.trace(by_vertex, axis1=1, axis2=2), mean)


def _errors(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.maximum(np.diag(covariance), 0.0)))
