"""Surfaces that pull themselves smooth like soap films, while every region keeps its volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.mesh.triangle_mesh import TriangleMesh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_NEWTON_ROUNDS = 3
_PRECISION = 1e-7
# A face thinner than this part of the mean area pulls no harder.
_THINNEST = 0.02


def relaxed(mesh: TriangleMesh, duration: float, steps: int) -> TriangleMesh:
    """Return the mesh after mean curvature flow at constant volumes.

    All interfaces pull alike, so that they come to meet three at a line at 120 degrees, and each
    tends to one mean curvature. Staircases go first: what is shorter than sqrt(duration) is gone.

    Parameters
    ----------
    mesh
        Closed regions that may share interfaces.
    duration
        Of the flow, in um^2: with one principal curvature k a surface moves by k * duration.
    steps
        Implicit steps that it takes; more follow larger motion better.

    Returns
    -------
    TriangleMesh
        The same faces and labels; every region has its old volume, to a millionth or better.
    """
    wanted = mesh.volumes()
    step = duration / steps
    pressure = np.zeros(len(wanted))
    for _ in range(steps):
        stiffness, weight = _stiffness_and_weight(mesh)
        # What the pressure does is known from the step before, and mended after this one.
        push = (volume_gradients(mesh).T @ pressure).reshape(-1, 3)
        pulled = _implicit_step(mesh.vertices, stiffness, weight, step, push)
        mesh, change = _with_volumes(mesh.with_vertices(pulled), wanted, weight)
        pressure += change / step
    return mesh


def volume_gradients(mesh: TriangleMesh) -> csr_matrix:
    """Return (R, 3 V) the derivative of each region's volume by the flattened vertices."""
    from scipy.sparse import coo_matrix

    corners = mesh.vertices[mesh.faces]
    following, preceding = np.roll(corners, -1, axis=1), np.roll(corners, -2, axis=1)
    by_corner = np.cross(following, preceding).ravel() / 6.0
    columns = (3 * mesh.faces[:, :, None] + np.arange(3)).ravel()
    # The first row is that of the outside.
    size = len(mesh.regions) + 1
    rows, values = [], []
    for side, sign in ((0, 1.0), (1, -1.0)):
        rows.append(np.repeat(mesh.face_regions[:, side] + 1, 9))
        values.append(sign * by_corner)
    gradients = coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.tile(columns, 2))),
        (size, mesh.vertices.size),
    )
    return gradients.tocsr()[1:]


def _stiffness_and_weight(mesh: TriangleMesh) -> tuple[csr_matrix, NDArray[np.float64]]:
    """Return (V, V) the cotangent Laplacian and (V,) the area around each vertex.

    The first times the vertices is the derivative of the whole area, whatever meets at an edge.
    """
    from scipy.sparse import coo_matrix

    count = len(mesh.vertices)
    corners = mesh.vertices[mesh.faces]
    _, areas = mesh.face_normals_and_areas()
    safe = np.maximum(areas, _THINNEST * areas.mean())
    rows, columns, values = [], [], []
    for corner in range(3):
        one, two = (corner + 1) % 3, (corner + 2) % 3
        along = corners[:, one] - corners[:, corner]
        other = corners[:, two] - corners[:, corner]
        half_cotangent = np.einsum("ij,ij->i", along, other) / (4.0 * safe)
        a, b = mesh.faces[:, one], mesh.faces[:, two]
        rows += [a, b, a, b]
        columns += [b, a, a, b]
        values += [-half_cotangent, -half_cotangent, half_cotangent, half_cotangent]
    place = (np.concatenate(rows), np.concatenate(columns))
    stiffness = coo_matrix((np.concatenate(values), place), (count, count)).tocsr()
    weight = np.bincount(mesh.faces.ravel(), np.repeat(safe / 3.0, 3), count)
    return stiffness, weight.astype(np.float64)


def _implicit_step(
    vertices: NDArray[np.float64],
    stiffness: csr_matrix,
    weight: NDArray[np.float64],
    step: float,
    push: NDArray[np.float64],
) -> NDArray[np.float64]:
    from scipy.sparse import diags
    from scipy.sparse.linalg import cg

    matrix = (diags(weight) + step * stiffness).tocsr()
    preconditioner = diags(1.0 / matrix.diagonal())
    # Solved for the motion, which is small: precision counts beside it, not beside the position.
    force = step * (push - stiffness @ vertices)
    motion = np.empty_like(vertices)
    for axis in range(3):
        motion[:, axis], _ = cg(matrix, force[:, axis], rtol=1e-4, maxiter=300, M=preconditioner)
    return vertices + motion


def _with_volumes(
    mesh: TriangleMesh, wanted: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[TriangleMesh, NDArray[np.float64]]:
    """Inflate the regions to their volumes; return also the pressures times time that it took."""
    total = np.zeros(len(wanted))
    spread = np.repeat(1.0 / weight, 3)
    for _ in range(_NEWTON_ROUNDS):
        missing = wanted - mesh.volumes()
        if np.abs(missing / wanted).max() < _PRECISION:
            break
        gradients = volume_gradients(mesh)
        response = (gradients.multiply(spread) @ gradients.T).toarray()
        change = np.linalg.solve(response, missing)
        motion = spread * (gradients.T @ change)
        mesh = mesh.with_vertices(mesh.vertices + motion.reshape(-1, 3))
        total += change
    return mesh, total
