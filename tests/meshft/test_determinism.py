"""The same call gives the same bits, whatever else runs and on however many threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from napari_deltamic import kernel_threads as threads
from napari_deltamic.kernel_threads import run_chunks, thread_count
from napari_deltamic.mesh.shapes import bumpy_sphere
from napari_deltamic.meshft import MeshFourierTransform, cpu

MESH = bumpy_sphere((40, 50, 45), 25.0, 0.5, seed=2, subdivisions=4)


def make_transform(tolerance: float = 1e-5, band=(40, 38, 36)) -> MeshFourierTransform:
    return MeshFourierTransform((90, 90, 90), (1, 1, 1), band=band, tolerance=tolerance)


def value_and_gradient(transform: MeshFourierTransform, scale: float = 1.0) -> list[torch.Tensor]:
    vertices = torch.from_numpy(MESH.vertices.astype(np.float32)) * scale
    vertices.requires_grad_()
    membrane = torch.ones(len(MESH.faces), requires_grad=True)
    interior = torch.ones(len(MESH.faces), requires_grad=True)
    modes = transform(vertices, MESH.faces, membrane, interior)
    modes.abs().square().mean().backward()
    return [modes.detach(), vertices.grad, membrane.grad, interior.grad]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_twice_the_same() -> None:
    transform = make_transform()
    first = value_and_gradient(transform)
    # A call with other vertices leaves nothing behind in the grid that is kept.
    value_and_gradient(transform, 0.7)
    assert same(value_and_gradient(transform), first)
    assert same(value_and_gradient(make_transform()), first)


@pytest.mark.parametrize("tolerance", [1e-5, 1e-6])
@pytest.mark.parametrize("band", [(40, 38, 36), (8, 7, 9)])
def test_the_number_of_threads_does_not_matter(tolerance: float, band, monkeypatch) -> None:
    expected = value_and_gradient(make_transform(tolerance, band))
    for count in (1, 2, 5):
        for module in (cpu, threads):
            monkeypatch.setattr(module, "thread_count", lambda count=count: count)
        assert same(value_and_gradient(make_transform(tolerance, band)), expected)


@pytest.mark.parametrize("shared", [True, False])
def test_two_threads_at_once(shared: bool) -> None:
    one = make_transform()
    transforms = one, one if shared else make_transform()
    scales = 1.0, 0.8
    expected = [value_and_gradient(one, scale) for scale in scales]
    agree = [[], []]
    barrier = threading.Barrier(2)

    def work(n: int) -> None:
        barrier.wait()
        for _ in range(4):
            agree[n].append(same(value_and_gradient(transforms[n], scales[n]), expected[n]))

    workers = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert agree == [[True] * 4] * 2


def test_an_error_in_a_chunk_reaches_the_caller() -> None:
    def kernel(start: int, stop: int, limit: int) -> None:
        if stop > limit:
            raise OverflowError(f"{start} to {stop}")

    run_chunks(kernel, [(0, 1), (1, 2)], 5)
    with pytest.raises(OverflowError, match="6 to 9"):
        run_chunks(kernel, [(0, 3), (3, 5), (6, 9)], 5)
    with pytest.raises(OverflowError, match="0 to 9"):
        run_chunks(kernel, [(0, 9)], 5)


def test_threads_are_no_more_than_the_cores() -> None:
    import os

    assert 1 <= thread_count() <= os.cpu_count()
