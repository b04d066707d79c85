import numpy as np
import pytest

from napari_deltamic.imaging import label_image, make_sample, rendering, samples
from napari_deltamic.mesh import icosphere, surface_distance

SMALL = {"shape": (32, 64, 64), "spacing": (0.4, 0.2, 0.2)}


@pytest.mark.parametrize("name", ["cells", "bumpy", "dumbbell"])
@pytest.mark.parametrize("label", ["membrane", "interior"])
def test_a_sample_shows_its_truth(name, label):
    sample = make_sample(name, **SMALL, label=label, peak=200.0)
    truth, stack = sample.truth, sample.stack
    assert truth.is_closed
    assert stack.shape == SMALL["shape"]
    assert (truth.vertices > stack.lower_corner).all()
    assert (truth.vertices < stack.upper_corner).all()
    np.testing.assert_array_equal(sample.seed_mesh.regions, truth.regions)
    assert (sample.seed_mesh.volumes() < truth.volumes()).all()
    assert len(sample.brightness) == len(truth.regions)
    # Bright voxels lie on the surface, or within reach of it where the inside is marked.
    bright = np.argwhere(stack.data > 150.0) * stack.spacing + stack.origin
    assert len(bright) > 20
    if label == "membrane":
        assert np.median(surface_distance(bright, truth)) < 0.3
    first_region_bright = stack.data.max()
    assert 150.0 < first_region_bright < 300.0
    dark = stack.data[:2].mean()
    assert dark == pytest.approx(sample.background, abs=0.3)


def test_the_seed_decides_everything():
    first, again = make_sample("cells", **SMALL, seed=3), make_sample("cells", **SMALL, seed=3)
    np.testing.assert_array_equal(first.stack.data, again.stack.data)
    np.testing.assert_array_equal(first.truth.vertices, again.truth.vertices)
    other = make_sample("cells", **SMALL, seed=4)
    assert (first.stack.data != other.stack.data).any()


@pytest.mark.parametrize("seed", range(3))
def test_the_cells_of_the_default_sample_are_apart_and_found(seed):
    sample = make_sample(seed=seed)
    count = len(sample.truth.regions)
    assert count == 5
    centers = []
    for region in sample.truth.regions:
        cell = sample.truth.region_mesh(region)
        centers.append(cell.vertices.mean(axis=0))
        others = [sample.truth.region_mesh(r) for r in sample.truth.regions if r != region]
        assert min(surface_distance(cell.vertices, other).min() for other in others) > 0.5
    labels = label_image(sample.stack)
    voxels = np.round(np.array(centers) / sample.stack.spacing).astype(int)
    found = labels[tuple(voxels.T)]
    # Each has a label of its own; a cell with a deep waist may have two.
    assert found.min() > 0
    assert len(set(found)) == count


@pytest.mark.parametrize("shape", [(64, 128, 128), (40, 80, 80), (24, 48, 48)])
def test_every_seed_yields_five_cells(shape, monkeypatch):
    # Where the cells lie is under test; their shapes and the image would take minutes.
    monkeypatch.setattr(samples, "bumpy_sphere", lambda *place, **_: icosphere(*place[:2], 0))
    monkeypatch.setattr(rendering, "render", lambda *_, **__: np.ones((2, 2, 2)))
    counts = {seed: len(make_sample(shape=shape, seed=seed).brightness) for seed in range(100)}
    assert counts == dict.fromkeys(counts, 5)


def test_a_stack_too_small_for_five_cells_gets_fewer():
    assert len(make_sample(shape=(16, 16, 16), spacing=(1.0, 1.0, 1.0)).brightness) == 1


def test_what_cannot_be_made_is_refused():
    with pytest.raises(ValueError, match="name: expected one of"):
        make_sample("cube")
    with pytest.raises(ValueError, match="label: expected one of"):
        make_sample("cells", label="both")
    with pytest.raises(ValueError, match="shape: expected"):
        make_sample("cells", shape=(8, 64, 64))
    with pytest.raises(ValueError, match="spacing"):
        make_sample("cells", spacing=(0.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="peak"):
        make_sample("bumpy", **SMALL, peak=-1.0)
