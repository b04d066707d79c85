import numpy as np
import pytest

from napari_deltamic.imaging import (
    ImageStack,
    gaussian_noise,
    label_image,
    poisson_noise,
    read_stack,
    seed_from_image,
)
from napari_deltamic.imaging.local_data import fetch

SPACING = np.array((0.5, 0.25, 0.25))
SHAPE = (40, 64, 64)


def balls(centers, radii, brightness=1.0, shell=None):
    """Blurred balls, or shells of the given thickness, at (z, y, x) in um."""
    position = np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING
    image = np.zeros(SHAPE)
    level = np.broadcast_to(brightness, len(centers))
    for center, radius, bright in zip(centers, radii, level, strict=True):
        depth = radius - np.linalg.norm(position - center, axis=-1)
        lit = 1.0 / (1.0 + np.exp(-depth / 0.1))
        if shell is not None:
            lit -= 1.0 / (1.0 + np.exp(-(depth - shell) / 0.1))
        image = np.maximum(image, bright * lit)
    return image


def noisy_stack(image, **keywords):
    return ImageStack(poisson_noise(image, 60.0, seed=1, background=3.0), SPACING, **keywords)


def test_bright_and_dim_balls_get_one_sphere_each_at_the_right_place():
    centers = np.array([(5.0, 4.0, 4.0), (9.0, 12.0, 5.0), (15.0, 6.0, 11.0)])
    radii = np.array([2.0, 2.5, 3.0])
    stack = noisy_stack(balls(centers, radii, (1.0, 0.25, 0.5)), origin=(10.0, 20.0, 30.0))
    mesh = seed_from_image(stack)
    assert mesh.is_closed
    assert list(mesh.regions) == [1, 2, 3]
    np.testing.assert_allclose(mesh.volumes(), 4 / 3 * np.pi * radii**3, rtol=0.15)
    for region, center in zip(mesh.regions, centers + stack.origin, strict=True):
        vertices = mesh.region_mesh(region).vertices
        np.testing.assert_allclose(vertices.mean(axis=0), center, atol=0.25)


def test_touching_balls_are_split_on_request():
    stack = noisy_stack(balls([(10, 8, 5), (10, 8, 10.2)], [2.8, 2.8]))
    assert label_image(stack).max() == 2
    assert label_image(stack, split_touching=False).max() == 1


@pytest.mark.parametrize("gap", [0.0, 1.5])
def test_shells_are_filled(gap):
    image = balls([(10, 8, 8)], [5.0], shell=0.6)
    # A dim patch, as a membrane seen edge-on through a wide PSF leaves.
    image[:, :, 32:] *= 1.0 - 0.2 * gap
    stack = noisy_stack(image)
    labels = label_image(stack)
    assert labels.max() == 1
    assert labels[20, 32, 32] == 1
    radius = (labels.sum() * SPACING.prod() * 3 / 4 / np.pi) ** (1 / 3)
    assert radius == pytest.approx(5.0, rel=0.12)
    assert label_image(stack, threshold=20.0, fill_holes=False)[20, 32, 32] == 0


def test_specks_are_dropped_unless_asked_for():
    stack = noisy_stack(balls([(10, 8, 5), (10, 8, 13)], [3.0, 0.8]))
    assert label_image(stack).max() == 1
    assert label_image(stack, min_size=0.5).max() == 2


def test_a_given_threshold_is_taken_literally():
    image = balls([(10, 8, 8)], [4.0])
    stack = ImageStack(image, SPACING)
    sizes = [(label_image(stack, threshold=t, smoothing=0) > 0).sum() for t in (0.1, 0.5, 0.9)]
    assert sizes == [(image > t).sum() for t in (0.1, 0.5, 0.9)]


def test_untrusted_voxels_hold_no_object():
    image = balls([(10, 8, 4), (10, 8, 12)], [2.5, 2.5])
    mask = np.ones(SHAPE, bool)
    mask[:, :, 32:] = False
    labels = label_image(noisy_stack(image, mask=mask))
    assert labels.max() == 1
    assert (labels[:, :, 34:] == 0).all()


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_stack_of_one_value_is_refused(value):
    stack = ImageStack(np.full(SHAPE, value), SPACING)
    with pytest.raises(ValueError, match=rf"every voxel holds {value:g}.*channel"):
        seed_from_image(stack)


@pytest.mark.parametrize("seed", range(3))
def test_noise_alone_holds_no_object(seed):
    flat = np.full(SHAPE, 1.0)
    for image in (gaussian_noise(flat, 1.0, seed), poisson_noise(flat, 4.0, seed)):
        with pytest.raises(ValueError, match=r"no object found.*spheres by hand"):
            seed_from_image(ImageStack(image, SPACING))


def test_nothing_above_the_threshold_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"no object found.*lower the threshold"):
        seed_from_image(noisy_stack(balls([(10, 8, 8)], [3.0])), threshold=1e4)


@pytest.mark.parametrize(
    "bad", [{"threshold": np.nan}, {"smoothing": -1.0}, {"min_size": np.inf}, {"min_size": -1.0}]
)
def test_arguments_out_of_range_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}: expected"):
        label_image(noisy_stack(balls([(10, 8, 8)], [3.0])), **bad)


@pytest.mark.usefixtures("data_folder")
def test_the_nuclei_of_a_real_embryo_are_found():
    stack = read_stack(fetch("mouse_embryo_nuclei_8cell.tif"))
    truth = read_stack(fetch("mouse_embryo_nuclei_8cell_labels.tif")).data.astype(int)
    labels = label_image(stack)
    partners = []
    for nucleus in range(1, 9):
        shared = np.bincount(labels[truth == nucleus], minlength=labels.max() + 1)
        shared[0] = 0
        partner = int(shared.argmax())
        partners.append(partner)
        sizes = (truth == nucleus).sum() + (labels == partner).sum()
        assert 2 * shared[partner] / sizes > 0.45
    assert sorted(partners) == list(range(1, 9))


@pytest.mark.usefixtures("data_folder")
@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("beads_confocal.tif", {}, 4),
        ("nucleus_confocal_vs_widefield.tif", {"channel": 0}, 1),
        ("nucleus_confocal_vs_widefield.tif", {"channel": 1}, 1),
        ("droplet_timelapse_21frames.tif", {"frame": 10, "spacing": (1, 1, 1)}, 1),
        ("drosophila_embryo_caax_tiny.tif", {}, 1),
    ],
)
def test_single_objects_in_real_stacks_are_found(name, options, count):
    mesh = seed_from_image(read_stack(fetch(name), **options))
    assert len(mesh.regions) == count
    assert mesh.is_closed


def test_marked_objects_are_cut_apart_and_no_other_is_kept():
    stack = noisy_stack(
        balls([(10, 8, 5), (10, 8, 8.6), (4, 3, 13)], [2.8, 2.8, 1.5]), origin=(1.0, 2.0, 3.0)
    )
    points = np.array([(10, 8, 9.5), (10, 8, 4)]) + stack.origin
    labels = label_image(stack, markers=points)
    assert np.unique(labels).tolist() == [0, 1, 2]
    assert labels[20, 32, 38] == 1
    assert labels[20, 32, 16] == 2
    mesh = seed_from_image(stack, markers=points[:1])
    assert list(mesh.regions) == [1]


def test_marks_beside_the_objects_are_refused():
    stack = noisy_stack(balls([(10, 8, 8)], [3.0]))
    with pytest.raises(ValueError, match=r"markers: 1 of 2 lie on no object.*number 2"):
        label_image(stack, markers=[(10, 8, 8), (2, 2, 2)])
    with pytest.raises(ValueError, match=r"min_size: every marked object is kept"):
        label_image(stack, markers=[(10, 8, 8)], min_size=2.0)
