"""Movies: cells followed, time of a frame beside the first one's, volumes; and a real droplet.

Generated: an embryo whose cells drift, turn and shear, contacts twice as bright as outer faces,
z-spacing three times that of x and y, a peak of 20 photons over 1 of background. The start is found
in the first frame's image; the truth is only compared with. A second, shorter movie has a division.
Real: the volume of a droplet in 21 frames, and how it scatters about a smooth trend.
"""

import argparse
import resource
import time
from itertools import pairwise
from statistics import median

import numpy as np
from machine import describe

from napari_deltamic.fitting import FitSettings
from napari_deltamic.imaging import (
    EmbryoMovie,
    data_folder,
    fetch,
    make_embryo_movie,
    seed_from_image,
)
from napari_deltamic.mesh import TriangleMesh, seed_from_labels
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.timelapse import Movie, TimelapseResult, fit_timelapse

POISSON = FitSettings(noise="poisson")
_MAD_TO_SIGMA = 1.4826


class Pauses:
    """The longest time between two of a movie's states."""

    def __init__(self) -> None:
        self.longest, self._last = 0.0, time.perf_counter()

    def __call__(self, state: object) -> None:
        """Take note of a state."""
        now = time.perf_counter()
        self.longest, self._last = max(self.longest, now - self._last), now


def renumbered(mesh: TriangleMesh, truth: TriangleMesh) -> dict[int, int]:
    """Return which true region each region is, by the nearest centroid."""
    from napari_deltamic.mesh import measure

    places = {one.region: np.array(one.centroid) for one in measure(truth)}
    return {
        one.region: min(places, key=lambda region: np.linalg.norm(places[region] - one.centroid))
        for one in measure(mesh)
    }


def embryo(cells: int, frames: int, motion: float, division_frame: int | None, seed: int) -> None:
    movie = make_embryo_movie(
        cells, frames, motion=motion, division_frame=division_frame, seed=seed
    )
    stacks = [frame.stack for frame in movie.frames]
    try:
        start = seed_from_image(stacks[0], label="membrane")
        origin = "image"
    except ValueError:
        start = TriangleMesh(np.empty((0, 3)), np.empty((0, 3), dtype=int))
        origin = "labels"
    if len(start.regions) != len(movie.frames[0].truth.regions):
        start, origin = seed_from_labels(movie.frames[0].labels, stacks[0].spacing), "labels"
    pauses = Pauses()
    result = fit_timelapse(stacks, start, movie.frames[0].psf, POISSON, pauses)
    report(movie, result, f"{cells} cells, {frames} frames, motion {motion} voxels", origin)
    print(f"  longest time between two states {pauses.longest:.2f} s")


def report(movie: EmbryoMovie, result: TimelapseResult, title: str, origin: str) -> None:
    true_of = renumbered(result.frames[0].mesh, movie.frames[0].truth)
    division, since = movie.division, true_of
    if division is not None and result.divisions:
        for one in result.divisions:
            where = "right" if one.frame == division.frame else "wrong"
            print(f"\n  region {one.parent} divided in frame {one.frame}: the {where} frame")
        # Which daughter keeps the number is not the truth's choice.
        since = renumbered(result.frames[-1].mesh, movie.frames[len(result.frames) - 1].truth)
    followed = total = 0
    mean_errors, worst = [], 0.0
    for fitted, true in zip(result.frames, movie.frames, strict=False):
        volume_of = dict(zip(true.truth.regions.tolist(), true.volumes(), strict=True))
        total += len(volume_of)
        now = renumbered(fitted.mesh, true.truth)
        if division is not None and fitted.frame == division.frame:
            true_of = since
        if not set(now) <= set(true_of):
            continue
        names = {true_of[region] for region in now}
        followed += sum(now[region] == true_of[region] for region in now)
        if names != set(volume_of):
            continue
        errors = [
            abs(volume / volume_of[true_of[region]] - 1)
            for region, volume in zip(
                fitted.mesh.regions.tolist(), fitted.mesh.volumes(), strict=True
            )
        ]
        mean_errors.append(float(np.mean(errors)))
        worst = max(worst, *errors)
    first, *others = result.frames
    plain = [one.seconds for one in others if not one.divisions and not one.suspects]
    false_alarms = sum(len(one.suspects) for one in result.frames)
    if division is None:
        false_alarms += len(result.divisions)
    print(
        f"\n{title}, start from the {origin}:\n"
        f"  cells followed {followed} of {total} ({followed / total:.0%}), "
        f"lost {len(result.lost)}, false alarms {false_alarms}\n"
        f"  first frame {first.seconds:.1f} s, later ones median {median(plain):.2f} s "
        f"({median(plain) / first.seconds:.2f} of the first), longest {max(plain):.2f} s\n"
        f"  volume error, first frame {mean_errors[0]:.2%}, last {mean_errors[-1]:.2%}, "
        f"mean {np.mean(mean_errors):.2%}, largest of any cell {worst:.2%}"
    )


def droplet() -> None:
    movie = Movie(fetch("droplet_timelapse_21frames.tif"), spacing=(1.0, 1.0, 1.0))
    start = seed_from_image(movie[0], label="interior")
    settings = FitSettings(label="interior")
    result = fit_timelapse(movie, start, GaussianPSF((1.0, 1.0, 1.0)), settings)
    volumes = np.array([mesh.volumes()[0] for mesh in result.meshes])
    times = np.arange(len(volumes))
    trend = np.polyval(np.polyfit(times, volumes, 2), times)
    left = volumes - trend
    scatter = np.sqrt(np.square(left).sum() / (len(volumes) - 3))
    robust = _MAD_TO_SIGMA * np.median(np.abs(left - np.median(left)))
    jumps = [abs(after / before - 1) for before, after in pairwise(volumes)]
    first, *others = (one.seconds for one in result.frames)
    print(
        f"\ndroplet, {len(volumes)} frames, {movie[0].shape}, voxels taken as 1 um:\n"
        f"  volume {volumes[0]:.1f} um^3 first, {volumes[-1]:.1f} last, mean {volumes.mean():.1f}\n"
        f"  scatter about a quadratic trend {scatter / volumes.mean():.2%} "
        f"(robust {robust / volumes.mean():.2%}), largest step {max(jumps):.2%}\n"
        f"  first frame {first:.2f} s, later ones median {median(others):.2f} s "
        f"({median(others) / first:.2f} of the first)\n"
        f"  warnings: {result.warnings or 'none'}\n"
        "  volumes: " + ", ".join(f"{volume:.1f}" for volume in volumes)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--motions", type=float, nargs="*", default=[0.6, 1.5])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=["embryo", "division", "droplet"])
    chosen = parser.parse_args()
    print(describe("numpy", "torch", "numba"))
    # Compiling is not part of a frame's time.
    warm = make_embryo_movie(2, 2, seed=0)
    labels, spacing = warm.frames[0].labels, warm.frames[0].stack.spacing
    start = seed_from_labels(labels, spacing)
    fit_timelapse([one.stack for one in warm.frames], start, warm.frames[0].psf, POISSON)
    if chosen.only in (None, "embryo"):
        for motion in chosen.motions:
            embryo(chosen.cells, chosen.frames, motion, None, chosen.seed)
    if chosen.only in (None, "division"):
        embryo(4, 6, 0.6, 3, chosen.seed)
    if chosen.only in (None, "droplet"):
        if data_folder() is None:
            print("\nno folder of real data: the droplet is left out")
        else:
            droplet()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
