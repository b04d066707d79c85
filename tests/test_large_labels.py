"""Regions may have any large numbers: nothing depends on them, and no memory either."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from napari_deltamic.fitting.densities import topology_of
from napari_deltamic.imaging.rendering import render
from napari_deltamic.imaging.soap_films import volume_gradients
from napari_deltamic.mesh import TriangleMesh, measure, seed_from_labels, voxelise
from napari_deltamic.mesh.agreement import dice_scores
from napari_deltamic.mesh.volume_matching import with_volumes
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin.picking import region_at
from napari_deltamic.timelapse.carrying import without_region
from napari_deltamic.timelapse.motion import touching_groups
from napari_deltamic.tissue.partition import partition, region_centres
from napari_deltamic.tissue.piece import piece_of

SPACING = (0.5, 0.5, 0.5)
NUMBERS = np.array([0, 1, 2, 3])
LARGE = np.array([0, 5, 2_000_000_000, 2**31 - 1])


def cells(numbers) -> TriangleMesh:
    """Return two cells that touch and one apart from them."""
    labels = np.zeros((8, 10, 20), dtype=np.int64)
    labels[2:6, 2:8, 2:7] = numbers[1]
    labels[2:6, 2:8, 7:12] = numbers[2]
    labels[2:6, 2:8, 15:18] = numbers[3]
    return seed_from_labels(labels, SPACING)


CASES = {
    "measures": lambda mesh: [vars(one) | {"region": 0} for one in measure(mesh)],
    "topology": topology_of,
    "volume gradients": lambda mesh: volume_gradients(mesh).toarray(),
    "rendering": lambda mesh: render(
        mesh, GaussianPSF(0.6), (8, 10, 20), SPACING, interior=[1.0, 2.0, 3.0]
    ),
    "regions at points": lambda mesh: [
        np.searchsorted(mesh.regions, region_at(mesh, np.array(point)))
        for point in ((2.0, 2.0, 2.0), (2.0, 2.0, 4.5), (2.0, 2.0, 8.0))
    ],
    "other volumes": lambda mesh: with_volumes(mesh, 1.01 * mesh.volumes()).vertices,
    "groups": touching_groups,
    "without a region": lambda mesh: without_region(mesh, int(mesh.regions[1])).face_regions,
    "centres": region_centres,
    "partition": lambda mesh: [np.searchsorted(mesh.regions, one) for one in partition(mesh, 2)],
    "piece": lambda mesh: piece_of(mesh, mesh.regions[:1], np.full(3, 0.4)).mesh.face_regions,
}


def flat(result) -> list[np.ndarray]:
    """Return all numbers in a result."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, list | tuple):
        return [one for part in result for one in flat(part)]
    return [np.asarray(result)]


@pytest.mark.parametrize("name", CASES)
def test_numbers_of_regions_change_nothing(name) -> None:
    expected = flat(CASES[name](cells(NUMBERS)))
    mesh = cells(LARGE)
    tracemalloc.start()
    found = flat(CASES[name](mesh))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**27
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_agreement_of_labels_takes_any_numbers() -> None:
    labels = voxelise(cells(LARGE), (8, 10, 20), SPACING).astype(np.int64)
    assert dice_scores(labels, labels) == dict.fromkeys(LARGE[1:].tolist(), 1.0)
    assert dice_scores(labels, np.where(labels == 5, 2**40, 0)) == {2**40: 1.0}


def test_a_label_image_refuses_numbers_that_it_cannot_hold() -> None:
    mesh = cells(NUMBERS)
    mesh = TriangleMesh(mesh.vertices, mesh.faces, np.where(mesh.labels == 3, 2**32, mesh.labels))
    with pytest.raises(ValueError, match=r"mesh: .* has a region 4294967296; number"):
        voxelise(mesh, (8, 10, 20), SPACING)
