from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deltamic.mesh.distance import surface_distance
from napari_deltamic.mesh.measures import measure
from napari_deltamic.mesh.seeds import seed_from_labels, seed_spheres, seeding_from_labels
from napari_deltamic.mesh.topology import edge_use, vertex_components


def mean_edge(mesh) -> float:
    ends = mesh.vertices[edge_use(mesh.faces).edges]
    return float(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).mean())


def ball_labels(shape, spacing, center, radius: float, value: int = 1) -> np.ndarray:
    points = np.indices(shape).T * np.asarray(spacing)
    return value * (np.linalg.norm(points - center, axis=3) < radius).T.astype(np.int32)


def test_spheres_are_regions_in_order() -> None:
    mesh = seed_spheres([(0, 0, 0), (0, 0, 20), (0, 20, 0)], [2.0, 3.0, 4.0])
    assert mesh.regions.tolist() == [1, 2, 3]
    assert mesh.is_closed
    assert mesh.volumes() == pytest.approx(4 / 3 * np.pi * np.array([8, 27, 64]), rel=0.05)
    centers = [mesh.region_mesh(r).vertices.mean(axis=0) for r in mesh.regions]
    assert np.allclose(centers, [(0, 0, 0), (0, 0, 20), (0, 20, 0)], atol=1e-9)


def test_one_centre_needs_no_nesting() -> None:
    assert seed_spheres((1, 2, 3), 2.0).regions.tolist() == [1]


@given(st.floats(0.5, 50), st.floats(0.05, 0.5))
def test_edges_are_about_as_long_as_asked(radius: float, fraction: float) -> None:
    mesh = seed_spheres((0, 0, 0), radius, edge_length=fraction * radius)
    assert mean_edge(mesh) == pytest.approx(fraction * radius, rel=0.25)


def test_default_edges_follow_each_radius() -> None:
    assert mean_edge(seed_spheres((0, 0, 0), 6.0)) == pytest.approx(1.0, rel=0.1)
    assert mean_edge(seed_spheres((0, 0, 0), 60.0)) == pytest.approx(10.0, rel=0.1)


def test_overlap_is_warned_of_and_touching_is_not() -> None:
    with pytest.warns(UserWarning, match="the spheres of regions 1 and 3 overlap; choose"):
        seed_spheres([(0, 0, 0), (0, 0, 50), (0, 3, 0)], 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seed_spheres([(0, 0, 0), (0, 0, 50), (0, 4, 0)], 2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([(0, 0)], 1.0), "centers"),
        ((np.empty((0, 3)), 1.0), "centers"),
        (([(0, 0, np.nan)], 1.0), "centers"),
        (([(0, 0, 0)], [1.0, 2.0]), "radius"),
        (([(0, 0, 0)], -1.0), "radius"),
        (([(0, 0, 0)], 1.0, 0.0), "edge_length"),
    ],
)
def test_bad_spheres_are_refused_by_name(arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        seed_spheres(*arguments)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1.5, 0.5, 0.5)])
def test_a_labelled_ball_becomes_a_smooth_ball(spacing) -> None:
    shape = tuple(int(24 / step) for step in spacing)
    center, radius, origin = np.array([11.0, 12.0, 13.0]), 7.0, np.array([100.0, -50.0, 7.0])
    labels = ball_labels(shape, spacing, center, radius)
    mesh = seed_from_labels(labels, spacing, origin)
    assert mesh.is_closed
    assert mesh.volumes() == pytest.approx([labels.sum() * np.prod(spacing)], rel=1e-9)
    distance = np.linalg.norm(mesh.vertices - center - origin, axis=1)
    assert np.abs(distance - radius).max() < 0.5 * max(spacing)
    middle = np.argwhere(labels).mean(axis=0) * spacing + origin
    assert measure(mesh)[0].centroid == pytest.approx(middle, abs=0.05)


def test_labels_keep_their_numbers() -> None:
    labels = ball_labels((20, 20, 40), (1, 1, 1), (10, 10, 10), 6.0, 4)
    labels += ball_labels((20, 20, 40), (1, 1, 1), (10, 10, 30), 5.0, 1000)
    mesh = seed_from_labels(labels, (1, 1, 1))
    assert mesh.regions.tolist() == [4, 1000]
    _, counts = np.unique(labels[labels > 0], return_counts=True)
    assert mesh.volumes() == pytest.approx(counts, rel=1e-9)
    assert mesh.region_mesh(1000).vertices.mean(axis=0) == pytest.approx((10, 10, 30), abs=0.2)


def test_edge_length_is_kept() -> None:
    labels = ball_labels((30, 30, 30), (1, 1, 1), (15, 15, 15), 10.0)
    for edge_length in (1.5, 3.0):
        mesh = seed_from_labels(labels, (1, 1, 1), edge_length=edge_length)
        assert mean_edge(mesh) == pytest.approx(edge_length, rel=0.25)


def test_a_cell_cut_by_the_border_is_capped_there() -> None:
    labels = ball_labels((12, 24, 24), (1, 1, 1), (0, 12, 12), 8.0)
    mesh = seed_from_labels(labels, (1, 1, 1))
    assert mesh.is_closed
    # The first plane's voxels reach from -0.5; smoothing and equal volume move the cap by less.
    assert -1.5 < mesh.vertices[:, 0].min() < 0.0


@pytest.mark.parametrize("voxels", [1, 2, 8])
def test_tiny_labels_become_spheres_of_their_volume(voxels: int) -> None:
    labels = np.zeros((5, 5, 12), dtype=np.uint16)
    labels[2, 2, 1 : 1 + voxels] = 9
    mesh = seed_from_labels(labels, (2.0, 1.0, 1.0))
    assert mesh.regions.tolist() == [9]
    assert mesh.volumes() == pytest.approx([2.0 * voxels])
    assert mesh.vertices.mean(axis=0) == pytest.approx((4, 2, 0.5 + 0.5 * voxels))


def test_a_thin_sheet_stays_a_sheet() -> None:
    labels = np.zeros((9, 30, 30), dtype=int)
    labels[4, 5:25, 5:25] = 1
    mesh = seed_from_labels(labels, (1, 1, 1))
    assert mesh.is_closed
    assert np.ptp(mesh.vertices[:, 0]) < 4
    assert np.ptp(mesh.vertices[:, 1]) > 15


def test_holes_are_filled_and_the_largest_piece_is_kept() -> None:
    labels = ball_labels((24, 24, 40), (1, 1, 1), (12, 12, 12), 8.0)
    whole = labels.sum()
    labels[10:14, 10:14, 10:14] = 0
    labels[4:10, 4:10, 30:38] = 1
    with pytest.warns(UserWarning, match="label 1 is in 2 pieces"):
        mesh = seed_from_labels(labels, (1, 1, 1))
    assert mesh.volumes() == pytest.approx([whole], rel=1e-9)
    assert len(set(vertex_components(mesh.faces, len(mesh.vertices)))) == 1


def test_a_volume_without_background_is_seeded() -> None:
    mesh = seed_from_labels(np.full((8, 8, 8), 3), (1, 1, 1))
    assert mesh.regions.tolist() == [3]
    assert mesh.volumes() == pytest.approx([512])


def test_a_mask_is_label_one() -> None:
    mask = ball_labels((16, 16, 16), (1, 1, 1), (8, 8, 8), 5.0) > 0
    assert seed_from_labels(mask, (1, 1, 1)).regions.tolist() == [1]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.ones((4, 4), int), {}, "labels: expected a 3D volume"),
        (np.ones((4, 4, 4)), {}, "labels: expected whole numbers"),
        (-np.ones((4, 4, 4), int), {}, "labels: must be 0"),
        (np.zeros((4, 4, 4), int), {}, "all voxels are 0"),
        (np.zeros((0, 4, 4), int), {}, "labels: has no voxels"),
        (np.ones((4, 4, 4), int), {"spacing": (1, 0, 1)}, "spacing"),
        (np.ones((4, 4, 4), int), {"origin": (1, 0)}, "origin"),
        (np.ones((4, 4, 4), int), {"smoothing": 0.0}, "smoothing"),
        (np.ones((4, 4, 4), int), {"edge_length": -1.0}, "edge_length"),
    ],
)
def test_bad_labels_are_refused_by_name(labels, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        seed_from_labels(labels, **{"spacing": (1, 1, 1), **options})


def test_real_nuclei_keep_volume_and_boundary(data_folder) -> None:
    import tifffile
    from scipy.ndimage import binary_erosion

    path = data_folder / "mouse_embryo_nuclei_8cell_labels.tif"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    labels, spacing = tifffile.imread(path), np.array([1.75, 0.8, 0.8])
    mesh = seed_from_labels(labels, spacing)
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    assert mesh.is_closed
    assert mesh.regions.tolist() == values.tolist()
    assert mesh.volumes() == pytest.approx(counts * np.prod(spacing), rel=0.02)
    first = labels == values[0]
    boundary = np.argwhere(first & ~binary_erosion(first)) * spacing
    # Boundary voxels' centres lie within about half a voxel's diagonal of the surface.
    assert surface_distance(boundary, mesh.region_mesh(int(values[0]))).mean() < 0.8


def test_labels_are_seeded_bit_by_bit_as_at_once() -> None:
    labels = np.zeros((14, 16, 20), dtype=np.int64)
    labels[2:12, 2:14, 2:10], labels[2:12, 2:14, 10:18] = 1, 2
    steps, yields = seeding_from_labels(labels, (1, 1, 1)), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            mesh = end.value
            break
        yields += 1
    assert yields > 10
    expected = seed_from_labels(labels, (1, 1, 1))
    np.testing.assert_array_equal(mesh.vertices, expected.vertices)
    np.testing.assert_array_equal(mesh.faces, expected.faces)


def test_warnings_point_to_who_asked_for_seeds() -> None:
    labels = np.zeros((10, 10, 24), dtype=np.int64)
    labels[2:8, 2:8, 2:8], labels[2:8, 2:8, 15:20] = 1, 1
    with pytest.warns(UserWarning, match="in 2 pieces") as caught:
        seed_from_labels(labels, (1, 1, 1))
    assert caught[0].filename == __file__
