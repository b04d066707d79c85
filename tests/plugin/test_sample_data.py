import numpy as np
import pytest
from napari.layers import Image, Labels, Surface

from napari_deltamic.mesh import voxelise
from napari_deltamic.plugin import samples
from napari_deltamic.plugin.mesh_layers import mesh_from_layer


def test_the_generated_embryo_comes_with_its_truth(monkeypatch):
    monkeypatch.setattr(samples, "EMBRYO_CELLS", 2)
    (image, options, kind), labels, truth = samples.generated_embryo()
    layer = Image(image, **options)
    assert kind == "image"
    mesh = mesh_from_layer(Surface(truth[0], **truth[1]))
    assert list(mesh.regions) == [1, 2]
    assert (mesh.interfaces > 0).all(axis=1).sum() == 1
    cells = Labels(labels[0], **labels[1])
    assert cells.units == layer.units
    np.testing.assert_array_equal(
        cells.data, voxelise(mesh, image.shape, layer.scale, layer.translate)
    )
    # Membranes are bright, and the background is not zero.
    assert image.max() > 10 * np.median(image)


def test_the_generated_movie_has_a_time_axis(monkeypatch):
    monkeypatch.setattr(samples, "MOVIE_CELLS", 2)
    monkeypatch.setattr(samples, "MOVIE_FRAMES", 2)
    (image, options, _), labels = samples.generated_embryo_movie()
    layer, cells = Image(image, **options), Labels(labels[0], **labels[1])
    assert image.ndim == 4
    assert len(image) == 2
    assert cells.data.shape == image.shape
    assert [str(unit) for unit in layer.units] == ["pixel", "micrometer"] + ["micrometer"] * 2
    assert cells.units == layer.units
    assert np.any(cells.data[0] != cells.data[1])


@pytest.mark.parametrize("name", ["embryo_nuclei", "ovule_membranes"])
def test_a_real_sample_shows_its_image_and_not_the_annotation(monkeypatch, name):
    monkeypatch.setattr(samples, "call_beside_gui", lambda work: work())
    try:
        (data, image, kind), (labels, annotation, of_labels) = getattr(samples, name)()
    except OSError:
        pytest.skip("needs the real stacks")
    assert (kind, of_labels) == ("image", "labels")
    assert data.shape == labels.shape
    assert annotation["visible"] is False
    low, high = image["contrast_limits"]
    shown = (data > low) & (data < high)
    assert data.min() <= low < high <= data.max()
    assert shown.mean() > 0.8
