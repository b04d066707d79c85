"""Generated movies of embryos whose cells drift, turn, shear and divide, with a known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.imaging.embryo_light import (
    EmbryoLabel,
    Marking,
    Optics,
    checked_request,
    default_psf,
    margin_of,
    marking,
)
from napari_deltamic.imaging.embryo_shape import (
    cell_volumes,
    check_size,
    default_scale,
    extent_of,
    fitted_scale,
    foam_surface,
    largest_diameter,
    middle_of,
    refined,
    room_and_aspect,
    stack_shape,
    with_nuclei,
)
from napari_deltamic.imaging.embryos import Embryo, photographed
from napari_deltamic.imaging.flow import Flow
from napari_deltamic.imaging.soap_films import relaxed
from napari_deltamic.mesh.triangle_mesh import TriangleMesh

if TYPE_CHECKING:
    from napari_deltamic.optics import PSF

# In cell diameters squared: enough to round off the furrow between sisters that are one cell yet.
_FURROW_FLOW, _FURROW_STEPS = 0.02, 6


class Division(NamedTuple):
    """One cell becomes two."""

    frame: int
    """The first one that shows both."""
    mother: int
    """Region that divides; one daughter keeps its number."""
    daughter: int
    """Region of the other daughter, which earlier frames do not have."""


@dataclass(frozen=True, eq=False)
class EmbryoMovie:
    """A generated movie: one embryo a frame, all of one shape, optics and gain.

    Attributes
    ----------
    frames
        The embryos. A region's number is that of the same cell in all frames, and the truths of
        consecutive frames have the same faces, except where a cell divides.
    division
        Which cell divides when; None if none does.
    """

    frames: Sequence[Embryo]
    division: Division | None

    def data(self) -> NDArray[np.float32]:
        """Return (T, Z, Y, X) photons."""
        return np.stack([frame.stack.data for frame in self.frames])

    def labels(self) -> NDArray[np.int32]:
        """Return (T, Z, Y, X) the region that each voxel's centre lies in, 0 outside."""
        return np.stack([frame.labels for frame in self.frames])

    def volumes(self) -> NDArray[np.float64]:
        """Return (T, R) volumes in um^3 of regions 1, 2, ...; NaN where a frame has no such."""
        count = max(int(frame.truth.regions.max()) for frame in self.frames)
        volumes = np.full((len(self.frames), count), np.nan)
        for row, frame in zip(volumes, self.frames, strict=True):
            row[frame.truth.regions - 1] = frame.volumes()
        return volumes


def make_embryo_movie(
    cells: int = 8,
    frames: int = 20,
    shape: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    peak: float = 20.0,
    background: float = 1.0,
    psf: PSF | None = None,
    attenuation: float = 0.0,
    nuclei: bool = False,
    label: EmbryoLabel = "membrane",
    contact_brightness: float = 2.0,
    motion: float = 0.6,
    division_frame: int | None = None,
) -> EmbryoMovie:
    """Generate a movie of an embryo whose cells move smoothly, with a known truth.

    The truth's vertices are carried by a smooth flow that keeps volumes: shear that comes and goes,
    a slow turn and a slow drift.

    Parameters
    ----------
    cells
        How many, 1 to 256; with a division, before it.
    frames
        How many.
    shape, spacing, seed, background, psf, attenuation, nuclei, label, contact_brightness
        As for :func:`~napari_deltamic.imaging.make_embryo`; the stack leaves room for the motion.
    peak
        Expected photons above the background in the brightest voxel of the first frame.
    motion
        Root mean square displacement from one frame to the next, in voxels of the plane.
    division_frame
        Frame from which a contact cuts one cell in two; None for no division.

    Raises
    ------
    ValueError
        If an argument is out of range, the shape is too small for so many cells, or a division is
        asked of cells with nuclei.
    """
    voxel = checked_request(
        cells, shape, spacing, peak, background, attenuation, label, contact_brightness
    )
    _check_movie(frames, motion, division_frame, nuclei)
    optic = psf if psf is not None else default_psf(voxel)
    margin = margin_of(optic, voxel)
    shape_rng, nuclei_rng, light_rng, noise_rng, flow_rng = np.random.default_rng(seed).spawn(5)
    room, aspect = room_and_aspect(shape, voxel, margin)
    check_size(largest_diameter(room, aspect, voxel, cells), voxel, cells)
    volumes = cell_volumes(cells, shape_rng)
    mother = None
    if division_frame is not None:
        mother = int(shape_rng.integers(cells)) + 1
        # Sisters share their mother's volume.
        volumes[mother - 1] *= 0.5
        volumes = np.append(volumes, volumes[mother - 1])
    surface = foam_surface(volumes, aspect, shape_rng, mother)
    surface = surface.with_vertices(surface.vertices - middle_of(surface.vertices))
    diameter = default_scale(voxel)
    if room is not None:
        diameter = fitted_scale(extent_of(surface.vertices), room)
    edge_length = float(voxel[1:].min())
    truth = refined(surface.with_vertices(diameter * surface.vertices), diameter, edge_length)
    if nuclei:
        truth = with_nuclei(truth, edge_length, nuclei_rng)
    start = [truth]
    if mother is not None:
        start = [_undivided(truth, mother, diameter), truth]

    step = motion * float(voxel[1:].mean())
    flow = Flow(0.5 * float(extent_of(truth.vertices).max()), step, flow_rng)
    sizes = [len(mesh.vertices) for mesh in start]
    paths = flow.carried(np.concatenate([mesh.vertices for mesh in start]), frames)
    if room is not None:
        # With the motion it needs more room than at rest.
        shrinking = min(fitted_scale(extent_of(paths), room), 1.0)
        paths, diameter = paths * shrinking, diameter * shrinking
    check_size(diameter, voxel, cells)
    if shape is None:
        shape = stack_shape(extent_of(paths), voxel, margin)
    optics = Optics(shape, voxel, optic, attenuation)
    paths += optics.middle - middle_of(paths)

    marks = marking(len(volumes), label, nuclei, contact_brightness, light_rng)
    if mother is not None:
        marks = _inherited(marks, mother)
    embryos: list[Embryo] = []
    for frame, points in enumerate(paths):
        stage = 0 if division_frame is None or frame < division_frame else 1
        first = sum(sizes[:stage])
        mesh = start[stage].with_vertices(points[first : first + sizes[stage]])
        count = cells + stage
        gain = embryos[0].gain if embryos else None
        embryos.append(
            photographed(mesh, count, optics, label, marks, peak, background, noise_rng, gain)
        )
    division = None
    if division_frame is not None and mother is not None:
        division = Division(division_frame, mother, cells + 1)
    return EmbryoMovie(tuple(embryos), division)


def _check_movie(frames: int, motion: float, division_frame: int | None, nuclei: bool) -> None:
    if int(frames) != frames or frames < 1:
        raise ValueError(f"frames: expected a whole number of 1 or more, got {frames}")
    if not np.isfinite(motion) or not 0 <= motion <= 3:
        raise ValueError(f"motion: expected 0 to 3 voxels a frame, got {motion}")
    if division_frame is None:
        return
    if int(division_frame) != division_frame or not 1 <= division_frame < frames:
        raise ValueError(
            f"division_frame: expected one of the frames 1..{frames - 1}, got {division_frame}"
        )
    if nuclei:
        raise ValueError("division_frame: cells with nuclei cannot divide; set nuclei to False")


def _undivided(mesh: TriangleMesh, mother: int, diameter: float) -> TriangleMesh:
    """Return the mesh before its last region was cut off the mother."""
    labels = np.where(mesh.labels == mesh.regions[-1], mother, mesh.labels)
    kept = labels[:, 0] != labels[:, 1]
    used, faces = np.unique(mesh.faces[kept], return_inverse=True)
    joined = TriangleMesh(mesh.vertices[used], faces.reshape(-1, 3), labels[kept])
    return relaxed(joined, _FURROW_FLOW * diameter**2, _FURROW_STEPS)


def _inherited(marks: Marking, mother: int) -> Marking:
    """Give the last region the brightness of its mother, whose membranes were its own."""
    membrane, interior = marks.membrane.copy(), marks.interior.copy()
    between = membrane[-1, mother]
    membrane[-1], membrane[:, -1] = membrane[mother], membrane[:, mother]
    membrane[-1, mother] = membrane[mother, -1] = between
    interior[-1] = interior[mother]
    return Marking(membrane, interior)
