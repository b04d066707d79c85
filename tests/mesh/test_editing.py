"""Corrections of a mesh: whatever is done, regions stay closed and volumes add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_cases import crumpled_grid, rotation, shuffled

from napari_deltamic.mesh import (
    TriangleMesh,
    add_region,
    box_grid,
    bumpy_sphere,
    delete_region,
    double_bubble,
    drag,
    dumbbell,
    free_radius,
    icosphere,
    inconsistencies,
    merge_regions,
    repainted,
    self_intersections,
    smooth_region,
    split_region,
    voxelise,
)

BUBBLES = double_bubble((4, 3)).mesh((6.0, 8.0, 10.0), 0.8)
QUICK = settings(max_examples=40, deadline=None)
SEEDS = st.integers(0, 10_000)


def volumes_of(mesh):
    return dict(zip(mesh.regions.tolist(), mesh.volumes().tolist(), strict=True))


def assert_same(volumes, expected):
    assert volumes.keys() == expected.keys()
    for region, volume in expected.items():
        assert volumes[region] == pytest.approx(volume, rel=1e-9)


@QUICK
@given(SEEDS, st.data())
def test_deleting_leaves_all_others_as_they_are(seed, data):
    mesh = crumpled_grid(seed)
    region = data.draw(st.sampled_from(mesh.regions.tolist()))
    before = volumes_of(mesh)
    del before[region]
    result = delete_region(mesh, region)
    assert inconsistencies(result) == []
    assert_same(volumes_of(result), before)


@QUICK
@given(SEEDS, st.data())
def test_merging_adds_volumes(seed, data):
    mesh = crumpled_grid(seed)
    one = data.draw(st.sampled_from(mesh.regions.tolist()))
    around = [int(region) for region in mesh.neighbours(one) if region > 0]
    others = data.draw(st.lists(st.sampled_from(around), min_size=1, unique=True))
    before = volumes_of(mesh)
    total = sum(before.pop(region) for region in (one, *others))
    result = merge_regions(mesh, [one, *others])
    assert inconsistencies(result) == []
    assert_same(volumes_of(result), {**before, min(one, *others): total})


@QUICK
@given(SEEDS, st.data())
def test_any_plane_through_a_region_splits_it(seed, data):
    mesh = crumpled_grid(seed, divisions=3)
    region = data.draw(st.sampled_from(mesh.regions.tolist()))
    corners = mesh.region_mesh(region).vertices
    share = np.array(data.draw(st.tuples(*[st.floats(0.3, 0.7)] * 3)))
    point = corners.min(axis=0) + share * np.ptp(corners, axis=0)
    normal = rotation(seed)[0]
    before = volumes_of(mesh)
    result = split_region(mesh, region, point, normal)
    after, number = volumes_of(result), int(mesh.regions.max()) + 1
    assert inconsistencies(result) == []
    assert len(self_intersections(result)) == 0
    assert after[region] >= after[number] > 0
    assert after[region] + after.pop(number) == pytest.approx(before[region], rel=1e-9)
    for other in set(before) - {region}:
        assert after[other] == pytest.approx(before[other], rel=1e-9)
    again = merge_regions(result, [region, number])
    assert_same(volumes_of(again), before)


@QUICK
@given(SEEDS)
def test_a_plane_through_vertices_and_along_faces_splits_too(seed):
    # A box cut exactly where its vertices lie, with whole faces in planes across the others.
    mesh = shuffled(box_grid((0, 0, 0), (2, 2, 2), (1, 1, 2), 4), seed)
    result = split_region(mesh, 1, (0.0, 0.0, 0.5), (0.0, 0.0, 1.0))
    assert inconsistencies(result) == []
    assert result.volumes() == pytest.approx([2.0, 4.0, 2.0], rel=0.15)
    assert result.volumes().sum() == pytest.approx(8.0, rel=1e-12)


@QUICK
@given(SEEDS)
def test_a_bumpy_body_is_split_into_two(seed):
    mesh = bumpy_sphere((5, 4, 3), 3.0, 0.4, order=6, seed=seed, subdivisions=3)
    result = split_region(mesh, 1)
    assert inconsistencies(result) == []
    parts = result.volumes()
    assert parts.sum() == pytest.approx(mesh.volumes()[0], rel=1e-12)
    assert parts.min() > 0.3 * parts.sum()
    contact = (result.labels > 0).all(axis=1)
    assert 0.3 * 9 * np.pi < result.face_normals_and_areas()[1][contact].sum() < 2 * 9 * np.pi


def test_by_default_a_region_is_split_across_its_longest_axis():
    mesh = dumbbell((0, 0, 0), 10.0, 2.0, 0.8, axis=1)
    result = split_region(mesh, 1)
    np.testing.assert_allclose(result.volumes(), mesh.volumes()[0] / 2, rtol=0.02)
    contact = result.faces[(result.labels > 0).all(axis=1)]
    assert np.abs(result.vertices[contact][..., 1]).max() < 0.1
    assert result.interface_areas()[-1] == pytest.approx(np.pi * 0.8**2, rel=0.05)


def test_a_contact_of_a_split_region_is_shared_out():
    result = split_region(BUBBLES, 1, normal=(1.0, 0.0, 0.0))
    pairs = result.interfaces.tolist()
    assert [1, 2] in pairs
    assert [2, 3] in pairs
    assert [1, 3] in pairs
    before = BUBBLES.interface_areas()[(BUBBLES.interfaces > 0).all(axis=1)].sum()
    shared = sum(result.interface_areas()[pairs.index(pair)] for pair in ([1, 2], [2, 3]))
    assert shared == pytest.approx(before, rel=1e-9)


@QUICK
@given(SEEDS, st.floats(0.05, 1.5))
def test_added_regions_keep_clear_of_the_others(seed, part):
    rng = np.random.default_rng(seed)
    center = np.array([6.0, 8.0, 10.0]) + rng.normal(size=3) * 6.0
    room = free_radius(BUBBLES, center)
    if room == 0.0:
        with pytest.raises(ValueError, match="lies in region"):
            add_region(BUBBLES, center, part)
    elif part > 1:
        with pytest.raises(ValueError, match="would reach into region"):
            add_region(BUBBLES, center, part * room)
    else:
        result = add_region(BUBBLES, center, part * room)
        assert inconsistencies(result) == []
        assert len(self_intersections(result)) == 0
        volumes = volumes_of(result)
        ball = 4 / 3 * np.pi * (part * room) ** 3
        assert volumes.pop(3) == pytest.approx(ball, rel=0.06)
        assert_same(volumes, volumes_of(BUBBLES))


def test_the_first_region_of_an_empty_mesh():
    empty = TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int))
    assert free_radius(empty, (0, 0, 0)) == np.inf
    assert add_region(empty, (1, 2, 3), 2.0).regions.tolist() == [1]


@QUICK
@given(SEEDS)
def test_smoothing_takes_the_roughness_and_leaves_the_volumes(seed):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=BUBBLES.vertices.shape) * 0.05
    rough = BUBBLES.with_vertices(BUBBLES.vertices + noise)
    result = smooth_region(rough)
    np.testing.assert_allclose(result.volumes(), rough.volumes(), rtol=0.01)
    assert result.areas().sum() < rough.areas().sum()
    assert inconsistencies(result) == []
    alone = smooth_region(rough, 1)
    far = ~np.isin(np.arange(len(rough.vertices)), rough.faces[(rough.labels == 1).any(axis=1)])
    assert np.array_equal(alone.vertices[far], rough.vertices[far])


@QUICK
@given(SEEDS, st.floats(0.2, 4.0), st.floats(0.5, 6.0))
def test_a_drag_never_makes_surfaces_cross(seed, far, radius):
    rng = np.random.default_rng(seed)
    point = BUBBLES.vertices[rng.integers(len(BUBBLES.vertices))]
    way = rotation(seed)[0] * far
    result = drag(BUBBLES, point, way, radius)
    taken = np.flatnonzero((BUBBLES.vertices == point).all(axis=1))
    np.testing.assert_allclose(result.vertices[taken[0]], point + way, atol=1e-9)
    still = np.linalg.norm(BUBBLES.vertices - point, axis=1) > radius + far
    assert np.array_equal(result.vertices[still], BUBBLES.vertices[still])
    assert len(result.open_regions()) == 0
    # As far as the faces' size lets them follow the map of space.
    if radius > 2.0:
        assert len(self_intersections(result)) == 0


SPACING, ORIGIN, SHAPE = (0.5, 0.4, 0.4), (-1.0, -2.0, -1.0), (32, 52, 60)


def painted(mesh):
    labels = voxelise(mesh, SHAPE, SPACING, ORIGIN)
    return labels, labels.copy()


def test_what_was_not_painted_stays_as_it_is():
    mesh = add_region(BUBBLES, (6.0, 15.0, 18.0), 1.5)
    before, after = painted(mesh)
    assert repainted(mesh, before, after, SPACING, ORIGIN) is mesh
    after[after == 3] = 0
    result = repainted(mesh, before, after, SPACING, ORIGIN)
    assert np.array_equal(result.vertices, BUBBLES.vertices)
    assert result.regions.tolist() == [1, 2]


def test_a_painted_cell_grows_and_a_new_number_is_a_new_region():
    before, after = painted(BUBBLES)
    positions = np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING + ORIGIN
    after[((positions - (6, 15, 18)) ** 2).sum(axis=-1) < 1.5**2] = 7
    # Half of the smaller bubble goes to the larger one.
    after[(after == 2) & (positions[..., 0] > 6.0)] = 1
    result = repainted(BUBBLES, before, after, SPACING, ORIGIN)
    assert result.regions.tolist() == [1, 2, 7]
    voxel = float(np.prod(SPACING))
    for region, volume in volumes_of(result).items():
        assert volume == pytest.approx((after == region).sum() * voxel, rel=0.03)
    assert inconsistencies(result) == []


def test_corrections_that_make_no_sense_are_refused():
    ball = icosphere((0, 0, 0), 2.0)
    far = add_region(ball, (0, 0, 10), 2.0)
    for act, message in (
        (lambda: delete_region(ball, 1), "the only one"),
        (lambda: delete_region(far, 5), "5 is not one of the mesh's regions, 1, 2"),
        (lambda: merge_regions(far, [1, 2]), "does not touch"),
        (lambda: merge_regions(far, [1]), "two or more"),
        (lambda: split_region(far, 1, (0, 0, 5)), "does not cut region 1"),
        (lambda: split_region(far, 9), "9 is not one"),
        (lambda: split_region(far, 1, normal=(0, 0, 0)), "must not be zero"),
        (lambda: smooth_region(far, 4), "4 is not one"),
        (lambda: smooth_region(far, steps=0), "1 or more"),
        (lambda: drag(far, (0, 0, 0), (1, 0, 0), 0.0), "radius"),
        (lambda: repainted(ball, np.ones((2, 2, 2)), np.ones((3, 2, 2)), (1, 1, 1)), "shape"),
    ):
        with pytest.raises(ValueError, match=message):
            act()
