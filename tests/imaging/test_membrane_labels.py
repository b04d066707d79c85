from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_deltamic.imaging import (
    ImageStack,
    automatic_markers,
    membrane_labels,
    poisson_noise,
    read_stack,
    seed_from_image,
)
from napari_deltamic.imaging.local_data import fetch
from napari_deltamic.imaging.membranes import label_centers
from napari_deltamic.imaging.region_graph import contacts, exposed_areas, merge
from napari_deltamic.imaging.sheetness import relative_sheetness, sheetness
from napari_deltamic.mesh import dice_scores

SPACING = np.array((0.6, 0.2, 0.2))
SHAPE = (26, 72, 76)
ORIGIN = np.array((5.0, -3.0, 100.0))
SITES = np.array([(5.6, 7, 4.2), (10, 7, 4.2), (7.8, 4.5, 9.5), (7.8, 10, 9.5)])


def foam(radii=(5.4, 6.2, 6.6), sites=SITES, photons=60.0, **keywords):
    """Cells nearest to each site within an ellipsoid (all of the stack without one): stack, truth.

    Contacts are twice as bright as outer faces.
    """
    position = np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING
    distance = np.linalg.norm(position[..., None, :] - sites, axis=-1)
    order = np.sort(distance, axis=-1)
    apart = np.linalg.norm(sites[:, None] - sites, axis=-1)
    nearest = np.argsort(distance, axis=-1)[..., :2]
    plane = (order[..., 1] ** 2 - order[..., 0] ** 2) / 2
    plane /= apart[nearest[..., 0], nearest[..., 1]]
    contact = 2 * np.exp(-((plane / 0.35) ** 2) / 2)
    truth = nearest[..., 0] + 1
    if radii is not None:
        middle = 0.5 * (np.array(SHAPE) - 1) * SPACING
        level = np.linalg.norm((position - middle) / radii, axis=-1)
        depth = (level - 1) * np.mean(radii)
        contact *= depth < 0
        contact += np.exp(-((depth / 0.35) ** 2) / 2)
        truth = np.where(depth < 0, truth, 0)
    image = ndimage.gaussian_filter(contact, (0.5, 1.0, 1.0))
    return ImageStack(poisson_noise(image, photons, 1, 1.0), SPACING, ORIGIN, **keywords), truth


@pytest.fixture(scope="module")
def embryo():
    stack, truth = foam(photons=20.0)
    return stack, truth, membrane_labels(stack)


def partners(labels, truth):
    """For every true cell the label that overlaps it most."""
    found = []
    for cell in range(1, truth.max() + 1):
        shared = np.bincount(labels[truth == cell], minlength=labels.max() + 1)
        found.append(int(shared.argmax()))
    return found


def test_every_cell_of_a_noisy_embryo_is_found_once_and_nothing_else(embryo):
    _, truth, labels = embryo
    assert labels.dtype == np.int32
    assert sorted(partners(labels, truth)) == [1, 2, 3, 4]
    assert labels.max() == 4
    for cell, partner in enumerate(partners(labels, truth), start=1):
        assert (labels == partner).sum() == pytest.approx((truth == cell).sum(), rel=0.12)
        assert ndimage.label(labels == partner)[1] == 1
    assert min(dice_scores(labels, truth).values()) > 0.88
    border = np.ones(SHAPE, bool)
    border[1:-1, 1:-1, 1:-1] = False
    assert not labels[border].any()


def test_labels_count_from_the_first_voxel_and_repeat(embryo):
    stack, _, labels = embryo
    first = [int(np.flatnonzero(labels == number)[0]) for number in range(1, 5)]
    assert first == sorted(first)
    np.testing.assert_array_equal(membrane_labels(stack), labels)


def test_automatic_markers_lie_inside_and_lead_to_the_same_cells(embryo):
    stack, _, labels = embryo
    points = automatic_markers(stack)
    assert points.shape == (4, 3)
    voxels = np.round((points - ORIGIN) / SPACING).astype(int)
    assert labels[tuple(voxels.T)].tolist() == [1, 2, 3, 4]
    again = membrane_labels(stack, markers=points)
    assert (again == labels).mean() > 0.98
    reverse = membrane_labels(stack, markers=points[::-1])
    assert (np.where(reverse > 0, 5 - reverse, 0) == labels).mean() > 0.98


def test_dropped_added_and_painted_markers_are_respected(embryo):
    stack, truth, labels = embryo
    points = label_centers(labels, stack)
    fewer = membrane_labels(stack, markers=points[:3])
    assert np.unique(fewer).tolist() == [0, 1, 2, 3]
    assert (fewer > 0).sum() <= 1.02 * (labels > 0).sum()
    # A second point in one cell cuts it in two.
    more = membrane_labels(stack, markers=np.vstack([points, points[0] + (0, 1.4, 0)]))
    assert np.unique(more).tolist() == [0, 1, 2, 3, 4, 5]
    both = (more == 1) | (more == 5)
    assert (both == (labels == 1)).mean() > 0.98
    # One mark painted across two cells makes them one.
    marks = np.zeros(SHAPE, np.uint16)
    for number, point in zip((7, 7, 3, 9), points, strict=True):
        marks[tuple(np.round((point - ORIGIN) / SPACING).astype(int))] = number
    painted = membrane_labels(stack, markers=marks)
    assert np.unique(painted).tolist() == [0, 3, 7, 9]
    assert ((painted == 7) == ((labels == 1) | (labels == 2))).mean() > 0.98
    assert truth.max() == 4


def test_tissue_that_fills_the_stack_has_no_outside():
    stack, truth = foam(radii=None)
    labels = membrane_labels(stack)
    assert labels.min() == 1
    assert labels.max() == 4
    assert sorted(partners(labels, truth)) == [1, 2, 3, 4]


def test_the_envelope_can_be_forced_or_drawn(embryo):
    stack, truth, labels = embryo
    filled = membrane_labels(stack, envelope=False)
    assert filled.min() == 1
    assert filled.max() == 5
    drawn = membrane_labels(stack, envelope=truth > 0)
    assert not drawn[truth == 0].any()
    assert drawn[truth > 0].all()
    assert sorted(partners(drawn, truth)) == [1, 2, 3, 4]
    np.testing.assert_array_equal(membrane_labels(stack, envelope=True), labels)


def test_only_the_voxels_shape_counts_not_the_unit(embryo):
    stack, _, labels = embryo
    larger = ImageStack(stack.data, 10 * SPACING)
    assert (membrane_labels(larger) == labels).mean() > 0.999


def test_untrusted_voxels_count_for_nothing(embryo):
    stack, truth, labels = embryo
    data, mask = stack.data.copy(), np.ones(SHAPE, bool)
    mask[:, :, 45:] = False
    data[~mask] = np.nan
    half = membrane_labels(ImageStack(data, SPACING, ORIGIN, mask), envelope=True)
    assert not half[~mask].any()
    assert len(np.unique(half[:, :, :35])) == len(np.unique(labels[:, :, :35]))
    # One dead plane cuts no cell.
    data, mask = stack.data.copy(), np.ones(SHAPE, bool)
    mask[:, :, 30] = False
    data[~mask] = 1e6
    bridged = membrane_labels(ImageStack(data, SPACING, ORIGIN, mask))
    assert sorted(partners(bridged, truth)) == [1, 2, 3, 4]
    assert bridged[:, :, 30].any()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"markers": [(500.0, 0.0, 0.0)]}, r"markers: 1 of 1 lie outside the stack.*um"),
        ({"markers": np.zeros((2, 4))}, r"markers: expected \(N, 3\).*\(2, 4\)"),
        ({"markers": np.zeros((0, 3))}, r"markers: expected \(N, 3\)"),
        ({"markers": [ORIGIN + 2.0, ORIGIN + 2.01]}, r"markers: point 1 shares its voxel"),
        ({"markers": np.zeros((3, 4, 5), int)}, r"markers: .*stack's shape"),
        ({"markers": np.zeros(SHAPE, int)}, r"markers: .*marks nothing"),
        ({"markers": np.full(SHAPE, 0.5)}, r"markers: .*whole numbers"),
        ({"smoothing": 0.0}, r"smoothing: expected"),
        ({"cell_size": np.nan}, r"cell_size: expected"),
        ({"least_strength": 1.0}, r"least_strength: expected"),
        ({"envelope": np.ones((2, 2, 2), bool)}, r"envelope: expected"),
        ({"envelope": np.zeros(SHAPE, bool)}, r"envelope: the mask admits no voxel"),
    ],
)
def test_bad_arguments_are_named(embryo, keywords, message):
    with pytest.raises(ValueError, match=message):
        membrane_labels(embryo[0], **keywords)


def test_stacks_without_cells_are_refused():
    with pytest.raises(ValueError, match=r"every voxel holds 3.*channel"):
        membrane_labels(ImageStack(np.full(SHAPE, 3.0), SPACING))
    noise = poisson_noise(np.ones(SHAPE), 4.0, 0)
    with pytest.raises(ValueError, match=r"no cell found.*smooth"):
        membrane_labels(ImageStack(noise, SPACING), envelope=True)


def test_seeds_from_membranes_and_arguments_that_do_not_go_together(embryo):
    stack, truth, labels = embryo
    mesh = seed_from_image(stack, label="membrane")
    assert list(mesh.regions) == [1, 2, 3, 4]
    voxels = np.bincount(labels.ravel())[1:] * SPACING.prod()
    np.testing.assert_allclose(mesh.volumes(), voxels, rtol=0.1)
    points = label_centers(labels, stack)[:3]
    assert list(seed_from_image(stack, label="membrane", markers=points).regions) == [1, 2, 3]
    for keywords, message in (
        ({"label": "membranes"}, "label: expected"),
        ({"label": "membrane", "threshold": 3.0}, "threshold: means nothing for membranes"),
        ({"label": "membrane", "fill_holes": False}, "fill_holes: means nothing"),
        ({"cell_size": 3.0}, "cell_size: means nothing for interiors"),
    ):
        with pytest.raises(ValueError, match=message):
            seed_from_image(stack, **keywords)
    assert truth.max() == 4


@pytest.mark.parametrize("normal", [(1, 0, 0), (0, 1, 0), (0.6, 0.8, 0), (0.5, 0.5, 0.7071)])
def test_sheetness_is_that_of_the_sheet_in_every_direction(normal):
    spacing, width, sigma = np.array((0.3, 0.2, 0.2)), 0.5, 0.6
    position = np.moveaxis(np.indices((41, 61, 61)), 0, -1) * spacing
    middle = position[20, 30, 30]
    away = (position - middle) @ (np.array(normal) / np.linalg.norm(normal))
    sheet = np.exp(-((away / width) ** 2) / 2).astype(np.float32)
    ridge, valley = sheetness(sheet, spacing, sigma)
    expected = sigma**2 * width / (width**2 + sigma**2) ** 1.5
    assert ridge[20, 30, 30] == pytest.approx(expected, rel=0.08)
    assert valley[20, 30, 30] < 0.05 * expected
    relative = relative_sheetness(sheet, spacing, sigma)
    assert 0.4 < relative[20, 30, 30] < 0.6


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_contacts_are_those_counted_face_by_face(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (3, 4, 5))
    strength = rng.random((3, 4, 5)).astype(np.float32)
    spacing = rng.uniform(0.5, 2.0, 3)
    area, total = np.zeros((4, 4)), np.zeros((4, 4))
    padded = np.pad(labels, 1)
    exposed = np.zeros(4)
    for place in np.ndindex(*padded.shape):
        for axis in range(3):
            other = tuple(np.add(place, np.eye(3, dtype=int)[axis]))
            if other[axis] == padded.shape[axis]:
                continue
            face = spacing.prod() / spacing[axis]
            low, high = sorted((int(padded[place]), int(padded[other])))
            if low == 0 and high > 0:
                exposed[high] += face
            if 0 < low < high:
                ends = [strength[tuple(np.subtract(end, 1))] for end in (place, other)]
                area[low, high] += face
                total[low, high] += face * max(ends)
    graph = contacts(labels, strength, spacing)
    np.testing.assert_allclose(graph.area, area[graph.first, graph.second])
    np.testing.assert_allclose(graph.strength, total[graph.first, graph.second], rtol=1e-5)
    assert graph.area.sum() == pytest.approx(area.sum())
    np.testing.assert_allclose(exposed_areas(labels, spacing), exposed[: graph.count])


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.8), st.sampled_from([1.0, 1.5]))
@settings(max_examples=30, deadline=None)
def test_merging_is_that_of_a_slow_search_for_the_weakest_contact(seed, limit, reluctance):
    rng = np.random.default_rng(seed)
    labels = rng.integers(1, 9, (3, 4, 4))
    found = contacts(labels, np.ones(labels.shape, np.float32), np.ones(3))
    graph = replace(found, strength=found.area * rng.random(len(found.area)))
    apart = rng.integers(0, 3, graph.count)
    owner = merge(graph, limit, apart, 1, reluctance)

    group, reluctant = apart.tolist(), {1}
    member = np.arange(graph.count)
    while True:
        ends = np.sort(np.stack([member[graph.first], member[graph.second]]), axis=0)
        best = (limit, 0, 0)
        for one, other in np.unique(ends[:, ends[0] != ends[1]].T, axis=0).tolist():
            shared = (ends[0] == one) & (ends[1] == other)
            mean = graph.strength[shared].sum() / graph.area[shared].sum()
            mean *= reluctance if reluctant & {one, other} else 1.0
            if 0 in (group[one], group[other]) or group[one] == group[other]:
                best = min(best, (mean, one, other))
        _, one, other = best
        if one == other:
            break
        member[member == other] = one
        group[one] = group[one] or group[other]
        reluctant |= {one} if other in reluctant else set()
    pairs = np.unique(np.stack([owner, member]), axis=1)
    assert len(pairs.T) == len(np.unique(owner)) == len(np.unique(member))


@pytest.mark.usefixtures("data_folder")
def test_the_cells_of_a_real_ovule_are_found():
    stack = read_stack(fetch("ovule_membrane.tif"))
    truth = read_stack(fetch("ovule_membrane_labels.tif")).data.astype(int)
    labels = membrane_labels(stack)
    assert labels.min() == 1
    scores = dice_scores(labels, truth)
    assert np.mean([scores[cell] for cell in (292, 525, 673, 809)]) > 0.85
