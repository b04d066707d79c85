"""What the surface of a fit can be coloured by: the numbers behind the colours."""

import numpy as np
import pytest
from plugin_cases import ORIGIN, SPACING

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.mesh import double_bubble, icosphere
from napari_deltamic.plugin.fit_colours import (
    BRIGHTNESS,
    CURVATURE,
    ERROR,
    RESIDUAL,
    STEP,
    Sight,
    at_corners,
    face_brightness,
    face_colours,
    fit_colouring,
    residual_at,
    step_lengths,
)
from napari_deltamic.plugin.history import Moment
from napari_deltamic.plugin.mesh_layers import split_by_interface
from napari_deltamic.plugin.preview import Preview
from napari_deltamic.plugin.spatial import Placement
from napari_deltamic.plugin.steady_limits import steady_limit

SPHERE = icosphere((5.0, 3.0, 8.0), 2.0, 3)
PLACEMENT = Placement(
    np.array(SPACING), np.array(ORIGIN), np.ones(3), np.eye(4), ("um",) * 3, ("z", "y", "x"), True
)


def colouring(name, mesh=SPHERE, limit=None, **known):
    before = known.pop("before", None)
    intensities = known.pop("intensities", None)
    sight = Sight(
        name,
        Moment(20, 0, 0.5, mesh, intensities),
        before,
        known.get("preview"),
        PLACEMENT,
        known.get("errors"),
        limit,
    )
    return fit_colouring(sight, split_by_interface(mesh))


def test_the_last_step_is_how_far_vertices_moved_an_iteration():
    moved = SPHERE.vertices.copy()
    moved[:10, 1] -= 0.3
    before = Moment(17, 0, 0.6, SPHERE.with_vertices(moved))
    steps = step_lengths(Moment(20, 0, 0.5, SPHERE), before)
    np.testing.assert_allclose(steps[:10], 0.1)
    np.testing.assert_array_equal(steps[10:], 0.0)
    shown = colouring(STEP, before=before)
    assert shown.unit == "µm"
    assert shown.values.max() == pytest.approx(0.1)


def test_other_triangles_have_no_last_step():
    finer = Moment(19, 0, 0.6, icosphere((5.0, 3.0, 8.0), 2.0, 2))
    assert step_lengths(Moment(20, 0, 0.5, SPHERE), finer) is None
    assert colouring(STEP, before=finer) is None
    assert colouring(STEP) is None


def test_a_spheres_curvature_is_one_over_its_radius():
    shown = colouring(CURVATURE)
    np.testing.assert_allclose(shown.values, 0.5, rtol=0.02)
    assert shown.limits == (-shown.limits[1], pytest.approx(0.5, abs=0.5))
    assert shown.unit == "1/µm"


def test_each_interface_has_its_own_brightness_up_to_its_rim():
    mesh = double_bubble((2.0, 1.5)).mesh((0.0, 0.0, 0.0), 0.4)
    membrane = np.array((3.0, 5.0, 9.0))
    shown = colouring(
        BRIGHTNESS, mesh, intensities=Intensities(membrane, np.empty(0), background=0.0)
    )
    split = split_by_interface(mesh)
    of_corners = shown.values[split.faces]
    np.testing.assert_array_equal(
        of_corners, np.repeat(membrane[mesh.face_interfaces], 3).reshape(-1, 3)
    )
    assert shown.limits == (0.0, 10.0)


def test_insides_alone_lend_their_brightness_to_their_surface():
    mesh = double_bubble((2.0, 1.5)).mesh((0.0, 0.0, 0.0), 0.4)
    inside = Intensities(np.empty(0), np.array((4.0, 7.0)), background=1.0)
    of_faces, unit = face_brightness(mesh, inside)
    assert unit == "per µm³"
    only = mesh.labels.max(axis=1) == mesh.regions[0]
    np.testing.assert_array_equal(of_faces[only], 4.0)
    np.testing.assert_array_equal(of_faces[~only], 7.0)


def test_the_residual_is_read_where_the_surface_lies():
    # It grows along x by one a voxel, in bins of two voxels.
    columns = np.arange(14, dtype=np.float32)
    residual = np.broadcast_to(2.0 * columns + 0.5, (7, 14, 14))
    preview = Preview(residual, (2, 2, 2), residual)
    mesh = icosphere(np.array(ORIGIN) + np.array(SPACING) * (6, 13, 13), 1.5, 2)
    expected = (mesh.vertices[:, 2] - ORIGIN[2]) / SPACING[2]
    np.testing.assert_allclose(residual_at(mesh, preview, PLACEMENT), expected, atol=1e-4)
    shown = colouring(RESIDUAL, mesh, preview=preview)
    assert shown.limits[0] == -shown.limits[1]
    assert colouring(RESIDUAL, mesh) is None
    assert colouring(RESIDUAL, mesh, preview=Preview(residual, (2, 2, 2))) is None


def test_a_quiet_residual_does_not_look_like_a_loud_one():
    quiet = np.full((8, 8, 8), 0.2, np.float32)
    mesh = icosphere(ORIGIN, 0.1, 1)
    assert colouring(RESIDUAL, mesh, preview=Preview(quiet, (1, 1, 1), quiet)).limits == (-3, 3)


def test_surfaces_beyond_the_stack_have_no_residual():
    image = np.full((8, 8, 8), 4.0, np.float32)
    shown = colouring(RESIDUAL, SPHERE, preview=Preview(image, (1, 1, 1), image))
    assert np.isfinite(shown.values).all()
    assert (shown.values == 0.0).any()


def test_standard_errors_are_those_of_this_mesh_only():
    errors = np.linspace(0.01, 0.04, len(SPHERE.vertices))
    shown = colouring(ERROR, errors=errors)
    split = split_by_interface(SPHERE)
    np.testing.assert_allclose(shown.values, errors[split.vertex_of], rtol=1e-6)
    assert colouring(ERROR, errors=errors[:-1]) is None
    assert colouring(ERROR) is None


def test_faces_in_the_plane_get_the_colours_of_their_corners():
    mesh = double_bubble((2.0, 1.5)).mesh((0.0, 0.0, 0.0), 0.4)
    shown = colouring(
        BRIGHTNESS,
        mesh,
        intensities=Intensities(np.array((2.0, 2.0, 10.0)), np.empty(0), background=0.0),
    )
    bright = np.flatnonzero(mesh.face_interfaces == 2)[:3]
    dim = np.flatnonzero(mesh.face_interfaces == 0)[:3]
    colours = face_colours(shown, split_by_interface(mesh), np.r_[bright, dim])
    assert colours.shape == (6, 4)
    # Red and light blue.
    assert (colours[:3, 0] - colours[:3, 2]).min() > 0.5
    assert (colours[3:, 2] - colours[3:, 0]).min() > 0.1


def test_values_of_faces_are_averaged_within_an_interface():
    mesh = double_bubble((2.0, 1.5)).mesh((0.0, 0.0, 0.0), 0.4)
    split = split_by_interface(mesh)
    values = at_corners(mesh.face_interfaces.astype(float), split)
    np.testing.assert_array_equal(values[split.faces].std(axis=1), 0.0)


def test_limits_are_round_and_change_seldom():
    assert steady_limit(0.0231, None) == pytest.approx(0.03)
    assert steady_limit(0.4, 0.5) == 0.5
    assert steady_limit(0.2, 0.5) == 0.5
    assert steady_limit(0.1, 0.5) == pytest.approx(0.1)
    assert steady_limit(0.51, 0.5) == pytest.approx(1.0)
    assert steady_limit(1.2, None, least=3.0) == 3.0
    assert steady_limit(0.0, None) == 1.0
    assert steady_limit(float("nan"), 0.5) == 0.5
    falling = 2.0 * 0.97 ** np.arange(200)
    limits, limit = [], None
    for largest in falling:
        limit = steady_limit(float(largest), limit)
        limits.append(limit)
    assert len(np.unique(limits)) < 10
    assert np.all(falling <= limits)
