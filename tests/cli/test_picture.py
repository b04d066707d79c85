import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from napari_deltamic.cli.picture import REGION_COLORS, draw_fit, round_length, slice_indices
from napari_deltamic.fitting import FitResult, FitSettings, Intensities
from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import concatenate, icosphere, voxelise
from napari_deltamic.optics import GaussianPSF

SHAPE, SPACING, ORIGIN = (16, 40, 50), (1.0, 0.5, 0.5), (2.0, -3.0, 5.0)


@pytest.fixture
def stack_and_result():
    mesh = concatenate([icosphere((9.0, 4.0, 14.0), 4.0, 3), icosphere((9.0, 12.0, 22.0), 3.0, 3)])
    image = (voxelise(mesh, SHAPE, SPACING, ORIGIN) > 0).astype(np.float32)
    noise = np.random.default_rng(0).normal(0.0, 0.1, SHAPE)
    stack = ImageStack(image + noise, SPACING, ORIGIN)
    history = [1.0, 0.5, 0.2, 0.4, 0.1]
    intensities = Intensities(np.empty(0), np.ones(2), 0.0)
    why = "it settled"
    psf = GaussianPSF(0.5)
    settings = FitSettings()
    result = FitResult(mesh, history, [0, 3], why, intensities, settings, [], psf, lambda: image)
    return stack, result


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3] / 255.0


def near(image, color):
    return (np.abs(image - np.array(to_rgb(color))).max(axis=2) < 0.1).nonzero()


def test_slices_cut_the_largest_area(stack_and_result):
    stack, result = stack_and_result
    z, _, x = slice_indices(stack, result.mesh)
    assert z == 7  # both spheres at once
    assert x == 18  # the larger sphere through its middle


def test_contours_lie_on_the_objects_edges(stack_and_result):
    stack, result = stack_and_result
    figure = draw_fit(stack, result)
    image = pixels(figure)
    axes = figure.axes[0]
    for color, (y, x), radius in (
        (REGION_COLORS[0], (4.0, 14.0), 4.0),
        (REGION_COLORS[1], (12.0, 22.0), 3.0),
    ):
        rows, columns = near(image, color)
        points = axes.transData.inverted().transform(
            np.column_stack([columns + 0.5, len(image) - rows - 0.5])
        )
        low, high = stack.lower_corner[1:], stack.upper_corner[1:]
        inside = ((points[:, ::-1] > low) & (points[:, ::-1] < high)).all(axis=1)
        distance = np.linalg.norm(points[inside] - (x, y), axis=1)
        assert inside.sum() > 100
        assert np.median(np.abs(distance - radius)) < 0.1
        assert (np.abs(distance - radius) < 0.5).mean() > 0.9


def test_slices_are_to_scale_and_in_line(stack_and_result):
    stack, result = stack_and_result
    figure = draw_fit(stack, result)
    width, height = figure.get_size_inches()
    xy, xz, yz = (axes.get_position() for axes in figure.axes[:3])
    scale = xy.width * width / 25.0
    assert xy.height * height == pytest.approx(20.0 * scale)
    assert xz.height * height == pytest.approx(16.0 * scale)
    assert yz.width * width == pytest.approx(16.0 * scale)
    assert (xz.x0, xz.width) == pytest.approx((xy.x0, xy.width))
    assert (yz.y0, yz.height) == pytest.approx((xy.y0, xy.height))


def test_texts_are_there_and_within_the_figure(stack_and_result):
    figure = draw_fit(*stack_and_result)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"5 µm", "z = 9 µm", " stage 1", " stage 2"} <= texts
    assert "it settled" in {text.get_text() for text in figure.texts}
    bounds = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert bounds.x0 > 0
    assert bounds.y0 > 0
    assert bounds.x1 < width
    assert bounds.y1 < height


def test_a_fit_stopped_at_once_still_gives_a_picture(stack_and_result):
    stack, result = stack_and_result
    stopped = FitResult(
        result.mesh,
        [],
        [],
        "stopped",
        result.intensities,
        result.settings,
        [],
        result.psf,
        lambda: result.image,
    )
    assert pixels(draw_fit(stack, stopped)).std() > 0.05


def test_untrusted_voxels_have_no_residual(stack_and_result):
    stack, result = stack_and_result
    mask = np.ones(SHAPE, bool)
    mask[:, :20] = False
    figure = draw_fit(ImageStack(stack.data, SPACING, ORIGIN, mask), result)
    residual_xy = figure.axes[8].images[0].get_array()
    assert np.ma.getmaskarray(residual_xy)[:20].all()
    assert not np.ma.getmaskarray(residual_xy)[20:].any()


@pytest.mark.parametrize(
    ("length", "expected"),
    [(1.0, 1.0), (1.99, 1.0), (4.9, 2.0), (5.0, 5.0), (73.0, 50.0), (0.3, 0.2)],
)
def test_scale_bars_have_round_lengths(length, expected):
    assert round_length(length) == pytest.approx(expected)
