"""What a seed says about how closely a fit should look."""

import numpy as np
import pytest

from napari_deltamic.fitting import FitSettings
from napari_deltamic.imaging import ImageStack, make_embryo
from napari_deltamic.plugin.detail import explained_by_walls, suggested_detail

SPACING = np.array((0.6, 0.2, 0.2))


def ball_volume(radius):
    return 4 / 3 * np.pi * radius**3


def test_edges_are_an_eighth_of_a_large_cells_radius():
    detail = suggested_detail([ball_volume(8.0)] * 3, SPACING, None)
    assert detail.edge_length == pytest.approx(1.0)
    assert detail.stages == FitSettings().stages
    assert detail.reason == ""


def test_of_cells_that_are_few_voxels_across_the_fit_chooses_by_itself():
    assert suggested_detail([ball_volume(2.0)], SPACING, None).edge_length is None


def test_walls_that_explain_little_get_one_stage_and_a_reason():
    detail = suggested_detail([ball_volume(2.0)], SPACING, 0.25)
    assert detail.stages == 1
    assert "25%" in detail.reason
    assert suggested_detail([ball_volume(2.0)], SPACING, 0.8).stages == FitSettings().stages


def test_walls_of_a_generated_embryo_explain_most_of_it():
    embryo = make_embryo(cells=3, spacing=(0.8, 0.4, 0.4), seed=1)
    assert explained_by_walls(embryo.stack, embryo.labels) > 0.7


def test_light_that_is_no_wall_is_not_explained():
    embryo = make_embryo(cells=3, spacing=(0.8, 0.4, 0.4), seed=1)
    stack = embryo.stack
    haze = np.linspace(0.0, 20.0 * float(stack.data.max()), stack.shape[1])[:, None]
    hazy = ImageStack(stack.data + haze, stack.spacing)
    assert explained_by_walls(hazy, embryo.labels) < 0.1


def test_an_image_without_contrast_is_not_explained():
    labels = np.zeros((4, 8, 8), np.int32)
    labels[:, 2:6, 2:6] = 1
    flat = ImageStack(np.ones(labels.shape), SPACING)
    assert explained_by_walls(flat, labels) == 0.0
