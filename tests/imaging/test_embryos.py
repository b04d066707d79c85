import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from napari_deltamic.imaging import Embryo, make_embryo, make_embryo_movie, render
from napari_deltamic.imaging.embryo_shape import extent_of
from napari_deltamic.mesh import TriangleMesh, self_intersections
from napari_deltamic.mesh.topology import edge_use
from napari_deltamic.optics import GaussianPSF

# Cells of 15 voxels: a quarter of the faces, and a second each.
SMALL = {"shape": (22, 48, 48), "spacing": (0.6, 0.3, 0.3)}


@pytest.fixture(scope="module")
def four() -> Embryo:
    return make_embryo(4, seed=1)


@pytest.fixture(scope="module")
def three() -> Embryo:
    return make_embryo(3, **SMALL)


def edge_lengths(mesh: TriangleMesh) -> np.ndarray:
    ends = mesh.vertices[edge_use(mesh.faces).edges]
    return np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)


def test_an_embryo_is_one_sound_mesh_of_touching_cells(four):
    truth = four.truth
    assert truth.is_closed
    assert len(self_intersections(truth)) == 0
    np.testing.assert_array_equal(truth.regions, [1, 2, 3, 4])
    # Four bubbles all touch one another and the outside.
    assert len(truth.interfaces) == 10
    use = edge_use(truth.faces)
    assert set(np.unique(use.face_count)) == {2, 3}
    # As fine as the voxels, with no sliver.
    lengths = edge_lengths(truth)
    assert lengths.mean() == pytest.approx(0.2, rel=0.05)
    assert lengths.min() > 0.05
    assert lengths.max() < 0.4


def test_volumes_and_areas_add_up_to_those_of_the_envelope(four):
    truth = four.truth
    outer = (truth.labels == 0).any(axis=1)
    envelope = TriangleMesh(
        truth.vertices,
        np.where(truth.labels[outer, :1] == 0, truth.faces[outer, ::-1], truth.faces[outer]),
    )
    assert envelope.is_closed
    assert four.volumes().sum() == pytest.approx(envelope.volumes()[0], rel=1e-12)
    areas = four.interface_areas()
    assert areas[truth.interfaces[:, 0] == 0].sum() == pytest.approx(envelope.areas()[0], rel=1e-12)
    _, faces = truth.face_normals_and_areas()
    assert areas.sum() == pytest.approx(faces.sum(), rel=1e-12)


def test_cells_have_similar_volumes_and_the_size_of_30_voxels(four):
    volumes = four.volumes()
    assert volumes.mean() == pytest.approx(np.pi / 6 * (30 * 0.2) ** 3, rel=0.03)
    assert 0.03 < volumes.std() / volumes.mean() < 0.3


def test_cells_meet_at_120_degrees(four):
    from napari_deltamic.mesh.junctions import measure_junctions

    junctions = measure_junctions(four.truth)
    assert len(junctions) == 10
    assert all(len(one.regions) == 3 for one in junctions)
    angles = np.array([one.angles for one in junctions])
    assert np.abs(angles - 120.0).max() < 8.0
    assert np.max([one.angle_spreads for one in junctions]) < 4.0


def test_surfaces_are_smooth(four):
    truth = four.truth
    normals, _ = truth.face_normals_and_areas()
    use = edge_use(truth.faces)
    order = np.argsort(use.face_edges.ravel(), kind="stable") // 3
    start = (np.cumsum(use.face_count) - use.face_count)[use.face_count == 2]
    cosine = np.abs((normals[order[start]] * normals[order[start + 1]]).sum(axis=1))
    bend = np.degrees(np.arccos(np.clip(cosine, 0.0, 1.0)))
    # Balls of the cells' size bend by 2 to 3 degrees from face to face; voxels' steps by 45.
    assert bend.mean() < 3.0
    assert bend.max() < 10.0


def test_labels_are_the_truth_in_voxels(four):
    assert four.labels.shape == four.stack.shape
    assert four.labels.dtype == np.int32
    voxel = np.prod(four.stack.spacing)
    counts = np.bincount(four.labels.ravel())[1:]
    np.testing.assert_allclose(counts * voxel, four.volumes(), rtol=0.01)
    assert not four.labels[[0, -1]].any()


def test_the_embryo_and_its_blur_lie_within_the_stack(four):
    margin = four.psf.extent()
    assert (four.truth.vertices.min(axis=0) > four.stack.lower_corner + margin).all()
    assert (four.truth.vertices.max(axis=0) < four.stack.upper_corner - margin).all()
    assert four.expected[0].max() < four.background + 0.05
    assert four.expected[:, 0].max() < four.background + 0.05


def test_the_image_is_the_rendered_truth_with_poisson_noise(four):
    image = render(
        four.truth,
        four.psf,
        four.stack.shape,
        four.stack.spacing,
        membrane=four.membrane,
        interior=four.interior,
    )
    expected = four.gain * np.maximum(image, 0.0) + four.background
    np.testing.assert_allclose(four.expected, expected, atol=1e-3)
    assert four.expected.max() == pytest.approx(20.0 + 1.0, rel=1e-4)
    residual = four.stack.data - four.expected
    assert abs(residual.mean()) < 0.02
    assert np.mean(residual**2 / four.expected) == pytest.approx(1.0, abs=0.03)
    np.testing.assert_array_equal(four.stack.data, np.round(four.stack.data))


def test_contacts_are_about_twice_as_bright_as_outer_faces(four):
    outer = four.truth.interfaces[:, 0] == 0
    for brightness, usual in ((four.membrane[outer], 1.0), (four.membrane[~outer], 2.0)):
        assert brightness.min() >= 0.8 * usual
        assert brightness.max() <= 1.2 * usual
        assert brightness.std() > 0.03 * usual
    assert not four.interior.any()
    bright = make_embryo(3, **SMALL, contact_brightness=5.0)
    assert bright.membrane[bright.truth.interfaces[:, 0] > 0].min() >= 4.0


def test_light_fades_with_depth(three):
    dimmed = make_embryo(3, **SMALL, attenuation=0.08)
    np.testing.assert_array_equal(dimmed.truth.vertices, three.truth.vertices)
    depth = 0.6 * np.arange(22)[:, None, None]
    clear = (three.expected - three.background) / three.gain
    faded = (dimmed.expected - dimmed.background) / dimmed.gain
    np.testing.assert_allclose(faded, clear * np.exp(-0.08 * depth), atol=1e-5)
    assert dimmed.attenuation == 0.08
    # The peak is that of the image as it is seen.
    assert dimmed.expected.max() == pytest.approx(21.0, rel=1e-4)


def test_the_seed_decides_everything(three):
    again, other = make_embryo(3, **SMALL), make_embryo(3, **SMALL, seed=1)
    np.testing.assert_array_equal(again.stack.data, three.stack.data)
    np.testing.assert_array_equal(again.truth.vertices, three.truth.vertices)
    np.testing.assert_array_equal(again.membrane, three.membrane)
    assert len(other.truth.vertices) != len(three.truth.vertices)
    brighter = make_embryo(3, **SMALL, peak=200.0, background=5.0)
    np.testing.assert_array_equal(brighter.truth.vertices, three.truth.vertices)
    assert brighter.expected.max() == pytest.approx(205.0, rel=1e-4)


def test_an_embryo_fills_the_stack_asked_for(three):
    assert three.stack.shape == SMALL["shape"]
    room = three.stack.spacing * (np.array(three.stack.shape) - 1)
    room -= 2 * (three.psf.extent() + 2 * three.stack.spacing)
    filled = extent_of(three.truth.vertices) / room
    assert 0.95 < filled.max() < 1.01
    middle = 0.5 * (three.truth.vertices.min(axis=0) + three.truth.vertices.max(axis=0))
    np.testing.assert_allclose(middle, 0.5 * three.stack.spacing * (np.array((22, 48, 48)) - 1))


@pytest.mark.parametrize("label", ["interior", "both"])
def test_nuclei_lie_within_their_cells(label):
    embryo = make_embryo(3, **SMALL, nuclei=True, label=label)
    truth = embryo.truth
    assert truth.is_closed
    assert len(self_intersections(truth)) == 0
    np.testing.assert_array_equal(truth.regions, np.arange(1, 7))
    for nucleus in (4, 5, 6):
        touching = truth.interfaces[(truth.interfaces == nucleus).any(axis=1)]
        np.testing.assert_array_equal(touching, [(nucleus - 3, nucleus)])
        around = embryo.labels[binary_dilation(embryo.labels == nucleus)]
        assert np.isin(around, (nucleus, nucleus - 3)).mean() > 0.95
        assert (around == nucleus - 3).any()
    volumes = embryo.volumes()
    assert (volumes[3:] > 0.02 * volumes[:3]).all()
    assert (volumes[3:] < 0.4 * volumes[:3]).all()
    envelope = (truth.interfaces[:, 1] > 3).nonzero()[0]
    assert not embryo.membrane[envelope].any()
    assert (embryo.interior[3:] > 2 * embryo.interior[:3]).all()
    assert embryo.membrane.any() == (label == "both")
    # The dye within the nuclei is what is brightest in an image of the insides.
    if label == "interior":
        bright = embryo.labels[embryo.expected > 15.0]
        assert (bright > 3).mean() > 0.8


def test_one_cell_is_a_ball():
    embryo = make_embryo(1, **SMALL)
    volume, area = embryo.volumes()[0], embryo.interface_areas()[0]
    assert np.cbrt(36 * np.pi * volume**2) / area == pytest.approx(1.0, abs=0.01)


def test_the_psf_is_the_one_given():
    psf = GaussianPSF(sigma=(0.8, 0.4, 0.4))
    embryo = make_embryo(2, **SMALL, psf=psf)
    assert embryo.psf is psf
    assert embryo.expected[:, 0].max() < embryo.background + 0.05


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cells": 0}, "cells: expected a whole number"),
        ({"cells": 2.5}, "cells: expected a whole number"),
        ({"shape": (4, 64, 64)}, "shape: expected three numbers"),
        ({"shape": (9, 20, 20)}, "shape: .* leave no room"),
        ({"cells": 64, "shape": (20, 40, 40)}, "shape: too small for 64 cells"),
        ({"spacing": (0.5, 0.0, 0.5)}, "spacing"),
        ({"peak": 0.0}, "peak: expected a positive"),
        ({"background": -1.0}, "background: expected a number of 0 or more"),
        ({"attenuation": -0.1}, "attenuation: expected a number of 0 or more"),
        ({"contact_brightness": np.nan}, "contact_brightness: expected a number"),
        ({"label": "nuclei"}, "label: expected one of"),
    ],
)
@pytest.mark.parametrize("make", [make_embryo, make_embryo_movie])
def test_what_cannot_be_made_is_refused(make, wrong, message):
    with pytest.raises(ValueError, match=message):
        make(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"frames": 0}, "frames: expected"),
        ({"motion": -1.0}, "motion: expected"),
        ({"frames": 5, "division_frame": 5}, r"division_frame: expected one of the frames 1\.\.4"),
        ({"division_frame": 2, "nuclei": True}, "division_frame: cells with nuclei"),
    ],
)
def test_movies_that_cannot_be_made_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        make_embryo_movie(**wrong)


@pytest.mark.parametrize("given", [{}, {"shape": (26, 56, 56)}])
def test_cells_move_and_keep_their_volumes(given):
    movie = make_embryo_movie(3, 5, **given, spacing=(0.6, 0.3, 0.3), motion=0.8)
    assert len(movie.frames) == 5
    assert movie.division is None
    volumes = movie.volumes()
    assert volumes.shape == (5, 3)
    np.testing.assert_allclose(volumes, np.tile(volumes[0], (5, 1)), rtol=1e-3)
    assert movie.data().shape == (5, *movie.frames[0].stack.shape)
    assert movie.labels().shape == movie.data().shape
    first = movie.frames[0]
    assert first.stack.shape == given.get("shape", first.stack.shape)
    for frame in movie.frames:
        np.testing.assert_array_equal(frame.truth.faces, first.truth.faces)
        np.testing.assert_array_equal(frame.truth.labels, first.truth.labels)
        np.testing.assert_array_equal(frame.membrane, first.membrane)
        assert frame.gain == first.gain
        assert len(self_intersections(frame.truth)) == 0
        assert frame.expected[0].max() < 1.1
        assert frame.expected[:, 0].max() < 1.1
    paths = np.stack([frame.truth.vertices for frame in movie.frames])
    steps = np.linalg.norm(np.diff(paths, axis=0), axis=2) / 0.3
    assert 0.3 < np.sqrt((steps**2).mean()) < 1.2
    assert steps.max() < 2.5
    noise = [frame.stack.data - frame.expected for frame in movie.frames]
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.02


def test_a_movie_without_motion_has_noise_alone():
    movie = make_embryo_movie(2, 2, **SMALL, motion=0.0)
    one, two = movie.frames
    np.testing.assert_array_equal(one.truth.vertices, two.truth.vertices)
    np.testing.assert_array_equal(one.expected, two.expected)
    assert (one.stack.data != two.stack.data).any()


def test_a_cell_divides():
    movie = make_embryo_movie(3, 4, **SMALL, division_frame=2, seed=2)
    frame, mother, daughter = movie.division
    assert frame == 2
    assert mother in (1, 2, 3)
    assert daughter == 4
    before, after = movie.frames[1], movie.frames[2]
    assert [embryo.cells for embryo in movie.frames] == [3, 3, 4, 4]
    for embryo in movie.frames:
        assert embryo.truth.is_closed
        assert len(self_intersections(embryo.truth)) == 0
    np.testing.assert_array_equal(before.truth.regions, [1, 2, 3])
    np.testing.assert_array_equal(after.truth.regions, [1, 2, 3, 4])
    # The contact is new; volumes, and the membranes' brightness, are handed on.
    assert [mother, daughter] in after.truth.interfaces.tolist()
    volumes = movie.volumes()
    assert np.isnan(volumes[:2, 3]).all()
    sisters = volumes[2, mother - 1] + volumes[2, 3]
    assert sisters == pytest.approx(volumes[1, mother - 1], rel=1e-3)
    np.testing.assert_allclose(volumes[2, mother - 1], volumes[2, 3], rtol=0.1)
    others = [cell for cell in (1, 2, 3) if cell != mother]
    np.testing.assert_allclose(
        volumes[2, np.array(others) - 1], volumes[1, np.array(others) - 1], rtol=1e-3
    )
    brightness = {
        tuple(pair): value
        for pair, value in zip(after.truth.interfaces.tolist(), after.membrane, strict=True)
    }
    assert brightness[0, daughter] == brightness[0, mother]
    # The mother's outline turns into the daughters' with little change.
    was = before.labels == mother
    now = np.isin(after.labels, (mother, daughter))
    assert 2 * (was & now).sum() / (was.sum() + now.sum()) > 0.85
