from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.mesh.shapes import box, bumpy_sphere, dumbbell, ellipsoid, icosphere
from napari_deltamic.mesh.topology import edge_use

lengths = st.floats(0.01, 1000)
centers = st.tuples(*[st.floats(-1e3, 1e3)] * 3)


@given(centers, lengths, st.integers(0, 4))
def test_icosphere_lies_on_the_sphere(center, radius: float, subdivisions: int) -> None:
    mesh = icosphere(center, radius, subdivisions)
    assert len(mesh.faces) == 20 * 4**subdivisions
    assert np.linalg.norm(mesh.vertices - center, axis=1) == pytest.approx(radius, rel=1e-6)
    assert mesh.is_closed
    assert mesh.volumes()[0] > 0


def test_icosphere_converges_to_the_ball() -> None:
    errors = [
        abs(icosphere((1, 2, 3), 2.0, n).volumes()[0] / (32 * np.pi / 3) - 1) for n in (2, 3, 4)
    ]
    # Second order: a quarter of the error for half the edge length.
    assert errors[1] / errors[0] == pytest.approx(0.25, abs=0.02)
    assert errors[2] / errors[1] == pytest.approx(0.25, abs=0.02)


def test_icosphere_has_even_edges() -> None:
    mesh = icosphere((0, 0, 0), 1.0, 4)
    ends = mesh.vertices[edge_use(mesh.faces).edges]
    length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    assert length.max() / length.min() < 1.2


@given(centers, st.tuples(lengths, lengths, lengths))
def test_box_has_its_closed_forms(lower, size) -> None:
    upper = np.add(lower, size)
    mesh = box(lower, upper)
    z, y, x = upper - lower
    assert mesh.is_closed
    assert mesh.volumes() == pytest.approx([z * y * x])
    assert mesh.areas() == pytest.approx([2 * (z * y + y * x + x * z)])


@given(st.tuples(lengths, lengths, lengths))
def test_ellipsoid_has_its_semi_axes_and_volume(semi_axes) -> None:
    mesh = ellipsoid((0, 0, 0), semi_axes, 4)
    assert np.abs(mesh.vertices).max(axis=0) == pytest.approx(semi_axes, rel=1e-2)
    assert mesh.volumes() == pytest.approx(4 / 3 * np.pi * np.prod(semi_axes), rel=5e-3)


@given(st.integers(0, 10**6), st.floats(0, 0.9), st.integers(2, 6))
def test_bumpy_sphere_keeps_its_amplitude(seed: int, amplitude: float, order: int) -> None:
    mesh = bumpy_sphere((5, 6, 7), 3.0, amplitude, order, seed, subdivisions=3)
    radius = np.linalg.norm(mesh.vertices - (5, 6, 7), axis=1)
    assert np.abs(radius / 3.0 - 1).max() == pytest.approx(amplitude, abs=1e-9)
    assert mesh.is_closed
    assert mesh.volumes()[0] > 0
    again = bumpy_sphere((5, 6, 7), 3.0, amplitude, order, seed, subdivisions=3)
    assert np.array_equal(mesh.vertices, again.vertices)


def test_bumpy_sphere_depends_on_the_seed() -> None:
    first, second = (bumpy_sphere((0, 0, 0), 1.0, 0.3, seed=seed) for seed in (0, 1))
    assert np.abs(first.vertices - second.vertices).max() > 0.05


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_dumbbell_has_its_length_radius_and_concave_neck(axis: int) -> None:
    length, radius, neck = 10.0, 2.0, 0.8
    mesh = dumbbell((0, 0, 0), length, radius, neck, axis, subdivisions=5)
    along = mesh.vertices[:, axis]
    across = np.linalg.norm(np.delete(mesh.vertices, axis, axis=1), axis=1)
    assert mesh.is_closed
    assert np.ptp(along) == pytest.approx(length, rel=1e-3)
    assert across.max() == pytest.approx(radius, rel=1e-3)
    middle = np.abs(along) < 0.2
    assert across[middle].min() == pytest.approx(neck, rel=1e-2)
    # Pappus' discs over the exact profile, whose fillet touches the balls of radius 2 at +-3.
    fillet = (3.0**2 + neck**2 - radius**2) / (2 * (radius - neck))
    touch = 3.0 * fillet / (radius + fillet)
    x = np.linspace(0, length / 2, 200_001)
    on_fillet = neck + fillet - np.sqrt(np.maximum(fillet**2 - x**2, 0))
    on_ball = np.sqrt(np.maximum(radius**2 - (x - 3.0) ** 2, 0))
    profile = np.where(x < touch, on_fillet, on_ball)
    volume = 2 * np.pi * np.trapezoid(profile**2, x)
    assert mesh.volumes() == pytest.approx([volume], rel=1e-2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: icosphere((0, 0), 1.0), "center"),
        (lambda: icosphere((0, 0, np.inf), 1.0), "center"),
        (lambda: icosphere((0, 0, 0), 0.0), "radius"),
        (lambda: icosphere((0, 0, 0), 1.0, 9), "subdivisions"),
        (lambda: icosphere((0, 0, 0), 1.0, 1.5), "subdivisions"),
        (lambda: box((0, 0, 0), (1, 0, 1)), "upper"),
        (lambda: ellipsoid((0, 0, 0), (1, -1, 1)), "semi_axes"),
        (lambda: bumpy_sphere((0, 0, 0), 1.0, 1.0), "amplitude"),
        (lambda: bumpy_sphere((0, 0, 0), 1.0, 0.1, order=1), "order"),
        (lambda: dumbbell((0, 0, 0), 10.0, 2.0, 2.0), "neck"),
        (lambda: dumbbell((0, 0, 0), 5.0, 2.0, 0.5), "length"),
        (lambda: dumbbell((0, 0, 0), 10.0, 2.0, 1.0, axis=3), "axis"),
    ],
)
def test_impossible_shapes_are_refused_by_name(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
