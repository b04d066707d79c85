import numpy as np
import pytest

from napari_deltamic.mesh import (
    TriangleMesh,
    concatenate,
    contacts_table,
    double_bubble,
    icosphere,
    measures_table,
)
from napari_deltamic.plugin.cell_surfaces import cell_surfaces
from napari_deltamic.plugin.colourings import REGION, colourings
from napari_deltamic.plugin.measured_mesh import measured_mesh


@pytest.fixture(scope="module")
def bubbles():
    return double_bubble((4, 2)).mesh((1, 2, 3), 0.8)


def test_each_cell_has_a_closed_surface_of_its_own(bubbles):
    surfaces = cell_surfaces(bubbles)
    corners = bubbles.vertices[surfaces.vertex_of]
    for region, volume in zip(bubbles.regions, bubbles.volumes(), strict=True):
        faces = surfaces.faces[surfaces.face_regions == region]
        np.testing.assert_array_equal(surfaces.vertex_regions[faces], region)
        one, other, third = (corners[faces[:, k]] for k in range(3))
        assert np.einsum("ij,ij->", np.cross(one, other), third) / 6 == pytest.approx(volume)


def test_vertices_of_an_interface_are_its_own(bubbles):
    surfaces = cell_surfaces(bubbles)
    of_faces = surfaces.face_interfaces
    np.testing.assert_array_equal(
        surfaces.vertex_interfaces[surfaces.faces], np.repeat(of_faces[:, None], 3, axis=1)
    )
    areas = np.array([row["area"] for row in contacts_table(bubbles)])
    values = surfaces.of_interfaces(areas)
    np.testing.assert_array_equal(values[surfaces.faces][:, 0], areas[of_faces])


def test_separated_cells_keep_their_shape_and_move_apart(bubbles):
    surfaces = cell_surfaces(bubbles)
    here, apart = surfaces.vertices(0.0), surfaces.vertices(1.0)
    np.testing.assert_allclose(here, bubbles.vertices[surfaces.vertex_of], atol=1e-5)
    moved = [apart[surfaces.vertex_regions == region] for region in (1, 2)]
    still = [here[surfaces.vertex_regions == region] for region in (1, 2)]
    for new, old in zip(moved, still, strict=True):
        np.testing.assert_allclose(new - new[0], old - old[0], atol=1e-4)
    distances = [
        np.linalg.norm(one.mean(axis=0) - other.mean(axis=0)) for one, other in (still, moved)
    ]
    assert distances[1] == pytest.approx(2 * distances[0], rel=1e-4)


def test_curvature_is_positive_where_the_cell_is_convex(bubbles):
    measured = measured_mesh(bubbles)
    values, surfaces = measured.vertex_measures["mean_curvature"], measured.surfaces
    # Bubbles of radius 4 and 2: the contact of radius 4 bulges out of the smaller into the larger.
    for region, interface, expected in (
        (1, 0, 1 / 4),
        (2, 1, 1 / 2),
        (1, 2, -1 / 4),
        (2, 2, 1 / 4),
    ):
        there = (surfaces.vertex_regions == region) & (surfaces.vertex_interfaces == interface)
        assert np.median(values[there]) == pytest.approx(expected, rel=0.15)


def test_every_choice_of_colour_has_a_finite_value_everywhere(bubbles):
    measured = measured_mesh(bubbles)
    choices = colourings(measured)
    assert {REGION, "Cell: volume", "Contact: area", "Surface: mean curvature"} <= set(choices)
    for name, make in choices.items():
        colouring = make()
        assert colouring.values.shape == (len(measured.surfaces.vertex_of),), name
        assert np.isfinite(colouring.values).all(), name
        assert colouring.limits[0] < colouring.limits[1], name
    volumes = [row["volume"] for row in measures_table(bubbles)]
    assert set(choices["Cell: volume"]().values) == {np.float32(volume) for volume in volumes}


def test_a_mesh_of_one_open_region_can_be_coloured():
    ball = icosphere((0, 0, 0), 2, 1)
    mesh = TriangleMesh(ball.vertices, ball.faces[:-5], ball.labels[:-5])
    measured = measured_mesh(concatenate([mesh, icosphere((9, 0, 0), 1, 1)]))
    colouring = colourings(measured)["Cell: volume"]()
    assert np.isfinite(colouring.values).all()
