"""The fast transform against the exact one: the relative L2 error is what was asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from meshft_cases import (
    ISSUE_TOLERANCES,
    Box,
    boxes,
    closed_meshes,
    densities,
    error_against_exact,
    relative_error,
)

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.shapes import box, bumpy_sphere, icosphere
from napari_deltamic.meshft import MeshFourierTransform, exact_transform

LABELS = ["membrane", "interior", "both"]
BOX = Box((24, 20, 30), (0.5, 0.7, 0.4), (7, 6, 8))


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
@pytest.mark.parametrize("label", LABELS)
@given(data=st.data())
def test_random_closed_meshes(label: str, dtype, tolerance: float, data) -> None:
    where = data.draw(boxes())
    mesh = data.draw(closed_meshes(where.lengths))
    assert error_against_exact(where, mesh, label, dtype, tolerance) <= tolerance


@given(data=st.data(), fraction=st.floats(1e-4, 1e-2))
def test_the_interior_of_small_bodies_in_float32(data, fraction: float) -> None:
    where = data.draw(boxes())
    longest = where.lengths.max()
    mesh = bumpy_sphere(0.4 * where.lengths, fraction * longest, 0.5, seed=5, subdivisions=1)
    error = error_against_exact(where, mesh, "interior", torch.float32, 1e-5)
    # What the class's notes say: the faces' terms nearly cancel.
    assert error <= 1e-5 + 1e-7 / fraction


@given(data=st.data(), exponent=st.integers(2, 12))
def test_every_tolerance_is_kept_in_float64(data, exponent: int) -> None:
    where = data.draw(boxes(largest_band=4))
    mesh = data.draw(closed_meshes(where.lengths))
    tolerance = 10.0**-exponent
    assert error_against_exact(where, mesh, "both", torch.float64, tolerance) <= tolerance


@given(data=st.data(), exponent=st.integers(2, 6))
def test_every_tolerance_is_kept_in_float32(data, exponent: int) -> None:
    where = data.draw(boxes(largest_band=4))
    mesh = data.draw(closed_meshes(where.lengths))
    tolerance = 10.0**-exponent
    assert error_against_exact(where, mesh, "both", torch.float32, tolerance) <= tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
@pytest.mark.parametrize("label", LABELS)
def test_a_band_of_fitting_size(label: str, dtype, tolerance: float) -> None:
    where = Box((100, 100, 100), (1.0, 1.0, 1.0), (47, 40, 47))
    mesh = bumpy_sphere((50, 45, 60), 25.0, 0.5, seed=3, subdivisions=3)
    assert error_against_exact(where, mesh, label, dtype, tolerance, 400) <= tolerance


@pytest.mark.parametrize("band", [4, 8, 24])
def test_many_small_faces_in_float32(band: int) -> None:
    # Their shares are small against the sums at the nodes, and would vanish in them.
    where = Box((50, 50, 50), (1.0, 1.0, 1.0), (band, band, band))
    mesh = bumpy_sphere((25, 25, 25), 15.0, 0.5, seed=1, subdivisions=6)
    vertices = torch.from_numpy(mesh.vertices.astype(np.float32))
    found = where.transform(1e-5)(vertices, mesh.faces, 1.0)
    expected = where.transform(1e-10)(vertices.double(), mesh.faces, 1.0)
    assert relative_error(found, expected) <= 1e-5


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("width", [1e-2, 1e-5, 1e-9])
def test_slivers(width: float, label: str, dtype, tolerance: float) -> None:
    # An edge of a box is split close to its end, and two of the four new faces are slivers.
    mesh = box((2, 2, 2), (9, 8, 10))
    end, other = mesh.faces[0, :2]
    direction = mesh.vertices[other] - mesh.vertices[end]
    new = mesh.vertices[end] + width * direction / np.linalg.norm(direction)
    faces = []
    for face in mesh.faces.tolist():
        if {end, other} <= set(face):
            faces += [[8 if v == other else v for v in face], [8 if v == end else v for v in face]]
        else:
            faces.append(face)
    mesh = TriangleMesh(np.concatenate([mesh.vertices, [new]]), faces)
    assert mesh.is_closed
    assert np.sum(mesh.face_normals_and_areas()[1] < 10 * width) == 2
    assert error_against_exact(BOX, mesh, label, dtype, tolerance) <= tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
@pytest.mark.parametrize("label", LABELS)
def test_zero_area_faces(label: str, dtype, tolerance: float) -> None:
    mesh = icosphere((5, 6, 6), 3.0, 1)
    vertices = mesh.vertices.copy()
    # One edge collapses: the two faces beside it have no area, and no normal.
    vertices[mesh.faces[0, 1]] = vertices[mesh.faces[0, 0]]
    mesh = mesh.with_vertices(vertices)
    assert (mesh.face_normals_and_areas()[1] == 0).sum() == 2
    assert error_against_exact(BOX, mesh, label, dtype, tolerance) <= tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
@pytest.mark.parametrize("label", LABELS)
def test_a_face_as_large_as_the_box(label: str, dtype, tolerance: float) -> None:
    z, y, x = BOX.lengths
    corners = np.array([[0, 0, 0], [z, 0, 0], [0, y, 0], [0, 0, x]]) + 0.3
    faces = [[0, 2, 1], [0, 3, 2], [0, 1, 3], [1, 2, 3]]
    mesh = TriangleMesh(corners, faces)
    assert abs(mesh.volumes()[0]) == pytest.approx(z * y * x / 6)
    assert error_against_exact(BOX, mesh, label, dtype, tolerance) <= tolerance


@given(st.data())
def test_moving_the_mesh_turns_the_phase(data) -> None:
    where = data.draw(boxes())
    mesh = data.draw(closed_meshes(where.lengths))
    shift = np.array([data.draw(st.floats(-3, 3)) for _ in range(3)]) * where.lengths
    transform = where.transform(1e-9)
    membrane, interior = densities("both", mesh, torch.float64)
    vertices = torch.from_numpy(np.array(mesh.vertices))
    still = transform(vertices, mesh.faces, membrane, interior)
    moved = transform(vertices + torch.from_numpy(shift), mesh.faces, membrane, interior)
    turn = torch.exp(-2j * torch.pi * (transform.frequencies() @ torch.from_numpy(shift)))
    assert relative_error(moved, still * turn) <= 3e-9


@given(st.data())
def test_meshes_add(data) -> None:
    where = data.draw(boxes())
    one = data.draw(closed_meshes(where.lengths))
    other = data.draw(closed_meshes(where.lengths))
    transform = where.transform(1e-9)
    together = transform(
        torch.from_numpy(np.concatenate([one.vertices, other.vertices])),
        np.concatenate([one.faces, other.faces + len(one.vertices)]),
        1.0,
        0.5,
    )
    apart = [
        transform(torch.from_numpy(np.array(mesh.vertices)), mesh.faces, 1.0, 0.5)
        for mesh in (one, other)
    ]
    scale = max(part.norm() for part in apart)
    assert (together - apart[0] - apart[1]).norm() <= 4e-9 * scale


@given(st.data())
def test_membrane_and_interior_add_and_scale(data) -> None:
    where = data.draw(boxes())
    mesh = data.draw(closed_meshes(where.lengths))
    transform = where.transform(1e-9)
    vertices = torch.from_numpy(np.array(mesh.vertices))
    both = transform(vertices, mesh.faces, 2.0, -3.0)
    membrane = transform(vertices, mesh.faces, 1.0)
    interior = transform(vertices, mesh.faces, 0.0, 1.0)
    difference = both - 2.0 * membrane + 3.0 * interior
    assert difference.norm() <= 1e-11 * (membrane.norm() + interior.norm())


@given(st.data())
def test_swapping_the_sides_turns_the_sign_of_the_interior(data) -> None:
    where = data.draw(boxes())
    mesh = data.draw(closed_meshes(where.lengths))
    transform = where.transform(1e-9)
    vertices = torch.from_numpy(np.array(mesh.vertices))
    wound = transform(vertices, mesh.faces, 0.0, 1.0)
    swapped = transform(vertices, mesh.faces[:, [0, 2, 1]], 0.0, 1.0)
    assert relative_error(-swapped, wound) <= 1e-10
    membrane = transform(vertices, mesh.faces, 1.0)
    turned = transform(vertices, mesh.faces[:, [0, 2, 1]], 1.0)
    assert relative_error(turned, membrane) <= 2e-9


def test_modes_at_x_zero_are_conjugates() -> None:
    transform = BOX.transform(1e-9)
    mesh = bumpy_sphere((4, 5, 6), 3.0, 0.5, seed=1, subdivisions=1)
    plane = transform(torch.from_numpy(np.array(mesh.vertices)), mesh.faces, 1.0, 1.0)[:, :, 0]
    mirrored = plane[-torch.from_numpy(transform.modes[0])][
        :, -torch.from_numpy(transform.modes[1])
    ]
    torch.testing.assert_close(mirrored, plane.conj(), rtol=1e-12, atol=1e-10)


def test_mode_zero_is_the_amount_of_light() -> None:
    mesh = bumpy_sphere((4, 5, 6), 3.0, 0.5, seed=1, subdivisions=2)
    found = BOX.transform(1e-9)(torch.from_numpy(np.array(mesh.vertices)), mesh.faces, 2.0, 3.0)
    light = 2.0 * mesh.areas()[0] + 3.0 * mesh.volumes()[0]
    assert complex(found[0, 0, 0]) == pytest.approx(light, rel=1e-9)


def test_frequencies_are_those_of_the_modes() -> None:
    transform = MeshFourierTransform((8, 9, 10), (0.5, 1.0, 2.0), band=(2, 3, 4))
    frequencies = transform.frequencies()
    assert [axis.tolist() for axis in transform.modes] == [
        [0, 1, 2, -2, -1],
        [0, 1, 2, 3, -3, -2, -1],
        [0, 1, 2, 3, 4],
    ]
    assert frequencies.shape == (5, 7, 5, 3)
    assert frequencies[3, 4, 2].tolist() == pytest.approx([-2 / 4.0, -3 / 9.0, 2 / 20.0])


def test_an_empty_mesh_has_no_light() -> None:
    transform = BOX.transform(1e-5)
    vertices = torch.zeros(0, 3, requires_grad=True)
    found = transform(vertices, np.empty((0, 3), int), 1.0, 1.0)
    assert found.shape == tuple(len(axis) for axis in transform.modes)
    assert found.dtype == torch.complex64
    assert not found.any()
    found.abs().square().sum().backward()
    assert vertices.grad.shape == (0, 3)


def test_exact_transform_takes_arrays_and_no_frequencies() -> None:
    mesh = icosphere((0, 0, 0), 1.0, 0)
    assert exact_transform(mesh.vertices, mesh.faces, 1.0, np.empty((0, 3))).shape == (0,)
    assert exact_transform(mesh.vertices, mesh.faces, np.ones(20), np.zeros((1, 3)), 1.0)[
        0
    ].real.item() == pytest.approx(mesh.areas()[0] + mesh.volumes()[0])
