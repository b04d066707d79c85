"""Time and quality of isotropic remeshing, beside gpytoolbox where that is installed.

Run as ``python benchmarks/bench_remesh.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from time import perf_counter

import numpy as np

from napari_deltamic.mesh import TriangleMesh, bumpy_sphere, dumbbell, icosphere, remesh
from napari_deltamic.mesh.topology import edge_use

Remesher = Callable[[TriangleMesh, float], TriangleMesh]
REPEATS = 3


def with_gpytoolbox(mesh: TriangleMesh, edge_length: float) -> TriangleMesh:
    """Remesh with the peer, on copies, for it wants arrays that it may write to."""
    import gpytoolbox

    faces = mesh.faces.astype(np.int32)
    return TriangleMesh(*gpytoolbox.remesh_botsch(mesh.vertices.copy(), faces, 5, edge_length))


def row(name: str, remesher: Remesher, mesh: TriangleMesh, edge_length: float) -> str:
    times = []
    for _ in range(REPEATS):
        start = perf_counter()
        result = remesher(mesh, edge_length)
        times.append(perf_counter() - start)
    a, b = edge_use(result.faces).edges.T
    ratio = np.linalg.norm(result.vertices[a] - result.vertices[b], axis=1) / edge_length
    corners = result.vertices[result.faces]
    along = np.roll(corners, -1, axis=1) - corners
    along /= np.linalg.norm(along, axis=2, keepdims=True)
    cosine = np.clip(-(along * np.roll(along, 1, axis=1)).sum(axis=2), -1, 1)
    angles = np.degrees(np.arccos(cosine)).min(axis=1)
    change = 100 * (result.volumes() / mesh.volumes() - 1)[0]
    return (
        f"  {name:<12}{len(result.faces):>8}{min(times):>9.3f}{ratio.mean():>9.3f}"
        f"{ratio.std():>8.3f}{angles.min():>10.1f}{np.percentile(angles, 1):>9.1f}{change:>10.3f}"
    )


def main() -> None:
    remeshers: dict[str, Remesher] = {"ours": remesh}
    if find_spec("gpytoolbox"):
        remeshers["gpytoolbox"] = with_gpytoolbox
    sphere = icosphere((0, 0, 0), 50.0, 4)
    even = remesh(sphere, 2.5)
    bodies = {
        "sphere, edges 5 -> 2.5": (remesh(sphere, 5.0), 2.5),
        "sphere, edges 2.5 -> 2.5": (even, 2.5),
        "sphere, edges 2.5 -> 5": (even, 5.0),
        "sphere, edges 2.5 -> 1.25": (even, 1.25),
        "bumpy sphere, edges 4 -> 2.5": (bumpy_sphere((0, 0, 0), 50.0, 0.3, 6), 2.5),
        "dumbbell of uneven faces -> 1.5": (dumbbell((0, 0, 0), 80.0, 15.0, 3.0), 1.5),
    }
    print(
        f"  {'':<12}{'faces':>8}{'time/s':>9}{'edge/L':>9}{'spread':>8}{'min angle':>10}"
        f"{'1st pct':>9}{'volume/%':>10}"
    )
    for title, (mesh, edge_length) in bodies.items():
        print(f"{title}, {len(mesh.faces)} faces")
        for name, remesher in remeshers.items():
            print(row(name, remesher, mesh, edge_length))


if __name__ == "__main__":
    main()
