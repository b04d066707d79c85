"""The misfit of a mesh's rendering as least squares: its value, gradient and linear unknowns.

Data, renderings and the constant background are vectors of one space: the band's modes, where
Parseval's theorem spares every image-sized transform, or the voxels, where they can be weighted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_deltamic.fitting.linear import nonnegative_minimum
from napari_deltamic.fitting.stages import Stage
from napari_deltamic.imaging import ImageStack
from napari_deltamic.imaging.image_model import Shape, image_of_modes, modes_of_image
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.meshft import MeshFourierTransform
from napari_deltamic.meshft.threads import thread_count, torch_threads
from napari_deltamic.optics import PSF

_CPU = torch.device("cpu")
# Of the transform; far below the noise of any image.
_TOLERANCE = 3e-4
# Vectors shorter than this are summed by one thread.
_WORTH_THREADS = 1_000_000
# Poisson weights take no voxel for darker than this fraction of the brightest.
_DARKEST = 0.02
# A dark component would never be moved, so for the gradient none is darker than this, relatively.
_DIMMEST = 0.05


class Topology(NamedTuple):
    """What the faces of a mesh say about its densities, on the device that renders it."""

    faces: torch.Tensor
    """(F, 3) vertex indices."""
    interface: torch.Tensor
    """(F,) interface of each face."""
    inner: torch.Tensor
    """(F,) position of the inner region among the mesh's regions; R for the outside."""
    outer: torch.Tensor
    """(F,) the same of the outer region."""


class Brightness(NamedTuple):
    """The linear unknowns."""

    membrane: NDArray[np.float64]
    """(I,) per um^2 of each interface; empty where the membrane is dark."""
    interior: NDArray[np.float64]
    """(R,) per um^3 of each region; empty where the interior is dark."""
    background: float


class Evaluation(NamedTuple):
    """The misfit of one mesh."""

    loss: float
    """Squared residuals, with the problem's weights, over the data's, background removed."""
    gradient: torch.Tensor
    """(V, 3) float64 of the loss in the vertices, per um, where they lie."""
    brightness: Brightness
    """Scaled to fit best."""
    penalty: float = 0.0
    """What a prior adds to the loss; its gradient is in :attr:`gradient`."""

    @property
    def objective(self) -> float:
        """What is minimised."""
        return self.loss + self.penalty


class Voxels(NamedTuple):
    """Data on the voxels."""

    data: NDArray[np.float32]
    """(Z, Y, X) intensities, with the stage's blur."""
    trust: NDArray[np.float32]
    """(Z, Y, X) 0 to 1: how much of each comes from voxels inside the mask."""


@dataclass(frozen=True)
class Problem:
    """Data of one stage, and how a mesh's modes become comparable to them."""

    transform: MeshFourierTransform
    transfer: torch.Tensor
    """What the modes are multiplied by before :attr:`project`: OTF, blur and Parseval's weights."""
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


def topology_of(mesh: TriangleMesh, device: torch.device = _CPU) -> Topology:
    """Return the topology of a mesh on a device."""
    place = np.full(int(mesh.labels.max(initial=0)) + 1, len(mesh.regions))
    place[mesh.regions] = np.arange(len(mesh.regions))
    tables = mesh.faces, mesh.face_interfaces, *place[mesh.labels].T
    return Topology(*(torch.tensor(np.array(table), device=device) for table in tables))


def band_problem(
    stack: ImageStack, box: Shape, psf: PSF, stage: Stage, fit_background: bool, backend: str
) -> Problem:
    """Return the unweighted problem in the band's modes; the stage's band lies below Nyquist."""
    transform = _transform(stack, box, stage, backend)
    filtered, otf = _filters(transform, psf, stage.blur)
    # Half of the modes stand for their mirror images too.
    mirrored = torch.full((len(transform.modes[2]),), 2.0**0.5, device=transform.device)
    mirrored[0] = 1.0
    seen = filtered * mirrored

    def modes(image: NDArray[np.float32]) -> torch.Tensor:
        return modes_of_image(image, box, stack.spacing, stage.band).to(transform.device) * seen

    constant = modes(np.ones(stack.shape, np.float32)) if fit_background else None
    target = modes(stack.data)
    size = 2.0 * target.numel()
    return _problem(transform, otf * mirrored, lambda blurred: blurred, target, constant, size)


def image_problem(
    stack: ImageStack, box: Shape, psf: PSF, stage: Stage, fit_background: bool, backend: str
) -> Problem:
    """Return the problem on the voxels, where the stack's mask trusts them."""
    transform = _transform(stack, box, stage, backend)
    _, otf = _filters(transform, psf, stage.blur)
    trusted = np.ones(stack.shape, np.float32) if stack.mask is None else stack.mask
    data, trust = _blurred_within(stack.data, trusted.astype(np.float32), stack, stage.blur)
    # Blur leaves as many independent voxels as the band has modes.
    kept = np.minimum((2 * np.array(stage.band) + 1) / box, 1.0).prod() if stage.blur else 1.0
    size = float(trusted.sum() * kept)
    return _voxel_problem(transform, otf, Voxels(data, trust), trust, fit_background, size)


def reweighted(problem: Problem, model: NDArray[np.float32]) -> Problem:
    """Return a problem on the voxels with weights of one over a model of them.

    Its least-squares solution, the model being its own rendering, is that of Poisson's likelihood.

    Parameters
    ----------
    problem
        From :func:`image_problem`.
    model
        (Z, Y, X) rendering of the current mesh.
    """
    assert problem.voxels is not None
    data, trust = problem.voxels
    weights = trust / np.maximum(model, np.float32(_DARKEST * data.max()))
    free = problem.constant is not None
    return _voxel_problem(
        problem.transform, problem.transfer, problem.voxels, weights, free, problem.size
    )


def _voxel_problem(
    transform: MeshFourierTransform,
    transfer: torch.Tensor,
    voxels: Voxels,
    weights: NDArray[np.floating],
    fit_background: bool,
    size: float,
) -> Problem:
    # A copy: sums over memory of numpy's may round by where it lies.
    root = torch.tensor(np.sqrt(weights / weights.mean(), dtype=np.float32))
    root = root.to(transform.device)
    shape = voxels.data.shape

    def project(blurred: torch.Tensor) -> torch.Tensor:
        return image_of_modes(blurred, transform.shape, transform.spacing, shape) * root

    target = torch.tensor(voxels.data, device=transform.device) * root
    problem = _problem(transform, transfer, project, target, root if fit_background else None, size)
    return replace(problem, voxels=voxels)


def evaluate(
    problem: Problem, vertices: torch.Tensor, topology: Topology, brightness: Brightness
) -> Evaluation:
    """Return the misfit with the brightness of each kind and the background at their best.

    Parameters
    ----------
    problem
        The stage's problem.
    vertices
        (V, 3) float64 in um from the centre of voxel 0.
    topology
        Of the mesh.
    brightness
        Its ratios within membrane and interior are kept; the two scales and the background are
        solved for, which by the envelope theorem leaves the gradient as if they were fixed.
    """
    short = problem.target.numel() < _WORTH_THREADS
    with torch_threads(1 if short else thread_count()):
        return _evaluate(problem, vertices, topology, brightness)


def _evaluate(
    problem: Problem, vertices: torch.Tensor, topology: Topology, brightness: Brightness
) -> Evaluation:
    positions = _positions(problem, vertices).detach().requires_grad_()
    dense = Brightness(_lit(brightness.membrane), _lit(brightness.interior), 0.0)
    columns = []
    if len(dense.membrane):
        membrane = _per_face(dense.membrane, topology)
        columns.append(_rendered(problem, positions, topology, membrane, None))
    if len(dense.interior):
        jump = interior_jumps(topology, dense.interior)
        columns.append(_rendered(problem, positions, topology, None, jump))
    with torch.no_grad():
        scales = _solve(problem, columns)
    residual = -problem.target
    if problem.constant is not None:
        residual = residual + scales[-1] * problem.constant
    for scale, column in zip(scales, columns, strict=False):
        residual = residual + float(scale) * column
    loss = (
        torch.view_as_real(residual).square().sum()
        if residual.is_complex()
        else (residual.square().sum())
    )
    loss = loss / problem.energy
    (gradient,) = torch.autograd.grad(loss, positions)
    scale_of = iter(scales)
    scaled = Brightness(
        dense.membrane * next(scale_of) if len(dense.membrane) else dense.membrane,
        dense.interior * next(scale_of) if len(dense.interior) else dense.interior,
        float(scales[-1]) if problem.constant is not None else 0.0,
    )
    return Evaluation(float(loss.detach()), gradient.to(vertices), scaled)


def solve_brightness(
    problem: Problem,
    vertices: torch.Tensor | NDArray[np.float64],
    topology: Topology,
    brightness: Brightness,
) -> Brightness:
    """Return all linear unknowns in closed form; one transform for each.

    ``brightness`` says how many there are of each kind; its values do not matter.
    """
    positions = _positions(problem, vertices)
    columns = []
    with torch.no_grad():
        for i in range(len(brightness.membrane)):
            membrane = (topology.interface == i).float()
            columns.append(_rendered(problem, positions, topology, membrane, None))
        for unit in np.eye(len(brightness.interior)):
            jump = interior_jumps(topology, unit)
            columns.append(_rendered(problem, positions, topology, None, jump))
        solved = _solve(problem, columns)
    split = len(brightness.membrane)
    background = float(solved[-1]) if problem.constant is not None else 0.0
    return Brightness(solved[:split], solved[split : len(columns)], background)


def model_image(
    problem: Problem,
    vertices: NDArray[np.float64],
    brightness: Brightness,
    topology: Topology,
    stack: ImageStack,
) -> NDArray[np.float32]:
    """Return the problem's rendering on the stack's voxels, (Z, Y, X)."""
    positions = _positions(problem, vertices)
    membrane = jump = None
    if len(brightness.membrane):
        membrane = _per_face(brightness.membrane, topology)
    if len(brightness.interior):
        jump = interior_jumps(topology, brightness.interior)
    with torch.no_grad():
        modes = problem.transform(positions, topology.faces, membrane, jump) * problem.transfer
        image = image_of_modes(modes, problem.transform.shape, stack.spacing, stack.shape)
    return np.asarray(image.cpu().numpy() + np.float32(brightness.background))


def _transform(stack: ImageStack, box: Shape, stage: Stage, backend: str) -> MeshFourierTransform:
    return MeshFourierTransform(
        box, stack.spacing, tolerance=_TOLERANCE, backend=backend, band=stage.band
    )


def _filters(
    transform: MeshFourierTransform, psf: PSF, blur: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the stage's blur, and the same times the OTF, at the transform's modes."""
    frequencies = transform.frequencies().float()
    extra = torch.exp(-2.0 * torch.pi**2 * blur**2 * frequencies.square().sum(dim=-1))
    with torch.no_grad():
        through = extra * psf.otf(frequencies)
    return extra.to(transform.device), through.to(transform.device)


def _problem(
    transform: MeshFourierTransform,
    transfer: torch.Tensor,
    project: Callable[[torch.Tensor], torch.Tensor],
    target: torch.Tensor,
    constant: torch.Tensor | None,
    size: float,
) -> Problem:
    energy = float(_inner(target, target))
    if constant is not None:
        energy -= float(_inner(constant, target)) ** 2 / float(_inner(constant, constant))
    return Problem(transform, transfer, project, target, constant, energy, size)


def _blurred_within(
    data: NDArray[np.float32], trusted: NDArray[np.float32], stack: ImageStack, blur: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return data blurred from trusted voxels alone, and how much trust each voxel then has."""
    from scipy.ndimage import gaussian_filter

    if blur == 0:
        return data, trusted
    sigma = blur / stack.spacing
    # Beyond the stack there is nothing to trust.
    coverage = gaussian_filter(trusted, sigma, mode="constant")
    total = gaussian_filter(data * trusted, sigma, mode="constant")
    return total / np.maximum(coverage, 1e-6), trusted * coverage


def _rendered(
    problem: Problem,
    positions: torch.Tensor,
    topology: Topology,
    membrane: torch.Tensor | None,
    jump: torch.Tensor | None,
) -> torch.Tensor:
    modes = problem.transform(positions, topology.faces, membrane, jump)
    return problem.project(modes * problem.transfer)


def _positions(problem: Problem, vertices: torch.Tensor | NDArray[np.float64]) -> torch.Tensor:
    if isinstance(vertices, np.ndarray):
        vertices = torch.tensor(vertices)
    return vertices.to(problem.transform.device, torch.float32)


def _solve(problem: Problem, columns: list[torch.Tensor]) -> NDArray[np.float64]:
    """Return the best nonnegative factor of each column, and the background last if it is free."""
    free = [] if problem.constant is None else [problem.constant]
    everything = [*columns, *free]
    products = [[_inner(a, b) for b in [*everything, problem.target]] for a in everything]
    # Together, because each number that is asked of a GPU costs a wait.
    table = torch.stack([torch.stack(row) for row in products]).double().cpu().numpy()
    return nonnegative_minimum(table[:, :-1], table[:, -1], free=len(free))


def _inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    return torch.dot(a.reshape(-1), b.reshape(-1))


def interior_jumps(topology: Topology, interior: NDArray[np.float64]) -> torch.Tensor:
    """Return (F,) inner minus outer brightness of each face, from (R,) that of the regions."""
    with_outside = torch.tensor(np.append(interior, 0.0), device=topology.faces.device)
    return with_outside[topology.inner] - with_outside[topology.outer]


def _per_face(membrane: NDArray[np.float64], topology: Topology) -> torch.Tensor:
    return torch.tensor(membrane, device=topology.faces.device)[topology.interface]


def _lit(brightness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the brightness without a dark component; all alike if every one is dark."""
    if len(brightness) == 0:
        return brightness
    brightest = brightness.max()
    return np.maximum(brightness, _DIMMEST * brightest) if brightest > 0 else brightness + 1.0
