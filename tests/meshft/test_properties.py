"""Laws that the transform of every mesh keeps, and programs that must agree on any faces at all."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from cuda_on_host import Lit, direct_on_host, transform_on_host
from hypothesis import given, settings
from hypothesis import strategies as st
from meshft_cases import ISSUE_TOLERANCES, Box, boxes, closed_meshes, densities, relative_error

from napari_deltamic.mesh import TriangleMesh, box_grid
from napari_deltamic.meshft import exact_transform

FINE = 1e-9
# Meshes that each law is tried on: half as many as elsewhere, for each costs two transforms.
few = settings(max_examples=20)


def transformed(where: Box, mesh: TriangleMesh, membrane, interior=None) -> torch.Tensor:
    vertices = torch.from_numpy(np.array(mesh.vertices))
    return where.transform(FINE)(vertices, mesh.faces, membrane, interior)


def whole_spectrum(half: torch.Tensor) -> torch.Tensor:
    """Return the modes of negative x too, which are those of the opposite mode, conjugated."""
    opposite = torch.roll(half.flip(0, 1), (1, 1), (0, 1)).conj()
    return torch.cat([half, opposite[:, :, 1:].flip(2)], dim=2)


def subdivided(mesh: TriangleMesh) -> TriangleMesh:
    """Return the mesh with each face cut in four."""
    corners = mesh.vertices[mesh.faces]
    middles = 0.5 * (corners + np.roll(corners, -1, axis=1))
    a, b, c = (np.arange(6 * len(corners)).reshape(-1, 6)[:, k] for k in range(3))
    ab, bc, ca = a + 3, a + 4, a + 5
    faces = np.stack([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]])
    vertices = np.concatenate([corners, middles], axis=1).reshape(-1, 3)
    return TriangleMesh(vertices, faces.transpose(2, 0, 1).reshape(-1, 3))


@few
@given(st.data(), st.floats(-3, 3))
def test_a_larger_mesh_has_the_same_light_at_smaller_frequencies(data, log_scale: float) -> None:
    where, scale = data.draw(boxes()), 10**log_scale
    mesh = data.draw(closed_meshes(where.lengths))
    larger = where._replace(spacing=tuple(scale * step for step in where.spacing))
    grown = mesh.with_vertices(scale * mesh.vertices)
    membrane, interior = densities("both", mesh, torch.float64)
    found = transformed(larger, grown, membrane / scale**2, interior / scale**3)
    assert relative_error(found, transformed(where, mesh, membrane, interior)) <= 1e-10


@few
@given(st.data(), st.floats(-3, 3))
def test_the_exact_transform_keeps_that_law_too(data, log_scale: float) -> None:
    where, scale = data.draw(boxes(largest_band=3)), 10**log_scale
    mesh = data.draw(closed_meshes(where.lengths))
    frequencies = where.transform(1e-2).frequencies().reshape(-1, 3)
    found = exact_transform(scale * mesh.vertices, mesh.faces, 1.0, frequencies / scale)
    expected = exact_transform(mesh.vertices, mesh.faces, 1.0, frequencies)
    assert relative_error(found / scale**2, expected) <= 1e-12


@few
@given(st.data(), st.sampled_from(list(permutations(range(3)))))
def test_exchanged_axes_exchange_the_modes(data, order: tuple[int, ...]) -> None:
    where = data.draw(boxes())
    mesh = data.draw(closed_meshes(where.lengths))
    turned = Box(*(tuple(part[axis] for axis in order) for part in where))
    # An exchange of two axes is a reflection, which turns normals inwards.
    is_reflection = np.linalg.det(np.eye(3)[list(order)]) < 0
    faces = mesh.faces[:, ::-1] if is_reflection else mesh.faces
    other = TriangleMesh(mesh.vertices[:, list(order)], faces)
    membrane, interior = densities("both", mesh, torch.float64)
    found = whole_spectrum(transformed(turned, other, membrane, interior))
    expected = whole_spectrum(transformed(where, mesh, membrane, interior)).permute(order)
    assert relative_error(found, expected) <= 3 * FINE


@few
@given(st.data())
def test_the_mirror_image_has_the_conjugate_light(data) -> None:
    where = data.draw(boxes())
    mesh = data.draw(closed_meshes(where.lengths))
    mirrored = TriangleMesh(-mesh.vertices, mesh.faces[:, ::-1])
    membrane, interior = densities("both", mesh, torch.float64)
    found = transformed(where, mirrored, membrane, interior)
    assert relative_error(found.conj(), transformed(where, mesh, membrane, interior)) <= 3 * FINE


@few
@given(st.data())
def test_faces_cut_into_smaller_ones_change_nothing(data) -> None:
    where = data.draw(boxes())
    mesh = data.draw(closed_meshes(where.lengths))
    membrane, interior = densities("both", mesh, torch.float64)
    found = transformed(where, subdivided(mesh), membrane.repeat_interleave(4), interior)
    assert relative_error(found, transformed(where, mesh, membrane, interior)) <= 3 * FINE


@few
@given(st.data(), st.integers(0, 2**32 - 1))
def test_other_numbers_for_vertices_and_faces_change_nothing(data, seed: int) -> None:
    where = data.draw(boxes())
    mesh = data.draw(closed_meshes(where.lengths))
    rng = np.random.default_rng(seed)
    of_vertices, of_faces = rng.permutation(len(mesh.vertices)), rng.permutation(len(mesh.faces))
    turns = rng.integers(3, size=(len(mesh.faces), 1))
    faces = np.argsort(of_vertices)[mesh.faces[of_faces]]
    faces = np.take_along_axis(faces, (np.arange(3) + turns) % 3, axis=1)
    other = TriangleMesh(mesh.vertices[of_vertices], faces)
    membrane, interior = densities("both", mesh, torch.float64)
    found = transformed(where, other, membrane[torch.from_numpy(of_faces)], interior)
    assert relative_error(found, transformed(where, mesh, membrane, interior)) <= 3 * FINE


@few
@given(st.data(), st.integers(0, 2**32 - 1))
def test_a_face_turned_round_with_its_labels_is_the_same_face(data, seed: int) -> None:
    where = data.draw(boxes())
    rng = np.random.default_rng(seed)
    # Two to eight blocks side by side, each as bright as it likes.
    counts = tuple(rng.integers(1, 3, 3).tolist())
    corner = rng.uniform(-1, 1, 3) * where.lengths
    mesh = box_grid(corner, corner + rng.uniform(0.1, 0.8, 3) * where.lengths, counts, 1)
    bright = np.concatenate([[0.0], rng.uniform(-1, 1, mesh.labels.max())])
    turned = rng.random(len(mesh.faces)) < 0.5
    other = TriangleMesh(
        mesh.vertices,
        np.where(turned[:, None], mesh.faces[:, ::-1], mesh.faces),
        np.where(turned[:, None], mesh.labels[:, ::-1], mesh.labels),
    )
    membrane = torch.from_numpy(rng.uniform(0.5, 1.5, len(mesh.faces)))
    both = []
    for one in (mesh, other):
        inner, outer = bright[one.labels].T
        both.append(transformed(where, one, membrane, torch.from_numpy(inner - outer)))
    assert relative_error(both[1], both[0]) <= 3 * FINE


@few
@given(st.data(), st.integers(0, 2**32 - 1))
def test_bodies_that_touch_are_as_bright_as_each_alone(data, seed: int) -> None:
    where = data.draw(boxes())
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-1, 1, 3) * where.lengths
    mesh = box_grid(corner, corner + rng.uniform(0.1, 0.8, 3) * where.lengths, (1, 2, 2), 1)
    bright = np.concatenate([[0.0], rng.uniform(0.5, 1.5, 4)])
    inner, outer = bright[mesh.labels].T
    together = transformed(where, mesh, 0.0, torch.from_numpy(inner - outer))
    alone = [transformed(where, mesh.region_mesh(k), 0.0, float(bright[k])) for k in range(1, 5)]
    assert relative_error(together, torch.stack(alone).sum(0)) <= 10 * FINE


@st.composite
def soups(draw, lengths: np.ndarray, dtype: torch.dtype) -> Lit:
    """Faces without any order: open, crossing one another, and some a line or a point.

    Their size differs by a hundred thousand, and each is as bright as it likes.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 12))
    sizes = 10 ** rng.uniform(-5, 0, (count, 1, 1)) * 0.5 * lengths.min()
    corners = rng.uniform(-1, 2, (count, 1, 3)) * lengths + sizes * rng.normal(size=(count, 3, 3))
    if count > 1 and draw(st.booleans()):
        corners[0, 1] = corners[0, 0]
    vertices = torch.from_numpy(corners.reshape(-1, 3)).to(dtype)
    faces = torch.arange(3 * count).reshape(-1, 3)
    membrane = torch.from_numpy(rng.uniform(0.5, 1.5, count)).to(dtype)
    return Lit(vertices, faces, membrane, torch.zeros(0, dtype=dtype))


@pytest.mark.parametrize(("dtype", "tolerance"), ISSUE_TOLERANCES)
@few
@given(data=st.data())
def test_all_programs_agree_on_any_faces(dtype, tolerance: float, data) -> None:
    where = data.draw(boxes(largest_band=4))
    mesh = data.draw(soups(where.lengths, dtype))
    frequencies = where.transform(1e-2).frequencies().reshape(-1, 3)
    expected = exact_transform(mesh.vertices.double(), mesh.faces, mesh.membrane, frequencies)
    on_host = transform_on_host(where.lengths, where.band, tolerance, dtype)
    programs = {
        "fast, on the CPU": where.transform(tolerance)(*mesh[:3]),
        "fast, of CUDA": on_host.forward(on_host.place(mesh)),
        "closed form, of CUDA": direct_on_host(where.lengths, where.band, dtype).forward(mesh),
    }
    for name, found in programs.items():
        assert relative_error(found, expected) <= tolerance, name
