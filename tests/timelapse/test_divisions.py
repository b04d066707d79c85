import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from movie_cases import PSF, SPACING

from napari_deltamic.fitting.state import Intensities
from napari_deltamic.imaging import ImageStack, gaussian_noise, poisson_noise, render
from napari_deltamic.mesh import box_grid, icosphere
from napari_deltamic.mesh.edges import median_edge
from napari_deltamic.mesh.steps import at_once
from napari_deltamic.timelapse.carrying import (
    carried,
    is_worn,
    unresolved_regions,
    without_region,
)
from napari_deltamic.timelapse.residuals import ResidualWatch, depths, suspicions
from napari_deltamic.timelapse.splitting import cut_in_two

SHAPE = (18, 34, 40)
MIDDLE = 0.5 * np.array(SPACING) * (np.array(SHAPE) - 1)
BALL = icosphere(MIDDLE, 2.2, 4)


def seen(wall_normal=None, seed=0, noise="poisson", sign=1.0):
    """A ball's image and, with a normal, light of a wall through its middle, with noise."""
    image = render(BALL, PSF, SHAPE, SPACING)
    data = image.astype(np.float64)
    if wall_normal is not None:
        at = np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING - MIDDLE
        across = at @ wall_normal / np.linalg.norm(np.multiply(wall_normal, PSF.sigma.tolist()))
        inside = np.linalg.norm(at, axis=-1) < 2.2
        data += sign * np.where(inside, image.max() * np.exp(-0.5 * across**2), 0.0)
    scale = 30.0 / image.max()
    if noise == "poisson":
        return ImageStack(poisson_noise(data, scale * data.max(), seed, 1.0), SPACING), (
            scale * image + 1.0
        )
    return ImageStack(gaussian_noise(scale * data, 1.0, seed), SPACING), scale * image


def look(stack, image, **options):
    kinds = {"is_poisson": True, "is_dark": False, **options}
    watch = ResidualWatch(PSF, **kinds)
    return watch, at_once(watch.look(stack, BALL, image.astype(np.float32)))


def test_noise_alone_is_as_strong_as_noise():
    for seed in range(3):
        _, plain = look(*seen(seed=seed))
        assert 0.7 < plain.ratios[1] < 1.4
        assert suspicions(plain.ratios, []) == []


@settings(max_examples=8, deadline=None)
@given(st.floats(0.0, np.pi), st.floats(0.0, np.pi))
def test_a_wall_is_found_and_cut_along_whichever_way_it_lies(polar, azimuth):
    normal = np.array(
        [np.cos(polar), np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth)]
    )
    _, plain = look(*seen(seed=1))
    watch, found = look(*seen(normal))
    (suspicion,) = suspicions(found.ratios, [plain.ratios] * 3)
    assert suspicion.region == 1
    assert suspicion.score > 10
    cut = cut_in_two(found.labels, 1, 7, found.ridges, np.array(SPACING), watch.widths)
    assert cut is not None
    assert (cut.labels[found.labels != 1] == found.labels[found.labels != 1]).all()
    assert set(np.unique(cut.labels)) == {0, 1, 7}
    assert (cut.labels == 7).sum() <= (cut.labels == 1).sum()
    at = np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING - MIDDLE
    side = at @ normal > 0
    for part in (1, 7):
        share = side[cut.labels == part].mean()
        assert min(share, 1 - share) < 0.1


def test_a_dark_wall_is_looked_for_where_insides_are_marked():
    normal = np.array((0.0, 1.0, 1.0))
    stack, image = seen(normal, noise="gaussian", sign=-1.0)
    _, dark = look(stack, image, is_poisson=False, is_dark=True)
    _, bright = look(stack, image, is_poisson=False)
    assert dark.ratios[1] > 2.0 * bright.ratios[1]


def test_without_a_wall_there_is_no_cut_or_one_that_is_not_a_shaving():
    watch, plain = look(*seen(seed=4))
    cut = cut_in_two(plain.labels, 1, 7, plain.ridges, np.array(SPACING), watch.widths)
    if cut is not None:
        assert (cut.labels == 7).sum() > 0.05 * (plain.labels == 1).sum()
    tiny = np.zeros(SHAPE, dtype=np.int32)
    tiny[8:10, 16:18, 20:22] = 1
    assert cut_in_two(tiny, 1, 7, plain.ridges, np.array(SPACING), watch.widths) is None


def test_what_is_usual_for_a_region_raises_no_suspicion():
    history = [{1: 2.0 + 0.05 * frame, 2: 1.0} for frame in range(4)]
    assert suspicions({1: 2.2, 2: 1.1}, history) == []
    (one,) = suspicions({1: 2.2, 2: 6.0}, history)
    assert one.region == 2
    both = suspicions({1: 19.0, 2: 6.0, 3: 1.0}, [*history, {3: 1.0}, {3: 1.1}])
    assert [one.region for one in both] == [1, 2]
    assert both[0].score > both[1].score


def test_masked_voxels_raise_no_suspicion():
    stack, image = seen(seed=2)
    data, mask = stack.data.copy(), np.ones(SHAPE, dtype=bool)
    data[:, 15:19], mask[:, 15:19] = 1e4, False
    _, found = look(ImageStack(data, SPACING, mask=mask), image)
    assert found.ratios[1] < 1.5


def test_depth_is_the_distance_to_the_nearest_other_label():
    labels = np.zeros((9, 10, 11), dtype=np.int32)
    labels[2:7, 2:8, 2:6] = 1
    labels[2:7, 2:8, 6:9] = 2
    spacing, widths = np.array((0.6, 0.2, 0.2)), np.array((0.5, 0.3, 0.3))
    found = depths(labels, spacing, widths)
    places = np.argwhere(labels >= 0)
    beside = np.zeros(labels.shape, dtype=bool)
    for axis in range(3):
        for step in (-1, 1):
            near = places.copy()
            near[:, axis] += step
            valid = (near[:, axis] >= 0) & (near[:, axis] < labels.shape[axis])
            other = labels[tuple(near[valid].T)] != labels[tuple(places[valid].T)]
            beside[tuple(places[valid][other].T)] = True
    edges = np.argwhere(beside) * (spacing / widths)
    slow = [np.linalg.norm(edges - place * (spacing / widths), axis=1).min() for place in places]
    np.testing.assert_allclose(found.ravel(), slow, rtol=1e-5)


@given(st.integers(1, 4))
def test_a_lost_region_goes_to_whom_it_touches_most(region):
    cells = box_grid((0, 0, 0), (1, 2, 3), (1, 2, 2), 2)
    left = without_region(cells, region)
    assert left.is_closed
    assert set(left.regions) == {1, 2, 3, 4} - {region}
    volumes = dict(zip(cells.regions.tolist(), cells.volumes(), strict=True))
    now = dict(zip(left.regions.tolist(), left.volumes(), strict=True))
    heirs = [one for one in now if now[one] > 1.001 * volumes[one]]
    # The outside is the largest neighbour of a flat block's corner.
    assert len(heirs) <= 1
    gained = sum(now.values()) - sum(volumes.values())
    assert np.isclose(gained, 0.0 if heirs else -volumes[region])


def test_the_last_region_leaves_an_empty_mesh():
    assert len(without_region(BALL, 1).faces) == 0


def test_regions_smaller_than_the_blur_or_outside_are_unresolved():
    from napari_deltamic.mesh import concatenate

    stack = ImageStack(np.zeros(SHAPE), SPACING)
    small = icosphere(MIDDLE, 0.2, 2)
    outside = icosphere(MIDDLE + np.array((0, 0, 30)), 2.0, 2)
    mesh = concatenate([BALL, small, outside])
    assert unresolved_regions(mesh, stack, np.array((1.0, 0.5, 0.5))) == [2, 3]
    assert unresolved_regions(mesh, stack, np.zeros(3)) == [3]


def test_brightness_is_carried_by_name():
    cells = box_grid((0, 0, 0), (1, 1, 3), (1, 1, 3))
    light = Intensities(np.arange(1.0, 1.0 + len(cells.interfaces)), np.array([5.0, 6.0, 7.0]), 0.5)
    left = without_region(cells, 1)
    known = carried(light, cells, left, 0.1)
    of = dict(zip(map(tuple, cells.interfaces.tolist()), light.membrane, strict=True))
    for pair, value in zip(left.interfaces.tolist(), known.intensities.membrane, strict=True):
        assert value == of[tuple(pair)]
    np.testing.assert_array_equal(known.intensities.interior, [6.0, 7.0])
    back = carried(known.intensities, left, cells, 0.1)
    assert back.intensities.interior[0] == 6.5
    assert back.intensities.membrane[0] == np.median(known.intensities.membrane)
    assert (back.noise, back.intensities.background) == (0.1, 0.5)


def test_a_stretched_mesh_is_worn():
    edge_length = median_edge(BALL)
    lengths = np.linalg.norm(np.diff(BALL.vertices[BALL.faces][:, :2], axis=1)[:, 0], axis=1)
    assert lengths.min() < edge_length < lengths.max()
    assert not is_worn(BALL, edge_length)
    assert not is_worn(BALL.with_vertices(BALL.vertices * (1.0, 1.0, 1.1)), edge_length)
    assert is_worn(BALL.with_vertices(BALL.vertices * (1.0, 1.0, 3.0)), edge_length)
