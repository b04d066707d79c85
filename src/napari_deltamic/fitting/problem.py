"""What a mesh's rendering is compared with, and how it becomes comparable.

Data, renderings and the constant background are vectors of one space: the band's modes, where
Parseval's theorem spares every image-sized transform, or the voxels, where they can be weighted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.densities import (
    Brightness,
    Topology,
    interior_jumps,
    per_face,
)
from napari_deltamic.fitting.stage_blur import StageBlur
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging import ImageStack
from napari_deltamic.imaging.acquisition import Acquisition
from napari_deltamic.imaging.frame_stack import FrameStack, Recording
from napari_deltamic.imaging.image_model import (
    Shape,
    dimming,
    image_of_modes,
    modes_of_image,
)
from napari_deltamic.kernel_threads import thread_count
from napari_deltamic.meshft import MeshFourierTransform
from napari_deltamic.optics import PSF
from napari_deltamic.torch_threads import torch_threads

# Of the transform's modes. Most of that error lies at the band's edge: PSF and blur leave 3e-5 of
# the rendering and 4e-4 of its gradient, measured; far below the noise of any image.
_TOLERANCE = 2e-3
# Poisson weights take no voxel for darker than this fraction of the brightest.
_DARKEST = 0.02
# Vectors shorter than this are summed by one thread: beside other busy processes torch's threads,
# which spin, made all else take twice as long, and transforms have threads of their own.
_WORTH_THREADS = 30_000_000


class Voxels(NamedTuple):
    """Data on the voxels, or on the pixels of frames."""

    data: NDArray[np.float32]
    """(Z, Y, X) intensities, with the stage's blur; or (T, Z, Y / d, X / d) frames."""
    trust: NDArray[np.float32]
    """0 to 1: how much of each comes from voxels inside the mask."""


@dataclass(frozen=True)
class Problem:
    """Data of one stage, and how a mesh's modes become comparable to them."""

    transform: MeshFourierTransform
    filter: torch.Tensor
    """What the OTF is multiplied by: the stage's blur, and Parseval's weights in the band."""
    transfer: torch.Tensor
    """What the modes are multiplied by before :attr:`project`: the filter times the OTF."""
    project: Callable[[torch.Tensor], torch.Tensor]
    """From the blurred modes to the space of the data."""
    target: torch.Tensor
    """The data."""
    constant: torch.Tensor | None
    """What a background of 1 looks like; None holds the background at zero."""
    energy: float
    """Squared norm of the data without the best background."""
    size: float
    """Number of independent real components of the data."""
    voxels: Voxels | None = None
    """The data before weighting, where the problem is on the voxels."""
    root: torch.Tensor | None = None
    """Square root of the voxels' weights, where the problem is on the voxels."""
    attenuation: float = 0.0
    """The rate per um at which planes are dimmed; only on the voxels other than 0."""
    learns_attenuation: bool = False
    acquisition: Acquisition | None = None
    """What leads from the voxels to the data, where these are frames."""

    @property
    def depths(self) -> NDArray[np.float64]:
        """(Z,) depth of the planes below the first, in um, where the problem is on the voxels."""
        assert self.voxels is not None
        return np.asarray(np.arange(len(self.voxels.data)) * self.transform.spacing[0])

    @property
    def depth(self) -> float:
        """Depth of the last plane in um."""
        return float(self.depths[-1])

    def with_otf(self, otf: torch.Tensor) -> Problem:
        """Return the problem for another OTF at the transform's modes."""
        return replace(self, transfer=self.filter * otf.to(self.filter.device))

    def attenuated(self, rate: float) -> Problem:
        """Return the problem for another rate of attenuation, per um."""
        if rate == self.attenuation:
            return self
        assert self.voxels is not None
        assert self.root is not None
        assert self.acquisition is None
        return replace(self, attenuation=rate, project=_projection(self.transform, self.root, rate))


def band_problem(
    stack: ImageStack, box: Shape, psf: PSF, stage: Stage, fit_background: bool, backend: str
) -> Problem:
    """Return the unweighted problem in the band's modes; the stage's band lies below Nyquist."""
    transform = _transform(stack, box, stage, backend)
    frequencies = otf_frequencies(transform)
    blur = StageBlur(stage.blur).transfer(frequencies).to(transform.device)
    # Half of the modes stand for their mirror images too.
    mirrored = torch.full((len(transform.modes[2]),), 2.0**0.5, device=transform.device)
    mirrored[0] = 1.0
    seen = blur * mirrored

    def modes(image: NDArray[np.float32]) -> torch.Tensor:
        return modes_of_image(image, box, stack.spacing, stage.band).to(transform.device) * seen

    constant = modes(np.ones(stack.shape, np.float32)) if fit_background else None
    target = modes(stack.data)
    size = 2.0 * target.numel()
    problem = _problem(transform, seen, lambda blurred: blurred, target, constant, size)
    return problem.with_otf(_otf(psf, frequencies))


def image_problem(
    stack: ImageStack,
    box: Shape,
    psf: PSF,
    stage: Stage,
    fit_background: bool,
    backend: str,
    learn_attenuation: bool = False,
    counted: NDArray[np.bool_] | None = None,
) -> Problem:
    """Return the problem on the voxels that the stack's mask trusts and that are counted."""
    transform = _transform(stack, box, stage, backend)
    frequencies = otf_frequencies(transform)
    blur = StageBlur(stage.blur, stack.spacing)
    trusted = np.ones(stack.shape, np.float32) if stack.mask is None else stack.mask
    data, trust = _blurred_within(stack.data, trusted.astype(np.float32), blur)
    if counted is not None:
        trust, trusted = trust * counted, trusted * counted
    # Blur leaves as many independent voxels as the band has modes.
    kept = np.minimum((2 * np.array(stage.band) + 1) / box, 1.0).prod() if stage.blur else 1.0
    size = float(trusted.sum() * kept)
    transfer = blur.transfer(frequencies).to(transform.device)
    problem = _voxel_problem(transform, transfer, Voxels(data, trust), trust, fit_background, size)
    problem = problem.with_otf(_otf(psf, frequencies))
    return replace(problem, learns_attenuation=learn_attenuation)


def frame_problem(
    stack: FrameStack, box: Shape, stage: Stage, fit_background: bool, backend: str
) -> Problem:
    """Return the problem on the pixels of frames, which the acquisition leads to.

    The specimen is lit before it is blurred, so all that its voxels hold counts: the band ends at
    Nyquist, and there is no blur of the stage's.
    """
    nz, ny, nx = (max((size - 1) // 2, 1) for size in box)
    transform = _transform(stack, box, stage._replace(band=(nz, ny, nx)), backend)
    pixels = Voxels(stack.data, np.ones(stack.data.shape, np.float32))
    sharp = torch.ones(transform.frequencies().shape[:-1], device=transform.device)
    size = float(stack.data.size)
    return _voxel_problem(
        transform, sharp, pixels, pixels.trust, fit_background, size, stack.acquisition
    )


def reweighted(problem: Problem, model: NDArray[np.float32]) -> Problem:
    """Return a problem on the voxels with weights of one over a model of them.

    Its least-squares solution, the model being its own rendering, is that of Poisson's likelihood.

    Parameters
    ----------
    problem
        From :func:`image_problem`.
    model
        Rendering of the current mesh, where the data are: :func:`model_of_data`.
    """
    assert problem.voxels is not None
    data, trust = problem.voxels
    weights = trust / np.maximum(model, np.float32(_DARKEST * data.max()))
    free = problem.constant is not None
    weighted = _voxel_problem(
        problem.transform,
        problem.filter,
        problem.voxels,
        weights,
        free,
        problem.size,
        problem.acquisition,
    )
    learns = problem.learns_attenuation
    weighted = replace(weighted, transfer=problem.transfer, learns_attenuation=learns)
    return weighted.attenuated(problem.attenuation)


def _voxel_problem(
    transform: MeshFourierTransform,
    blur: torch.Tensor,
    voxels: Voxels,
    weights: NDArray[np.floating],
    fit_background: bool,
    size: float,
    acquisition: Acquisition | None = None,
) -> Problem:
    # A copy: sums over memory of numpy's may round by where it lies.
    root = torch.tensor(np.sqrt(weights / weights.mean(), dtype=np.float32))
    root = root.to(transform.device)
    target = torch.tensor(voxels.data, device=transform.device) * root
    if acquisition is None:
        project = _projection(transform, root, 0.0)
    else:
        project = _recording(transform, root, acquisition)
    problem = _problem(transform, blur, project, target, root if fit_background else None, size)
    return replace(problem, voxels=voxels, root=root, acquisition=acquisition)


def _projection(
    transform: MeshFourierTransform, root: torch.Tensor, rate: float
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the map from blurred modes to weighted voxels, dimmed with depth."""
    weight = root * dimming(rate, len(root), float(transform.spacing[0])).to(root)
    z, y, x = root.shape

    def project(blurred: torch.Tensor) -> torch.Tensor:
        return image_of_modes(blurred, transform.shape, transform.spacing, (z, y, x), weight)

    return project


def _recording(
    transform: MeshFourierTransform, root: torch.Tensor, acquisition: Acquisition
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the map from modes of the density to weighted frames."""

    def project(modes: torch.Tensor) -> torch.Tensor:
        density = image_of_modes(modes, transform.shape, transform.spacing, acquisition.shape)
        frames: torch.Tensor = acquisition(density) * root
        return frames

    return project


def model_of_data(
    problem: Problem,
    vertices: NDArray[np.float64],
    brightness: Brightness,
    topology: Topology,
    stack: Recording,
) -> NDArray[np.float32]:
    """Return the problem's rendering where the data are: on the voxels, or as frames."""
    if isinstance(stack, ImageStack):
        return model_image(problem, vertices, brightness, topology, stack)
    with torch.no_grad():
        positions = positions_of(problem, vertices)
        modes = density_modes(problem, positions, topology, brightness) * problem.transfer
        density = image_of_modes(modes, problem.transform.shape, stack.spacing, stack.shape)
        frames = stack.acquisition(density)
    return np.asarray(frames.cpu().numpy() + np.float32(brightness.background))


def model_image(
    problem: Problem,
    vertices: NDArray[np.float64],
    brightness: Brightness,
    topology: Topology,
    stack: ImageStack,
) -> NDArray[np.float32]:
    """Return the problem's rendering on the stack's voxels, (Z, Y, X)."""
    with torch.no_grad():
        positions = positions_of(problem, vertices)
        modes = density_modes(problem, positions, topology, brightness) * problem.transfer
        image = image_of_modes(modes, problem.transform.shape, stack.spacing, stack.shape)
        image = image * dimming(brightness.attenuation, len(image), stack.spacing[0]).to(image)
    return np.asarray(image.cpu().numpy() + np.float32(brightness.background))


def density_modes(
    problem: Problem, positions: torch.Tensor, topology: Topology, brightness: Brightness
) -> torch.Tensor:
    """Return the modes of a mesh of a brightness, unblurred; differentiable in the positions."""
    membrane = jump = None
    if len(brightness.membrane):
        membrane = per_face(brightness.membrane, topology)
    if len(brightness.interior):
        jump = interior_jumps(topology, brightness.interior)
    return problem.transform(positions, topology.faces, membrane, jump)


def otf_frequencies(transform: MeshFourierTransform) -> torch.Tensor:
    """Return (nz, ny, nx, 3) where the OTF is asked for, in cycles/um, on the CPU."""
    return transform.frequencies().float()


def _otf(psf: PSF, frequencies: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return psf.otf(frequencies)


def _transform(stack: Recording, box: Shape, stage: Stage, backend: str) -> MeshFourierTransform:
    return MeshFourierTransform(
        box, stack.spacing, tolerance=_TOLERANCE, backend=backend, band=stage.band
    )


def _problem(
    transform: MeshFourierTransform,
    filter_: torch.Tensor,
    project: Callable[[torch.Tensor], torch.Tensor],
    target: torch.Tensor,
    constant: torch.Tensor | None,
    size: float,
) -> Problem:
    energy = float(inner(target, target))
    if constant is not None:
        energy -= float(inner(constant, target)) ** 2 / float(inner(constant, constant))
    # Until an OTF is given, that of a PSF without width.
    return Problem(transform, filter_, filter_, project, target, constant, energy, size)


def _blurred_within(
    data: NDArray[np.float32], trusted: NDArray[np.float32], blur: StageBlur
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return data blurred from trusted voxels alone, and how much trust each voxel then has."""
    if blur.sigma == 0:
        return data, trusted
    # Beyond the stack there is nothing to trust.
    coverage = blur.of(trusted)
    return blur.of(data * trusted) / np.maximum(coverage, 1e-6), trusted * coverage


def threads_for(problem: Problem) -> AbstractContextManager[None]:
    """Return the threads of torch that a problem's vectors are worth."""
    short = problem.target.numel() < _WORTH_THREADS
    return torch_threads(1 if short else thread_count())


def positions_of(problem: Problem, vertices: torch.Tensor | NDArray[np.float64]) -> torch.Tensor:
    """Return vertices in um where and as the transform takes them."""
    if isinstance(vertices, np.ndarray):
        vertices = torch.tensor(vertices)
    return vertices.to(problem.transform.device, torch.float32)


def inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the real product of two vectors of a problem's space."""
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    return torch.dot(a.reshape(-1), b.reshape(-1))
