import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label

from napari_deltamic.imaging.flow import Flow
from napari_deltamic.imaging.foam import Foam, pack_cells, smallest_interface
from napari_deltamic.imaging.soap_films import relaxed, volume_gradients
from napari_deltamic.mesh import TriangleMesh, icosphere
from napari_deltamic.mesh.topology import edge_use

ASPECT = np.array([0.85, 1.0, 1.15])


def triple_line_angles(mesh: TriangleMesh) -> np.ndarray:
    """Return (E, 3) angles in degrees between the faces at each edge that has three."""
    use = edge_use(mesh.faces)
    lines = np.flatnonzero(use.face_count == 3)
    ends = mesh.vertices[use.edges[lines]]
    along = ends[:, 1] - ends[:, 0]
    along /= np.linalg.norm(along, axis=1)[:, None]
    order = np.argsort(use.face_edges.ravel(), kind="stable")
    start = np.cumsum(use.face_count) - use.face_count
    sides = []
    for place in range(3):
        side = mesh.vertices[mesh.faces.ravel()[order[start[lines] + place]]] - ends[:, 0]
        side -= (side * along).sum(axis=1)[:, None] * along
        sides.append(side / np.linalg.norm(side, axis=1)[:, None])
    cosines = [(sides[a] * sides[b]).sum(axis=1) for a, b in ((0, 1), (1, 2), (2, 0))]
    return np.degrees(np.arccos(np.clip(np.stack(cosines, axis=1), -1.0, 1.0)))


def two_cubes(size: int) -> TriangleMesh:
    """Return cubes of unit side that share one, each side of them cut into squares."""
    corners: dict[tuple[int, ...], int] = {}
    faces, labels = [], []
    inside = np.zeros((size + 2, size + 2, 2 * size + 2), int)
    inside[1:-1, 1:-1, 1 : size + 1] = 1
    inside[1:-1, 1:-1, size + 1 : -1] = 2
    for axis in range(3):
        unit = np.roll(np.eye(3, dtype=int), -axis, axis=0)
        before = np.moveaxis(inside, axis, 0)
        for index in np.argwhere(before[:-1] != before[1:]):
            place = np.zeros(3, int)
            place[[axis, *[other for other in range(3) if other != axis]]] = index
            start = place + unit[0]
            ring = [start, start + unit[1], start + unit[1] + unit[2], start + unit[2]]
            a, b, c, d = (corners.setdefault(tuple(corner), len(corners)) for corner in ring)
            faces += [[a, b, c], [a, c, d]]
            labels += [[inside[tuple(place)], inside[tuple(start)]]] * 2
    return TriangleMesh(np.array(list(corners)) / size, faces, labels)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_packed_cells_have_the_volumes_asked_for_and_one_piece_each(count):
    rng = np.random.default_rng(1)
    volumes = rng.uniform(0.8, 1.2, count)
    foam = pack_cells(volumes, ASPECT, rng)
    sizes = np.bincount(foam.labels.ravel())[1:]
    np.testing.assert_allclose(sizes / sizes.sum(), volumes / volumes.sum(), rtol=0.02)
    # A cell is a ball of diameter one, on average.
    assert sizes.mean() * foam.spacing**3 == pytest.approx(np.pi / 6, rel=0.01)
    for cell in range(count + 1):
        assert label(foam.labels == cell)[1] == 1
    # Room all round for the surfaces.
    for axis in range(3):
        assert not np.take(foam.labels, [0, -1], axis).any()


def test_packing_follows_the_seed():
    volumes = np.ones(4)
    one, again, other = (
        pack_cells(volumes, ASPECT, np.random.default_rng(seed)).labels for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize("mother", [1, 4])
def test_sisters_lie_side_by_side(mother):
    volumes = np.ones(6)
    volumes[[mother - 1, 5]] = 0.5
    labels = pack_cells(volumes, ASPECT, np.random.default_rng(0), sisters=mother).labels
    touching = 0
    for axis in range(3):
        ahead = np.moveaxis(labels, axis, 0)
        pair = np.sort(np.stack([ahead[1:], ahead[:-1]]), axis=0)
        touching += np.count_nonzero((pair[0] == mother) & (pair[1] == 6))
    assert touching > 50


def test_a_cell_too_small_to_hold_its_place_is_refused():
    with pytest.raises(ValueError, match=r"volumes: cell [12] did not hold its place"):
        pack_cells(np.array([1.0, 1e-5]), ASPECT, np.random.default_rng(0))


def test_the_smallest_interface_is_measured_in_cell_diameters():
    labels = np.zeros((6, 6, 6), np.int32)
    labels[1:5, 1:5, 1:3] = 1
    labels[1:5, 1:5, 3:5] = 2
    assert smallest_interface(Foam(labels, 0.5)) == pytest.approx(16 * 0.25 / 1.5)
    assert smallest_interface(Foam((labels == 1).astype(np.int32), 0.5)) == pytest.approx(
        64 * 0.25 / 1.5
    )


def test_volume_gradients_are_those_of_the_volumes():
    rng = np.random.default_rng(0)
    mesh = two_cubes(2)
    mesh = mesh.with_vertices(mesh.vertices + rng.normal(0, 0.05, mesh.vertices.shape))
    gradients = volume_gradients(mesh)
    step = rng.normal(size=mesh.vertices.shape)
    ahead, behind = (
        mesh.with_vertices(mesh.vertices + sign * 1e-4 * step).volumes() for sign in (1, -1)
    )
    np.testing.assert_allclose(gradients @ step.ravel(), (ahead - behind) / 2e-4, rtol=1e-5)


def test_two_cubes_relax_into_the_double_bubble():
    cubes = two_cubes(10)
    bubble = relaxed(cubes, 2.0, 50)
    np.testing.assert_allclose(bubble.volumes(), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(bubble.faces, cubes.faces)
    angles = triple_line_angles(bubble)
    # Flat faces of a bent surface lean in by half the angle that each spans, 4 degrees here.
    assert np.abs(angles - 120.0).mean() < 6.0
    # Caps of radius r and height 3 r / 2 enclose 9 pi r^3 / 8 each and meet on a disc.
    radius = np.cbrt(8.0 / (9.0 * np.pi))
    _, areas = bubble.face_normals_and_areas()
    expected = [3 * np.pi * radius**2, 3 * np.pi * radius**2, 0.75 * np.pi * radius**2]
    found = np.bincount(bubble.face_interfaces, areas)
    np.testing.assert_array_equal(bubble.interfaces, [(0, 1), (0, 2), (1, 2)])
    np.testing.assert_allclose(found, expected, rtol=0.005)


def test_a_noisy_sphere_becomes_smooth_and_stays_in_place():
    sphere = icosphere((1.0, 2.0, 3.0), 1.0, 3)
    noise = np.random.default_rng(0).normal(0, 0.03, sphere.vertices.shape)
    noisy = sphere.with_vertices(sphere.vertices + noise)
    result = relaxed(noisy, 0.05, 5)
    away = np.linalg.norm(result.vertices - (1.0, 2.0, 3.0), axis=1)
    assert away.std() < 0.2 * np.linalg.norm(noisy.vertices - (1.0, 2.0, 3.0), axis=1).std()
    np.testing.assert_allclose(result.volumes(), noisy.volumes(), rtol=1e-6)
    np.testing.assert_allclose(result.vertices.mean(axis=0), (1.0, 2.0, 3.0), atol=0.01)


@given(
    seed=st.integers(0, 2**32 - 1),
    time=st.floats(0, 50),
    point=st.tuples(*[st.floats(-5, 5)] * 3),
)
def test_the_flow_has_no_divergence(seed, time, point):
    flow = Flow(5.0, 0.1, np.random.default_rng(seed))
    step = 1e-4 * np.eye(3)
    ahead = flow.velocity(np.array(point) + step, time)
    behind = flow.velocity(np.array(point) - step, time)
    slopes = (ahead - behind) / 2e-4
    assert abs(np.trace(slopes)) < 1e-7
    assert np.abs(slopes).max() > 1e-4


def test_the_flow_moves_by_the_step_asked_for():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 3))
    points *= (5.0 * np.cbrt(rng.uniform(size=2000)) / np.linalg.norm(points, axis=1))[:, None]
    squares = []
    for seed in range(20):
        paths = Flow(5.0, 0.1, np.random.default_rng(seed)).carried(points, 6)
        assert paths.shape == (6, 2000, 3)
        np.testing.assert_array_equal(paths[0], points)
        steps = np.linalg.norm(np.diff(paths, axis=0), axis=2)
        squares.append((steps**2).mean())
        assert steps.max() < 0.4
    assert np.sqrt(np.mean(squares)) == pytest.approx(0.1, rel=0.15)


def test_carrying_follows_the_velocity():
    flow = Flow(5.0, 0.2, np.random.default_rng(1))
    start = np.array([[1.0, -2.0, 0.5]])
    fine = start.copy()
    for part in range(2000):
        fine = fine + 0.002 * flow.velocity(fine, 0.002 * (part + 0.5))
    np.testing.assert_allclose(flow.carried(start, 5)[-1], fine, atol=2e-4)
