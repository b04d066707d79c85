import numpy as np
import pytest

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.distance import surface_distance
from napari_deltamic.mesh.shapes import icosphere
from napari_deltamic.mesh.triangle_mesh import concatenate
from napari_deltamic.mesh.voxels import voxelise


def winding_numbers(points, mesh):
    """Solid angles summed over faces (Van Oosterom and Strackee): an independent oracle."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] - points[:, None] for i in range(3))
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    numerator = np.einsum("pfi,pfi->pf", a, np.cross(b, c))
    denominator = (
        la * lb * lc
        + np.einsum("pfi,pfi->pf", a, b) * lc
        + np.einsum("pfi,pfi->pf", b, c) * la
        + np.einsum("pfi,pfi->pf", c, a) * lb
    )
    return 2 * np.arctan2(numerator, denominator).sum(axis=1) / (4 * np.pi)


def centres(shape, spacing, origin):
    return (np.indices(shape).reshape(3, -1).T) * np.array(spacing) + np.array(origin)


def bumpy(rng, subdivisions=3):
    sphere = icosphere((0.0, 0.0, 0.0), 1.0, subdivisions)
    return sphere.with_vertices(sphere.vertices * rng.uniform(1.5, 3.0, (len(sphere.vertices), 1)))


def test_agrees_with_solid_angles_on_an_anisotropic_grid():
    mesh = bumpy(np.random.default_rng(1))
    shape, spacing, origin = (9, 12, 14), (0.7, 0.5, 0.45), (-2.8, -2.9, -2.7)
    labels = voxelise(mesh, shape, spacing, origin)
    expected = winding_numbers(centres(shape, spacing, origin), mesh).reshape(shape) > 0.5
    np.testing.assert_array_equal(labels, expected.astype(int))
    assert 100 < labels.sum() < labels.size / 2


def test_vertices_and_edges_on_voxel_centres_leave_no_streaks():
    # Every coordinate is a whole number: rows of voxels run along edges and through vertices.
    rng = np.random.default_rng(2)
    mesh = bumpy(rng)
    mesh = mesh.with_vertices(np.round(3 * mesh.vertices))
    shape, spacing, origin = (24, 24, 24), (1.0, 1.0, 1.0), (-12.0, -12.0, -12.0)
    labels = voxelise(mesh, shape, spacing, origin)
    points = centres(shape, spacing, origin)
    winding = winding_numbers(points, mesh).reshape(shape)
    decided = surface_distance(points, mesh).reshape(shape) > 1e-6
    assert (~decided).sum() > 100
    np.testing.assert_array_equal(labels[decided], (winding[decided] > 0.5).astype(int))


def test_volume_of_a_sphere():
    mesh = icosphere((5.0, 6.0, 7.0), 4.0, 4)
    labels = voxelise(mesh, (40, 48, 56), (0.25, 0.25, 0.25))
    assert labels.sum() * 0.25**3 == pytest.approx(mesh.volumes()[0], rel=4e-3)


def test_a_mesh_partly_outside_the_grid_is_cut_off():
    mesh = icosphere((0.0, 0.0, 0.0), 3.0, 3)
    full = voxelise(mesh, (13, 13, 13), (0.5, 0.5, 0.5), (-3.0, -3.0, -3.0))
    part = voxelise(mesh, (4, 5, 6), (0.5, 0.5, 0.5), (0.0, 0.5, -1.0))
    np.testing.assert_array_equal(part, full[6:10, 7:12, 4:10])
    assert part.any()
    assert not voxelise(mesh, (3, 3, 3), (0.5, 0.5, 0.5), (4.0, 0.0, 0.0)).any()


def test_two_cells_with_a_shared_wall_fill_their_union():
    corners = np.array([[z, y, x] for z in (0, 1) for y in (0, 1) for x in (0, 1, 2)], float) * 4

    def at(z, y, x):
        return 6 * z + 3 * y + x

    quads, labels = [], []
    for cell in (0, 1):
        a, b = cell, cell + 1
        for quad in (
            (at(0, 0, a), at(0, 1, a), at(0, 1, b), at(0, 0, b)),
            (at(1, 0, a), at(1, 0, b), at(1, 1, b), at(1, 1, a)),
            (at(0, 0, a), at(0, 0, b), at(1, 0, b), at(1, 0, a)),
            (at(0, 1, a), at(1, 1, a), at(1, 1, b), at(0, 1, b)),
        ):
            quads.append(quad)
            labels.append((cell + 1, 0))
    for x, pair in ((0, (0, 1)), (1, (1, 2)), (2, (2, 0))):
        quads.append((at(0, 0, x), at(0, 1, x), at(1, 1, x), at(1, 0, x)))
        labels.append(pair)
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    mesh = TriangleMesh(corners, faces, np.repeat(labels, 2, axis=0))
    if mesh.volumes()[0] < 0:
        mesh = TriangleMesh(corners, mesh.faces[:, ::-1], mesh.labels)
    found = voxelise(mesh, (6, 6, 10), (1.0, 1.0, 1.0), (-0.5, -0.5, -0.5))
    expected = np.zeros((6, 6, 10), int)
    expected[1:5, 1:5, 1:5] = 1
    expected[1:5, 1:5, 5:9] = 2
    np.testing.assert_array_equal(found, expected)


def test_where_regions_overlap_the_lower_number_has_the_voxel():
    mesh = concatenate([icosphere((0.0, 0.0, x), 2.0, 2) for x in (0.0, 1.0)])
    labels = voxelise(mesh, (1, 1, 9), (1.0, 1.0, 1.0), (0.0, 0.0, -3.1))
    assert labels.ravel().tolist() == [0, 0, 1, 1, 1, 1, 2, 0, 0]


def test_bad_arguments_are_named():
    mesh = icosphere((0.0, 0.0, 0.0), 1.0, 1)
    with pytest.raises(ValueError, match=r"^shape:"):
        voxelise(mesh, (0, 2, 2), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"^spacing:"):
        voxelise(mesh, (2, 2, 2), (1.0, 0.0, 1.0))
    with pytest.raises(ValueError, match=r"^origin:"):
        voxelise(mesh, (2, 2, 2), (1.0, 1.0, 1.0), (0.0, np.nan, 0.0))
    with pytest.raises(ValueError, match="region 1 is not closed"):
        voxelise(TriangleMesh(mesh.vertices, mesh.faces[1:]), (2, 2, 2), (1.0, 1.0, 1.0))
