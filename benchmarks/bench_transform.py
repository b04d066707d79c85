"""The mesh Fourier transform, forward and backward, against FINUFFT, bare FFTs and meshft.

Run it on a quiet machine: python benchmarks/bench_transform.py [--repeats N]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from machine import describe, goal, interleaved, milliseconds
from scipy import fft

from napari_deltamic.kernel_threads import thread_count
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.shapes import icosphere
from napari_deltamic.meshft import MeshFourierTransform, exact_transform
from napari_deltamic.meshft.cpu import CpuTransform
from napari_deltamic.meshft.patches import part_corners

VOXELS = 200
EDGE = 5.0
TOLERANCE = 1e-5
BANDS = (31, 47, 64)


def sphere(subdivisions: int, edge: float) -> TriangleMesh:
    """Return an icosphere whose mean edge is ``edge`` voxels, a little off the centre."""
    center = VOXELS / 2 + np.array([0.3, -0.7, 1.1])
    mesh = icosphere(center, 1.0, subdivisions)
    corners = mesh.vertices[mesh.faces]
    mean = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).mean()
    return mesh.with_vertices(center + (mesh.vertices - center) * edge / mean)


def ours(mesh: TriangleMesh, band: int) -> tuple[Callable[[], Any], torch.Tensor]:
    """Return forward + backward by the package, and the modes."""
    transform = MeshFourierTransform(
        (VOXELS,) * 3, (1, 1, 1), band=(band,) * 3, tolerance=TOLERANCE
    )
    vertices = torch.from_numpy(mesh.vertices.astype(np.float32)).requires_grad_()
    faces = torch.from_numpy(np.array(mesh.faces))
    membrane = torch.ones(len(faces), requires_grad=True)
    modes = transform(vertices, faces, membrane)
    cotangent = modes.detach() / modes.detach().abs().max()

    def both_ways() -> None:
        vertices.grad = membrane.grad = None
        transform(vertices, faces, membrane).backward(cotangent)

    return both_ways, modes.detach()


def quadrature_points(mesh: TriangleMesh, band: int) -> tuple[np.ndarray, np.ndarray, CpuTransform]:
    """Return the points (N, 3) in um and masses (N,) that the package itself would spread."""
    transform = CpuTransform(np.full(3, float(VOXELS)), (band,) * 3, TOLERANCE, np.float32)
    vertices, faces = mesh.vertices.astype(np.float32).astype(float), np.array(mesh.faces)
    cut = transform.cut(vertices, faces)
    corners = vertices[faces]
    points, masses, parts = [], [], np.empty((3, 3))
    plan = transform.plan
    for face, part in zip(cut.patches.face, cut.patches.part, strict=True):
        cuts = cut.cuts_of[face]
        part_corners(part, cuts, parts)
        rule = cut.rule_of[face]
        count = plan.counts[rule]
        points.append(plan.points[rule, :, :count].T @ parts @ corners[face])
        masses.append(plan.weights[rule, :count] * cut.areas[face] / cuts**2)
    return np.concatenate(points), np.concatenate(masses), transform


def finufft_ways(
    points: np.ndarray, masses: np.ndarray, band: int
) -> tuple[dict[str, Callable[[], Any]], np.ndarray]:
    """Return the same job by FINUFFT, two ways, and its modes in FFT order.

    One type 1 for the value; four type 2 for the field and the three components of its gradient,
    which differ in the modes they are given. Plans are made before; points move in every
    iteration of a fit, so handing them over counts. The chain rule to vertices is left out.
    """
    import finufft

    options: dict[str, Any] = {
        "eps": TOLERANCE, "dtype": "complex64", "upsampfac": 1.25, "nthreads": thread_count(),
        "modeord": 1, "showwarn": 0,
    }  # fmt: skip
    shape = (2 * band + 1,) * 3
    phases = [np.float32((2 * np.pi * x / VOXELS) % (2 * np.pi)) for x in points.T]
    strengths = masses.astype(np.complex64)
    forward = finufft.Plan(1, shape, isign=-1, **options)
    one = finufft.Plan(2, shape, isign=1, **options)
    four = finufft.Plan(2, shape, n_trans=4, isign=1, **options)
    forward.setpts(*phases)
    modes = forward.execute(strengths)
    along = 2j * np.pi * np.fft.fftfreq(shape[0], 1 / shape[0]) / VOXELS
    cotangent = modes / np.abs(modes).max()
    fields = np.stack(
        [cotangent]
        + [
            cotangent * along.reshape([-1 if d == axis else 1 for d in range(3)])
            for axis in range(3)
        ]
    ).astype(np.complex64)

    def in_turn() -> None:
        forward.setpts(*phases)
        forward.execute(strengths)
        one.setpts(*phases)
        for field in fields:
            one.execute(field)

    def batched() -> None:
        forward.setpts(*phases)
        forward.execute(strengths)
        four.setpts(*phases)
        four.execute(fields)

    return {"FINUFFT, one by one": in_turn, "FINUFFT, batched": batched}, modes


def two_ffts(sizes: tuple[int, int, int]) -> Callable[[], Any]:
    """Return a real FFT of the fine grid and its inverse."""
    grid = np.random.default_rng(0).normal(size=sizes).astype(np.float32)
    workers = thread_count()
    return lambda: fft.irfftn(fft.rfftn(grid, workers=workers), s=sizes, workers=workers)


def error(modes: Any, mesh: TriangleMesh, band: int) -> float:
    """Return the relative L2 error over 400 random modes; negative indices are negative modes."""
    rng = np.random.default_rng(0)
    picked = rng.integers(-band, band + 1, (400, 3))
    picked[:, 2] = np.abs(picked[:, 2])
    vertices = mesh.vertices.astype(np.float32)
    expected = exact_transform(vertices, mesh.faces, 1.0, picked / VOXELS).numpy()
    found = np.asarray(modes)[tuple(picked.T)]
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def against_finufft(repeats: int) -> None:
    mesh = sphere(4, EDGE)
    print(
        f"\nForward + backward, {len(mesh.faces)} faces with edges of {EDGE:g} voxels in "
        f"{VOXELS}^3, tolerance {TOLERANCE:g}, float32; ms, shortest / median of {repeats}"
    )
    for band in BANDS:
        call, modes = ours(mesh, band)
        points, masses, transform = quadrature_points(mesh, band)
        peers, peer_modes = finufft_ways(points, masses, band)
        times = interleaved(
            {"this package": call, **peers, "two bare FFTs": two_ffts(transform.sizes)}, repeats
        )
        grid = "x".join(str(size) for size in transform.sizes)
        print(f"\n  K = {band}, grid {grid}, {len(points) / len(mesh.faces):.0f} points a face")
        notes = {
            "this package": f"error {error(modes, mesh, band):.1e}",
            "FINUFFT, one by one": f"error {error(peer_modes, mesh, band):.1e}",
        }
        for name, spent in times.items():
            print(f"    {name:22s}{milliseconds(spent)}   {notes.get(name, '')}")
        best_peer = min(times[name] for name in peers)
        mine, bare = times["this package"], times["two bare FFTs"]
        print(f"    FINUFFT / this package{goal(best_peer[0] / mine[0], '>=', 3)}   (shortest)")
        print(f"    FINUFFT / this package{goal(best_peer[1] / mine[1], '>=', 3)}   (median)")
        print(f"    this package / FFTs   {goal(mine[0] / bare[0], '<=', 4)}   (shortest)")
        print(f"    this package / FFTs   {goal(mine[1] / bare[1], '<=', 4)}   (median)")


def against_meshft(repeats: int) -> None:
    band = 8
    mesh = sphere(3, 2 * EDGE)
    print(
        f"\nForward + backward, {len(mesh.faces)} faces, {2 * band + 1}^3 modes, float32; "
        f"ms, shortest / median"
    )
    try:
        from meshft.fourier import MeshFTPy
    except ImportError:
        print(
            "  SKIPPED: meshft is not installed. make bench installs it, or\n"
            "  pip install --no-build-isolation --no-deps meshft==1.1.0"
        )
        return
    call, modes = ours(mesh, band)
    vertices = torch.from_numpy(mesh.vertices.astype(np.float32)).requires_grad_()
    faces = torch.from_numpy(np.array(mesh.faces))
    xi = 2 * torch.pi * torch.arange(-band, band + 1, dtype=torch.float32) / VOXELS
    everything = torch.ones((2 * band + 1,) * 3)
    kept: list[torch.Tensor] = []

    def peer() -> None:
        vertices.grad = None
        found = MeshFTPy(vertices, faces, xi, xi, xi, everything, 0.0)
        torch.view_as_real(found).square().sum().backward()
        kept[:] = [found.detach()]

    mine = interleaved({"this package": call}, 20 * repeats)["this package"]
    theirs = interleaved({"meshft": peer}, max(2, repeats // 5))["meshft"]
    # It divides by the total area, and orders modes from -K to K.
    area = float(mesh.areas()[0])
    peer_modes = torch.fft.ifftshift(kept[0]).numpy() * area
    print(f"    {'this package':22s}{milliseconds(mine)}   error {error(modes, mesh, band):.1e}")
    off = error(peer_modes, mesh, band)
    print(f"    {'meshft 1.1.0':22s}{milliseconds(theirs)}   error {off:.1e}")
    print(f"    meshft / this package {goal(theirs[0] / mine[0], '>=', 1000)}   (shortest)")
    print(f"    meshft / this package {goal(theirs[1] / mine[1], '>=', 1000)}   (median)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="turns of each contestant")
    repeats = parser.parse_args().repeats
    print(describe("napari-deltamic", "numpy", "scipy", "numba", "torch", "finufft", "meshft"))
    against_meshft(repeats)
    try:
        import finufft  # noqa: F401
    except ImportError:
        print("\nSKIPPED: finufft is not installed; make bench installs it.")
        return
    against_finufft(repeats)


if __name__ == "__main__":
    main()
