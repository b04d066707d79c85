"""What is refused says which argument it was and what was expected."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_deltamic.mesh.shapes import icosphere
from napari_deltamic.meshft import MeshFourierTransform, exact_transform

MESH = icosphere((4, 5, 6), 2.0, 1)
VERTICES = torch.from_numpy(np.array(MESH.vertices))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shape": (8, 9)}, "shape: expected three whole numbers of at least 2"),
        ({"shape": (8, 9, 1)}, "shape: expected three whole numbers of at least 2"),
        ({"shape": (8, 9, 10.5)}, "shape: expected three whole numbers of at least 2"),
        ({"spacing": 1.0}, "spacing: expected three positive voxel sizes in um"),
        ({"spacing": (1, 1, 0)}, "spacing: expected three positive voxel sizes in um"),
        ({"spacing": (1, np.nan, 1)}, "spacing: expected three positive voxel sizes in um"),
        ({"threshold": -0.1}, "threshold: expected 0 <= threshold < 1"),
        ({"threshold": 1.0}, "threshold: expected 0 <= threshold < 1"),
        ({"tolerance": 0.0}, "tolerance: expected a relative error from 1e-13 to 0.1"),
        ({"tolerance": np.nan}, "tolerance: expected a relative error from 1e-13 to 0.1"),
        ({"band": (1, 2)}, "band: expected three mode indices of at least 0"),
        ({"band": (1, 2, -1)}, "band: expected three mode indices of at least 0"),
        ({"band": (1, 2, 2.5)}, "band: expected three mode indices of at least 0"),
        ({"backend": "gpu"}, r"backend: expected one of \('auto', 'cpu', 'cuda'\), got 'gpu'"),
        ({"device": "nonsense"}, "device: expected a torch device"),
    ],
)
def test_transforms_that_cannot_be_made(changed: dict, message: str) -> None:
    arguments = {"shape": (8, 9, 10), "spacing": (1.0, 1.0, 1.0)} | changed
    if "band" not in changed:
        arguments["otf"] = lambda k: torch.exp(-(k**2).sum(-1))
    with pytest.raises(ValueError, match=message):
        MeshFourierTransform(**arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vertices": torch.zeros(4, 2)}, r"vertices: expected .* shape \(V, 3\), got .*\(4, 2\)"),
        ({"vertices": VERTICES.half()}, "vertices: expected a float32 or float64 tensor"),
        ({"vertices": VERTICES * np.nan}, "vertices: some are NaN or infinite"),
        ({"vertices": VERTICES * 1e9}, "vertices: the faces are so large .* in um"),
        ({"faces": np.zeros((3, 4), int)}, r"faces: expected shape \(F, 3\), got \(3, 4\)"),
        ({"faces": np.array([[0, 1, 42]])}, r"faces: vertex indices must lie in 0\.\.41"),
        ({"faces": np.array([[0, 1, -1]])}, r"faces: vertex indices must lie in 0\.\.41"),
        ({"faces": np.array([[0, 1, 2.5]])}, "faces: vertex indices must be whole numbers"),
        ({"faces": torch.tensor([[0.0, 1, 2]])}, "faces: vertex indices must be whole numbers"),
        ({"membrane": torch.ones(3)}, r"membrane: expected one number or shape \(80,\)"),
        ({"interior": np.ones((80, 2))}, r"interior: expected one number or shape \(80,\)"),
        ({"membrane": np.nan}, "membrane: densities must be real and finite"),
        ({"interior": torch.ones(80) * 1j}, "interior: densities must be real and finite"),
    ],
)
def test_meshes_that_cannot_be_transformed(changed: dict, message: str) -> None:
    arguments = {"vertices": VERTICES, "faces": MESH.faces, "membrane": 1.0, "interior": 1.0}
    transform = MeshFourierTransform((8, 9, 10), (1, 1, 1))
    with pytest.raises(ValueError, match=message):
        transform(**arguments | changed)


def test_a_tolerance_beyond_single_precision_names_the_way_out() -> None:
    transform = MeshFourierTransform((8, 9, 10), (1, 1, 1), tolerance=1e-9)
    with pytest.raises(ValueError, match=r"tolerance: .* pass the vertices as float64"):
        transform(VERTICES.float(), MESH.faces, 1.0)
    assert transform(VERTICES, MESH.faces, 1.0).dtype == torch.complex128


@pytest.mark.filterwarnings("error")
def test_arrays_and_numbers_are_as_good_as_tensors() -> None:
    transform = MeshFourierTransform((8, 9, 10), (1, 1, 1))
    density = np.linspace(1, 2, len(MESH.faces))
    density.flags.writeable = False
    expected = transform(VERTICES, torch.from_numpy(np.array(MESH.faces)), torch.tensor(density))
    for faces in (MESH.faces, MESH.faces.astype(np.uint32), MESH.faces.tolist()):
        for membrane in (density, density.tolist()):
            found = transform(MESH.vertices, faces, membrane)
            torch.testing.assert_close(found, expected, rtol=0, atol=0)
    one = transform(VERTICES, MESH.faces, 1)
    torch.testing.assert_close(one, transform(VERTICES, MESH.faces, np.ones(80)), rtol=0, atol=0)


def test_exact_transform_refuses_densities_of_the_wrong_length() -> None:
    with pytest.raises(RuntimeError):
        exact_transform(MESH.vertices, MESH.faces, np.ones(3), np.zeros((1, 3)))
