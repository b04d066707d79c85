"""The transform and the fit on a CUDA device: times, what bounds them, and peers in the same run.

make bench-gpu, or python benchmarks/bench_gpu.py [--repeats N]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from machine import describe, goal

import napari_deltamic as dm
from napari_deltamic.fitting import lbfgs
from napari_deltamic.fitting.densities import Brightness, topology_of
from napari_deltamic.fitting.misfit import evaluate
from napari_deltamic.fitting.preconditioner import smoother
from napari_deltamic.fitting.problem import band_problem
from napari_deltamic.fitting.roughness import roughness
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.mesh import TriangleMesh, dumbbell, icosphere, mean_surface_distance
from napari_deltamic.meshft import exact_transform
from napari_deltamic.meshft.band import narrow_band
from napari_deltamic.meshft.cuda.availability import cuda_name, cuda_obstacle
from napari_deltamic.meshft.cuda.device_transform import DeviceTransform
from napari_deltamic.meshft.cuda.direct_transform import DirectTransform
from napari_deltamic.meshft.cuda.launching import cupy_launch
from napari_deltamic.meshft.lit_mesh import LitMesh, lit_mesh

SIGMA = 1.5
# Of the last stage: beyond, there is more noise than shape.
THRESHOLD = 1e-2
TOLERANCE = 3e-4
DEVICE = torch.device("cuda")


def timed(call: Callable[[], Any], repeats: int) -> float:
    """Return the median seconds of a call, all of the device's work included."""
    for _ in range(3):
        call()
    seconds = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def sphere(voxels: int, frequency: int) -> TriangleMesh:
    """Return a sphere of 20 frequency^2 faces in the middle of a cube."""
    from napari_deltamic.mesh.shapes import geodesic_sphere

    directions, faces = geodesic_sphere(frequency)
    return TriangleMesh(voxels / 2 + 0.3 * voxels * directions, faces)


def fit_iteration(voxels: int, mesh: TriangleMesh, band: tuple[int, int, int]) -> Callable[[], Any]:
    """Return one iteration of a fit: forward, loss, backward and a step."""
    shape, psf = (voxels,) * 3, dm.GaussianPSF(SIGMA)
    data = dm.render(mesh, psf, shape, (1.0, 1.0, 1.0), tolerance=1e-3)
    stack = dm.ImageStack(data, (1.0, 1.0, 1.0))
    cutoff = max(band) / voxels
    stage = Stage(cutoff, band, 0.195 / cutoff, 0.38 / cutoff, 0.01, 2)
    problem = band_problem(stack, shape, psf, stage, True, "cuda")
    topology = topology_of(mesh, problem.transform.device)
    one = Brightness(np.ones(1), np.empty(0), 0.0)
    rng = np.random.default_rng(0)
    start = torch.tensor(mesh.vertices + 0.3 * rng.normal(size=mesh.vertices.shape)).to(DEVICE)
    smooth, memory = smoother(mesh, 4.0, DEVICE), lbfgs.Memory()
    prior = roughness(mesh, 0.1, 2, DEVICE)

    def misfit(vertices: torch.Tensor) -> Any:
        found = evaluate(problem, vertices, topology, one)
        rough, slope = prior.energy(vertices)
        return found._replace(gradient=found.gradient + 1e-9 * slope, penalty=1e-9 * rough)

    place = {"at": start, "here": misfit(start)}

    def iterate() -> None:
        taken = lbfgs.step(misfit, place["at"], place["here"], memory, smooth, 0.5)
        place["at"], place["here"] = taken or (start, misfit(start))

    return iterate


def lit(mesh: TriangleMesh) -> LitMesh:
    """Return a mesh with a membrane of density 1, on the device."""
    vertices = torch.tensor(mesh.vertices, dtype=torch.float32, device=DEVICE)
    return lit_mesh(vertices, torch.tensor(mesh.faces), torch.ones(len(mesh.faces)), None)


def direct_both_ways(voxels: int, mesh: LitMesh, band: tuple[int, int, int]) -> Callable[[], Any]:
    """Return the closed-form sum, forward + backward, as a call."""
    lengths, launch = np.full(3, float(voxels)), partial(cupy_launch, DEVICE)
    direct = DirectTransform(lengths, band, torch.float32, DEVICE, launch)
    return lambda: direct.backward(direct.forward(mesh), mesh)


def our_transform(
    voxels: int, mesh: LitMesh, band: tuple[int, int, int]
) -> tuple[DeviceTransform, Callable[[], Any]]:
    """Return the transform, and its forward + backward of a mesh as a call."""
    lengths, launch = np.full(3, float(voxels)), partial(cupy_launch, DEVICE)
    transform = DeviceTransform(lengths, band, TOLERANCE, torch.float32, DEVICE, launch)

    def both_ways() -> None:
        points = transform.place(mesh)
        transform.backward(transform.forward(points), points, (True, False, False))

    return transform, both_ways


def cufinufft_iteration(
    voxels: int, transform: DeviceTransform, points: Any, cross: torch.Tensor, band: int
) -> Callable[[], Any] | None:
    """Return the same job by cuFINUFFT: value, and the field with its gradient."""
    try:
        import cufinufft
        import cupy
    except ImportError as error:
        print(f"  cuFINUFFT                  SKIPPED: {error}")
        return None
    steps = torch.tensor([size / voxels for size in transform.sizes], device=DEVICE)
    # The place that the package itself spreads a point to, back in um, then as a phase.
    start = points.nodes.double() - (points.arguments.double() + 1.0) / 2.0
    places = (start + transform.width / 2.0) / steps[:, None]
    phases = [
        cupy.from_dlpack((2 * torch.pi * x / voxels).remainder(2 * torch.pi).float().contiguous())
        for x in places
    ]
    areas = torch.linalg.vector_norm(cross, dim=1) / 2
    masses = (points.shares * areas[points.face_of.long()].float()).to(torch.complex64)
    shape = (2 * band + 1,) * 3
    options: dict[str, Any] = {"eps": TOLERANCE, "dtype": "complex64"}
    forward = cufinufft.Plan(1, shape, isign=-1, **options)
    backward = cufinufft.Plan(2, shape, n_trans=4, isign=1, **options)
    strengths = cupy.from_dlpack(masses)

    def both_ways() -> None:
        forward.setpts(*phases)
        modes = forward.execute(strengths)
        backward.setpts(*phases)
        backward.execute(cupy.stack([modes] * 4))

    return both_ways


def per_kernel(call: Callable[[], Any], transform: DeviceTransform, points: int) -> None:
    """Print each kernel's time and, for the hot ones, the least that the device could need."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as found:
        for _ in range(10):
            call()
        torch.cuda.synchronize()
    bandwidth = measured_bandwidth()
    atomics = measured_atomics()
    cells, nodes = int(np.prod(transform.sizes)), points * transform.width**3
    floors = {
        "spread": (nodes / atomics, "atomics issued"),
        "settle": (12 * cells / bandwidth, "bytes moved"),
        "gather": (4 * nodes / (16 * bandwidth), "bytes read, from caches 16 times memory's speed"),
    }
    print(
        f"\n  kernel by kernel, ms ({bandwidth / 1e12:.2f} TB/s, {atomics / 1e9:.0f} G atomics/s)"
    )
    rows = sorted(found.key_averages(), key=lambda row: -row.device_time_total)
    for row in rows[:12]:
        spent = row.device_time_total / 1e6 / 10
        floor, limit = floors.get(row.key, (None, ""))
        against = f"floor {1e3 * floor:7.4f}, {limit}" if floor else ""
        print(f"    {row.key[:44]:44s} {1e3 * spent:8.4f}  {against}")


def measured_bandwidth() -> float:
    """Return bytes a second that a copy on the device moves."""
    one = torch.empty(2**28, device=DEVICE)
    other = torch.empty_like(one)
    return 2 * one.numel() * 4 / timed(lambda: other.copy_(one), 10)


def measured_atomics() -> float:
    """Return 64-bit additions a second to places as far apart as a spreading kernel's rows."""
    import cupy

    kernel = cupy.RawKernel(
        'extern "C" __global__ void add(unsigned long long* x, long long n) {'
        " long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;"
        " for (int j = 0; j < 8; j++) atomicAdd(&x[(i + (j << 16)) & (n - 1)], 1ull); }",
        "add",
    )
    sums = cupy.zeros(2**23, cupy.uint64)
    threads = 2**23
    # Both torch and CuPy are on the device's default stream here.
    call = lambda: kernel((threads // 256,), (256,), (sums, np.int64(len(sums))))  # noqa: E731
    return 8 * threads / timed(call, 10)


def agreement(transform: DeviceTransform, mesh: LitMesh, voxels: int) -> float:
    """Return the relative error at 400 random modes against the exact reference."""
    modes = transform.forward(transform.place(mesh)).cpu().numpy()
    band = modes.shape[2] - 1
    picked = np.random.default_rng(0).integers(-band, band + 1, (400, 3))
    picked[:, 2] = np.abs(picked[:, 2])
    vertices, faces = mesh.vertices.cpu(), mesh.faces.cpu()
    expected = exact_transform(vertices, faces, 1.0, picked / voxels).numpy()
    found = modes[tuple(picked.T)]
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def whole_fit() -> None:
    shape, spacing, psf = (100, 100, 100), (1.0, 1.0, 1.0), dm.GaussianPSF(1.5)
    truth = dumbbell((50.0, 50.0, 50.0), length=76, radius=16, neck=8)
    stack = dm.ImageStack(dm.render(truth, psf, shape, spacing), spacing)
    seed, settings = icosphere((50, 50, 50), 30, 4), dm.FitSettings(backend="cuda")
    dm.fit(stack, seed, psf, settings.model_copy(update={"stages": 1, "max_iterations": 4}))
    start = time.perf_counter()
    result = dm.fit(stack, seed, psf, settings)
    seconds = time.perf_counter() - start
    mean = mean_surface_distance(result.mesh, truth).mean
    print(
        f"\nicosphere to dumbbell in 100^3: {seconds:.1f} s (goal 3), {mean:.3f} voxel, "
        f"{len(result.loss_history)} iterations"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    obstacle = cuda_obstacle()
    if obstacle:
        raise SystemExit(f"CUDA cannot be used here: {obstacle}")
    print(cuda_name(DEVICE))
    print(describe("napari-deltamic", "torch", "cupy-cuda12x", "cupy-cuda13x", "cufinufft"))

    voxels, mesh = 200, sphere(200, 16)
    band = narrow_band((voxels,) * 3, np.ones(3), dm.GaussianPSF(SIGMA).otf, THRESHOLD)
    print(f"\n{len(mesh.faces)} faces, {voxels}^3, K = {max(band)}; ms")
    ours = timed(fit_iteration(voxels, mesh, band), repeats)
    print(f"  one fit iteration         {1e3 * ours:9.3f}   goal 2")
    bright = lit(mesh)
    transform, both_ways = our_transform(voxels, bright, band)
    here = timed(both_ways, repeats)
    print(f"  the transform in it       {1e3 * here:9.3f}")
    direct = timed(direct_both_ways(voxels, bright, band), 3)
    print(f"  that by the direct sum    {1e3 * direct:9.1f}   {goal(direct / here, '>=', 200)}")
    points = transform.place(bright)
    peer = cufinufft_iteration(voxels, transform, points, points.cross, max(band))
    if peer is not None:
        theirs = timed(peer, repeats)
        print(f"  by cuFINUFFT              {1e3 * theirs:9.3f}   {goal(theirs / here, '>=', 3)}")
    print(f"  error against the exact reference {agreement(transform, bright, voxels):.1e}")
    per_kernel(both_ways, transform, len(points.face_of))

    voxels, mesh = 512, sphere(512, 141)
    torch.cuda.reset_peak_memory_stats()
    spent = timed(fit_iteration(voxels, mesh, (128,) * 3), max(3, repeats // 3))
    peak = torch.cuda.max_memory_allocated() / 2**30
    print(f"\n{len(mesh.faces)} faces, {voxels}^3, K = 128")
    print(f"  one fit iteration         {1e3 * spent:9.2f}   goal 15; peak {peak:.1f} GiB")
    whole_fit()


if __name__ == "__main__":
    main()
