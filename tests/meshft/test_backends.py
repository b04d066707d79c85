"""Which device computes, why, and that the seam holds for the CUDA kernels built for the host."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from cuda_on_host import make_launch
from meshft_cases import relative_error
from torch.utils._python_dispatch import TorchDispatchMode

from napari_deltamic.mesh import icosphere
from napari_deltamic.meshft import MeshFourierTransform, backends
from napari_deltamic.meshft.cuda import availability
from napari_deltamic.meshft.cuda import backend as cuda_backend
from napari_deltamic.meshft.cuda.availability import cuda_obstacle
from napari_deltamic.meshft.cuda.source import SPARSE

BOX = (10, 11, 12), (1.0, 1.0, 1.0)
MESH = icosphere((4.0, 5.0, 6.0), 2.0, 2)


@pytest.fixture
def asked_anew():
    """Forget what was found out about CUDA, before and after."""
    availability._obstacle.cache_clear()
    yield
    availability._obstacle.cache_clear()


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "cuda_obstacle", lambda: "there is none")


@pytest.fixture
def on_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make "cuda" mean the CUDA backend with its kernels built for the host."""
    monkeypatch.setattr(availability, "cuda_obstacle", lambda: "")
    monkeypatch.setattr(availability, "cuda_name", lambda device: "stand-in")
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    make = cuda_backend.CudaBackend

    def on_cpu(*arguments: object, device: torch.device) -> cuda_backend.CudaBackend:
        assert device.type == "cuda"
        return make(*arguments, device=torch.device("cpu"))

    monkeypatch.setattr(cuda_backend, "CudaBackend", on_cpu)
    monkeypatch.setattr(cuda_backend, "cupy_launch", lambda device, module: make_launch(module))


def test_auto_takes_the_cpu_and_says_why(no_cuda: None) -> None:
    transform = MeshFourierTransform(*BOX)
    assert transform.device_reason == "CPU: there is none"
    assert transform.device == torch.device("cpu")


@pytest.mark.parametrize("arguments", [{"backend": "cpu"}, {"device": "cpu"}])
def test_the_cpu_can_be_insisted_on(arguments: dict, on_host: None) -> None:
    assert MeshFourierTransform(*BOX, **arguments).device_reason == "CPU: asked for"


@pytest.mark.parametrize("arguments", [{"backend": "cuda"}, {"device": "cuda"}])
def test_insisting_on_cuda_without_it_says_what_is_missing(arguments: dict, no_cuda: None) -> None:
    with pytest.raises(ValueError, match=r"backend: CUDA cannot be used here: there is none; mend"):
        MeshFourierTransform(*BOX, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "gpu"}, "backend: expected one of .*, got 'gpu'"),
        ({"device": "nonsense"}, "device: expected a torch device"),
        ({"device": "meta"}, "device: only 'cpu' and 'cuda' devices"),
        ({"backend": "cpu", "device": "cuda"}, "device: 'cuda' does not go with backend='cpu'"),
        ({"backend": "cuda", "device": "cpu"}, "device: 'cpu' does not go with backend='cuda'"),
    ],
)
def test_choices_that_make_no_sense(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MeshFourierTransform(*BOX, **arguments)


def test_torch_without_cuda(asked_anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert cuda_obstacle() == "torch was installed without CUDA"


def test_no_device_or_an_old_driver(asked_anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("The NVIDIA driver is too old (found version 11040).\nUpdate it.")

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "init", refuse)
    assert "driver is too old (found version 11040).)" in cuda_obstacle()
    assert "Update" not in cuda_obstacle()


def fake_cupy(monkeypatch: pytest.MonkeyPatch, result: int) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    cupy = ModuleType("cupy")
    cupy.int32 = np.int32  # type: ignore[attr-defined]
    cupy.zeros = lambda count, dtype: np.full(count, result, dtype)  # type: ignore[attr-defined]
    cupy.RawKernel = lambda code, name: lambda *launch: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda *shape, device=None: ones(*shape))


def test_without_cupy(asked_anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy(monkeypatch, 1)
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "CuPy is not installed" in cuda_obstacle()
    assert "install napari-deltamic[gpu] or [gpu13]" in cuda_obstacle()


@pytest.mark.parametrize(
    ("result", "obstacle"), [(1, ""), (0, "a trial kernel gave a wrong result")]
)
def test_the_trial_kernel(
    asked_anew: None, monkeypatch: pytest.MonkeyPatch, result: int, obstacle: str
) -> None:
    fake_cupy(monkeypatch, result)
    assert cuda_obstacle() == obstacle


def test_a_compiler_that_fails(asked_anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy(monkeypatch, 1)

    def fail(code: str, name: str) -> None:
        raise OSError("libnvrtc.so.12: cannot open shared object file")

    monkeypatch.setattr(sys.modules["cupy"], "RawKernel", fail)
    assert cuda_obstacle().startswith("a trial kernel failed (libnvrtc.so.12: cannot open")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.cuda.OutOfMemoryError("any words"), True),
        (RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"), True),
        (RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"), True),
        (RuntimeError("an illegal memory access was encountered"), False),
    ],
)
def test_running_out_of_memory_is_told_from_other_errors(
    error: RuntimeError, expected: bool
) -> None:
    assert backends.is_out_of_memory(error) is expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_cuda_backend_is_one_differentiable_operation(on_host: None, dtype) -> None:
    results = []
    for name in ("cpu", "cuda"):
        transform = MeshFourierTransform(*BOX, backend=name)
        vertices = torch.tensor(MESH.vertices, dtype=dtype, requires_grad=True)
        membrane = torch.linspace(1, 2, len(MESH.faces), dtype=dtype).requires_grad_()
        interior = torch.full_like(membrane.detach(), 0.7).requires_grad_()
        modes = transform(vertices, MESH.faces.astype(np.int32), membrane, interior)
        modes.abs().square().sum().backward()
        results.append((modes.detach(), vertices.grad, membrane.grad, interior.grad))
    for one, other in zip(*results, strict=True):
        assert one.dtype == other.dtype
        assert relative_error(one, other) < 1e-5


def changed_at(where: tuple[int, ...], values: np.ndarray, value: float) -> torch.Tensor:
    changed = np.array(values)
    changed[where] = value
    return torch.from_numpy(changed)


DENSITY = np.ones(len(MESH.faces))
NOT_FINITE = "vertices: some are NaN or infinite"
UNKNOWN = r"faces: vertex indices must lie in 0\.\.161"


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vertices": changed_at((3, 1), MESH.vertices, np.nan)}, NOT_FINITE),
        ({"vertices": changed_at((7, 0), MESH.vertices, -np.inf)}, NOT_FINITE),
        # Of no face, but in the mean.
        ({"vertices": np.append(MESH.vertices, [[np.nan] * 3], axis=0)}, NOT_FINITE),
        ({"vertices": MESH.vertices * np.inf, "membrane": None}, NOT_FINITE),
        ({"vertices": MESH.vertices * 1e9}, "vertices: the faces are so large"),
        ({"faces": changed_at((5, 2), MESH.faces, len(MESH.vertices))}, UNKNOWN),
        ({"faces": changed_at((5, 2), MESH.faces, -1)}, UNKNOWN),
        # Whoever reads there gets no further.
        ({"faces": changed_at((5, 2), MESH.faces, 1 << 60)}, UNKNOWN),
        ({"membrane": changed_at((9,), DENSITY, np.nan)}, "membrane: densities must be real and"),
        ({"interior": changed_at((9,), DENSITY, np.inf)}, "interior: densities must be real and"),
    ],
)
def test_bad_values_are_refused_before_they_do_harm(
    backend: str, changed: dict, message: str, on_host: None
) -> None:
    transform = MeshFourierTransform(*BOX, backend=backend)
    arguments = {"vertices": MESH.vertices, "faces": MESH.faces, "membrane": 1.0}
    with pytest.raises(ValueError, match=message):
        transform(**arguments | changed)


class Waits(TorchDispatchMode):
    """Counts the numbers that are asked of tensors; a GPU is waited for each time."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(named or {}))


def test_both_ways_through_the_transform_wait_for_the_device_once(on_host: None) -> None:
    transform = MeshFourierTransform(*BOX, backend="cuda")
    vertices = torch.tensor(MESH.vertices, requires_grad=True)
    faces, density = torch.tensor(MESH.faces), torch.ones(len(MESH.faces))
    with Waits() as waits:
        transform(vertices, faces, density, density).abs().sum().backward()
    assert waits.count == 1


def test_a_device_that_torch_has_no_kernels_for(
    asked_anew: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_cupy(monkeypatch, 1)

    def fail(*shape: int, device: str) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(torch, "ones", fail)
    assert cuda_obstacle().startswith("a trial kernel failed (CUDA error: no kernel image")


def test_a_device_that_is_not_there(on_host: None) -> None:
    with pytest.raises(ValueError, match="device: 'cuda:7' is not there; the last is 0"):
        MeshFourierTransform(*BOX, device="cuda:7")


def test_cuda_is_chosen_where_it_works(on_host: None) -> None:
    transform = MeshFourierTransform(*BOX)
    assert transform.device_reason == "CUDA: it works here (stand-in)"
    assert transform.device == torch.device("cuda", 0)


def test_a_mesh_without_light_is_dark_on_cuda_too(on_host: None) -> None:
    transform = MeshFourierTransform(*BOX)
    vertices = torch.tensor(MESH.vertices, dtype=torch.float32, requires_grad=True)
    assert not transform(vertices, MESH.faces, None).abs().any()


def test_kernels_are_packed_for_cupy_by_address() -> None:
    from napari_deltamic.meshft.cuda.launching import _packed

    tensor = torch.zeros(3)
    assert _packed(tensor) == np.uint64(tensor.data_ptr())
    assert _packed(np.int32(3)).dtype == np.int32


def test_launching_covers_every_index(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_deltamic.meshft.cuda import launching

    calls = []
    kernel = SimpleNamespace(get_function=lambda name: lambda *launch: calls.append(launch))
    monkeypatch.setattr(launching, "_kernels", lambda number, module: kernel)
    stream = SimpleNamespace(cuda_stream=7)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    cupy = ModuleType("cupy")
    entered = []

    class Context:
        def __init__(self, *arguments: int) -> None:
            entered.append(arguments)

        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None: ...

    stream_of = SimpleNamespace(from_external=lambda stream: Context(*stream.__cuda_stream__()))
    cupy.cuda = SimpleNamespace(Device=Context, Stream=stream_of)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    launch = launching.cupy_launch(torch.device("cuda", 1), SPARSE)
    launch("spread", 1000, np.int32(5))
    launch("spread", 0)
    launch("spread", 1, np.int32(6), runs=[(np.int32(7),), (np.int32(8),)])
    with pytest.raises(AssertionError, match="plain, contiguous"):
        launch("spread", 1, torch.zeros(3, 2).T)
    (grid, block, arguments), *others = calls
    assert grid[0] * block[0] >= 1000
    assert arguments == (1000, 5)
    assert [packed for _, _, packed in others] == [(1, 6, 7), (1, 6, 8)]
    # The stream is looked up once, and the device is entered once for several runs.
    assert entered == [(0, 7), (1,), (1,)]
