"""How time and memory of the transform grow with the faces and with the band.

Every case runs in a process of its own, so that its peak memory is its own. Run it on a quiet
machine: python benchmarks/bench_scaling.py [--repeats N] [--most-faces N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

import numpy as np

VOXELS = 200
FREQUENCIES = (7, 16, 35, 71, 112, 158, 224)
"""Of the geodesic spheres: 20 n^2 faces, 980 to 1,003,520."""
BANDS = (16, 24, 32, 47, 64, 96, 128)
FIXED_BAND, FIXED_FREQUENCY = 47, 16


def peak_megabytes() -> float:
    """Return the most memory this process has held."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def run_case(frequency: int, band: int, repeats: int) -> dict[str, float]:
    """Return the time of forward + backward and the memory that it took, in this process."""
    import torch
    from machine import interleaved

    from napari_deltamic.mesh.shapes import geodesic_sphere
    from napari_deltamic.meshft import MeshFourierTransform

    def prepare(frequency: int, band: int) -> Any:
        directions, corners = geodesic_sphere(frequency)
        transform = MeshFourierTransform((VOXELS,) * 3, (1, 1, 1), band=(band,) * 3)
        vertices = torch.from_numpy(directions * 60 + VOXELS / 2).float().requires_grad_()
        faces = torch.from_numpy(corners)
        membrane = torch.ones(len(faces), requires_grad=True)

        def both_ways() -> None:
            vertices.grad = membrane.grad = None
            transform(vertices, faces, membrane).abs().square().sum().backward()

        return both_ways

    # Compilation and libraries take memory too; a small case brings them in.
    prepare(2, 4)()
    call = prepare(frequency, band)
    before = peak_megabytes()
    shortest, middle = interleaved({"": call}, repeats)[""]
    return {"shortest": shortest, "median": middle, "megabytes": peak_megabytes() - before}


def in_own_process(frequency: int, band: int, repeats: int) -> dict[str, float]:
    arguments = [str(number) for number in (frequency, band, repeats)]
    output = subprocess.run(
        [sys.executable, __file__, "--case", *arguments], check=True, capture_output=True, text=True
    ).stdout
    result: dict[str, float] = json.loads(output)
    return result


def table(title: str, cases: list[tuple[int, int]], by: str, repeats: int) -> None:
    """Run the cases, print a line each, and the exponents fitted to their shortest times."""
    print(f"\n{title}")
    print(
        f"  {'faces':>9s} {'K':>4s} {'shortest ms':>12s} {'median ms':>10s} {'peak MB':>8s}"
        f" {'modes x faces, complex64, MB':>30s}"
    )
    sizes, times = [], []
    for frequency, band in cases:
        found = in_own_process(frequency, band, repeats)
        faces = 20 * frequency**2
        direct = 8e-6 * faces * (2 * band + 1) ** 2 * (band + 1)
        print(
            f"  {faces:9d} {band:4d} {1e3 * found['shortest']:12.1f} {1e3 * found['median']:10.1f}"
            f" {found['megabytes']:8.0f} {direct:30,.0f}",
            flush=True,
        )
        sizes.append(faces if by == "faces" else band)
        times.append(found["shortest"])
    logs = np.log(sizes), np.log(times)
    whole = np.polyfit(*logs, 1)[0]
    upper = np.polyfit(logs[0][-3:], logs[1][-3:], 1)[0]
    print(f"  time ~ {by}^{whole:.2f} over all, {by}^{upper:.2f} over the last three")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--most-faces", type=int, default=2_000_000)
    parser.add_argument("--largest-band", type=int, default=max(BANDS))
    parser.add_argument("--case", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(run_case(*options.case)))
        return
    from machine import describe

    print(describe("napari-deltamic", "numpy", "scipy", "numba", "torch"))
    frequencies = [n for n in FREQUENCIES if 20 * n**2 <= options.most_faces]
    bands = [band for band in BANDS if band <= options.largest_band]
    table(
        f"Forward + backward against the faces, radius 60 in {VOXELS}^3, K = {FIXED_BAND}",
        [(n, FIXED_BAND) for n in frequencies],
        "faces",
        options.repeats,
    )
    table(
        f"Forward + backward against the band, {20 * FIXED_FREQUENCY**2} faces",
        [(FIXED_FREQUENCY, band) for band in bands],
        "K",
        options.repeats,
    )


if __name__ == "__main__":
    main()
