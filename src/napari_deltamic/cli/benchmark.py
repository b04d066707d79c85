"""The command ``benchmark``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from napari_deltamic.cli.values import Whole

if TYPE_CHECKING:
    import torch

    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.meshft import MeshFourierTransform

VOXELS, FACES = 200, 5120
BANDS = (15, 31, 47)


def benchmark(
    *, repeats: Annotated[Whole, Parameter(validator=validators.Number(gte=1))] = 5
) -> None:
    """Time the mesh Fourier transform and a fit on this machine.

    Parameters
    ----------
    repeats
        How often each transform is timed; the median counts.
    """
    from napari_deltamic.cli.info import installation
    from napari_deltamic.cli.running import run_fit, was_stopped
    from napari_deltamic.cli.tables import print_table
    from napari_deltamic.cli.terminal import say
    from napari_deltamic.fitting import FitSettings
    from napari_deltamic.imaging import make_sample
    from napari_deltamic.mesh import icosphere, mean_surface_distance

    facts = dict(installation())
    names = ("cores", "device", "GPU", "torch", "numba")
    print_table("Machine", ("", ""), [(name, facts[name]) for name in names], words=2)
    say("Compiling and timing; close other programs for steady figures")

    sphere = icosphere((100.0, 100.0, 100.0), 60.0, 4)
    rows = [_transform_row(sphere, band, repeats) for band in BANDS]
    print_table(
        f"Transform of {FACES:,} faces in {VOXELS}³ voxels, float32, median of {repeats}",
        ("largest mode", "forward (ms)", "forward + backward (ms)"),
        rows,
        words=0,
    )

    sample = make_sample("bumpy", shape=(48, 96, 96))
    start = time.perf_counter()
    result = run_fit(sample.stack, sample.seed_mesh, sample.psf, FitSettings(label=sample.label))
    seconds = time.perf_counter() - start
    if was_stopped(result):
        raise KeyboardInterrupt  # figures of half a fit say nothing
    volume_error = 100.0 * (result.mesh.volumes()[0] / sample.truth.volumes()[0] - 1.0)
    distance = mean_surface_distance(result.mesh, sample.truth)
    iterations = len(result.loss_history)
    print_table(
        "Fit: one bumpy cell in 48 x 96 x 96 voxels",
        ("seconds", "iterations", "faces", "volume error (%)", "surface off by (µm)"),
        [
            (
                f"{seconds:.1f}",
                str(iterations),
                f"{len(result.mesh.faces):,}",
                f"{volume_error:+.3f}",
                f"{distance.mean:.4f}",
            )
        ],
        words=0,
    )


def _transform_row(mesh: TriangleMesh, band: int, repeats: int) -> tuple[str, str, str]:
    import numpy as np
    import torch

    from napari_deltamic.meshft import MeshFourierTransform

    transform = MeshFourierTransform((VOXELS,) * 3, (1.0,) * 3, band=(band,) * 3)
    vertices = torch.tensor(np.array(mesh.vertices), dtype=torch.float32, requires_grad=True)
    faces = torch.tensor(np.array(mesh.faces))
    membrane = torch.ones(len(faces), dtype=torch.float32)
    forward = _median_ms(lambda: _forward(transform, vertices, faces, membrane), repeats)
    both = _median_ms(lambda: _both(transform, vertices, faces, membrane), repeats)
    return str(band), f"{forward:.1f}", f"{both:.1f}"


def _forward(
    transform: MeshFourierTransform,
    vertices: torch.Tensor,
    faces: torch.Tensor,
    membrane: torch.Tensor,
) -> None:
    import torch

    with torch.no_grad():
        transform(vertices, faces, membrane)


def _both(
    transform: MeshFourierTransform,
    vertices: torch.Tensor,
    faces: torch.Tensor,
    membrane: torch.Tensor,
) -> None:
    vertices.grad = None
    transform(vertices, faces, membrane).abs().square().sum().backward()


def _median_ms(run: Callable[[], None], repeats: int) -> float:
    run()  # compiles and fills the caches
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)
