"""Images on disk: what is not fitted is not read."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image
from plugin_cases import SIGMA, UM, click, make_short, open_dock

from napari_deltamic.imaging import render
from napari_deltamic.imaging.region import region_around
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin.fit_region import FitRegion
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
from napari_deltamic.plugin.preferences import Preferences
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.sessions.autosaves import ENVIRONMENT
from napari_deltamic.plugin.spatial import stack_source

pytestmark = pytest.mark.usefixtures("_engine")

SPACING, CHUNK = (0.8, 0.4, 0.4), (8, 32, 32)


class Chunks:
    """A lazy array that notes which of its chunks are computed."""

    def __init__(self, values, shape):
        """Repeat a (Z, Y, X) image over leading axes, chunk by chunk."""
        self.asked = []
        leading = (1,) * (len(shape) - 3)

        def chunk(block_info):
            place = block_info[None]["array-location"]
            self.asked.append(tuple(start for start, _ in place))
            part = values[tuple(slice(a, b) for a, b in place[-3:])]
            return part.reshape(leading + part.shape)

        sizes = [((1,) * n) for n in shape[:-3]] + [
            tuple(min(size, n - start) for start in range(0, n, size))
            for n, size in zip(shape[-3:], CHUNK, strict=True)
        ]
        self.array = da.map_blocks(chunk, chunks=tuple(sizes), dtype=values.dtype)

    def __len__(self):
        return int(np.prod([len(sizes) for sizes in self.array.chunks]))


@pytest.fixture(autouse=True)
def _no_autosaves(monkeypatch):
    """Keep no copies of the images that are fitted."""
    monkeypatch.setenv(ENVIRONMENT, "off")


@pytest.fixture(scope="module")
def stack():
    """Return the image of a filled ball far from the middle of a wide stack, and its centre."""
    shape, center = (24, 192, 192), np.array((9.0, 20.0, 52.0))
    ball = icosphere(center, 3.0, 3)
    image = render(ball, GaussianPSF(SIGMA), shape, SPACING, membrane=0.0, interior=100.0)
    counts = np.random.default_rng(0).poisson(image + 10.0)
    return counts.astype(np.float32), center


def add(viewer, chunks, **options):
    leading = chunks.array.ndim - 3
    return viewer.add_image(
        chunks.array,
        name="lazy",
        scale=(1.0,) * leading + SPACING,
        units=("pixel",) * leading + UM,
        contrast_limits=(0.0, 120.0),
        **options,
    )


def add_seed(viewer, center):
    seed = icosphere(center + np.array((0.3, 0.4, -0.4)), 2.2, 2)
    viewer.add_surface(surface_data(seed), name="mesh", units=UM, **surface_options(seed))


def fit(viewer, qtbot):
    session = live_view_of(viewer).session
    session.choose_psf(gaussian(SIGMA))
    dock = open_dock(viewer, "Fit")
    dock.form.fields["label"].value = "interior"
    make_short(dock)
    click(qtbot, dock.fit_button)
    qtbot.waitUntil(lambda: session.is_fitting, timeout=5_000)
    qtbot.waitUntil(lambda: not session.is_fitting, timeout=120_000)
    return session


def test_a_fit_of_one_frame_reads_that_frame_alone(make_napari_viewer_proxy, stack, qtbot):
    image, center = stack
    chunks = Chunks(image, (5, *image.shape))
    viewer = make_napari_viewer_proxy(show=True)
    add(viewer, chunks)
    add_seed(viewer, center)
    viewer.dims.set_point(0, 3)
    qtbot.wait(200)
    chunks.asked.clear()
    session = fit(viewer, qtbot)
    assert session.result.mesh.volumes()[0] == pytest.approx(113, rel=0.1)
    assert {place[0] for place in chunks.asked} == {3}


def test_opening_docks_and_looking_read_no_more_than_is_looked_at(
    make_napari_viewer_proxy, stack, qtbot, monkeypatch
):
    monkeypatch.setattr("napari_deltamic.plugin.suggestions._MOST_VOXELS", 30_000)
    image, _ = stack
    chunks = Chunks(image, image.shape)
    viewer = make_napari_viewer_proxy(show=True)
    add(viewer, chunks)
    qtbot.wait(300)
    # What napari itself reads: the plane that it shows, and a thumbnail.
    chunks.asked.clear()
    for name in ("Seed mesh", "PSF designer", "Fit", "Compressive imaging"):
        open_dock(viewer, name)
    qtbot.wait(300)
    assert {place[0] for place in chunks.asked} <= {8}
    chunks.asked.clear()
    guide = open_dock(viewer, "deltaMic")
    qtbot.waitUntil(lambda: guide.image.noise is not None, timeout=20_000)
    assert len({place for place in chunks.asked if place[0] != 8}) < len(chunks) / 4


def test_of_a_large_stack_only_what_lies_around_the_mesh_is_read(
    make_napari_viewer_proxy, stack, qtbot
):
    image, center = stack
    chunks = Chunks(image, image.shape)
    viewer = make_napari_viewer_proxy(show=True)
    layer = add(viewer, chunks)
    add_seed(viewer, center)
    session = live_view_of(viewer).session
    session.preferences = lambda: Preferences(whole_up_to=0)
    qtbot.wait(200)
    chunks.asked.clear()
    fit(viewer, qtbot)
    read = {place for place in chunks.asked if place[0] != 8}
    assert len(read) < len(chunks) / 3
    assert session.result.mesh.volumes()[0] == pytest.approx(113, rel=0.1)
    # The rendering lies on the image's voxels, and is bright where the ball is.
    rendering = viewer.layers["Rendering"]
    assert rendering.data.shape == session.source.shape
    corner = layer.world_to_data(rendering.data_to_world((0, 0, 0)))
    np.testing.assert_allclose(corner, np.rint(corner), atol=1e-6)
    brightest = np.unravel_index(np.argmax(rendering.data), rendering.data.shape)
    assert np.linalg.norm(rendering.data_to_world(brightest) - center) < 3.0


def test_of_a_multiscale_image_the_finest_level_is_taken_and_not_read(stack):
    image, _ = stack
    fine = Chunks(image, image.shape)
    coarse = Chunks(image[::2, ::2, ::2].copy(), (12, 96, 96))
    layer = Image(
        [fine.array, coarse.array], multiscale=True, contrast_limits=(0, 100), scale=SPACING
    )
    fine.asked.clear()
    source = stack_source(layer)
    assert source.shape == image.shape
    assert fine.asked == []
    part = slice(0, 2), slice(0, 3), slice(4, 9)
    np.testing.assert_array_equal(source.read(part), image[part])
    assert set(fine.asked) == {(0, 0, 0)}


@pytest.mark.parametrize("label", ["interior", "membrane"])
def test_a_fit_of_the_part_agrees_with_that_of_the_whole(label):
    from napari_deltamic.fitting import FitSettings, fit

    shape, spacing = (30, 80, 80), (0.6, 0.3, 0.3)
    center, origin = np.array((4.0, -14.0, 12.0)), np.array((-5.0, -26.0, 1.0))
    truth, seed = icosphere(center, 3.0, 4), icosphere(center + 0.4, 2.3, 2)
    light = {"membrane": 100.0 * (label == "membrane"), "interior": 100.0 * (label == "interior")}
    image = render(truth, GaussianPSF((0.6, 0.3, 0.3)), shape, spacing, origin, **light)
    counts = np.random.default_rng(1).poisson(image + 20.0)
    source = stack_source(Image(counts, scale=spacing, translate=origin, units=UM))
    settings = FitSettings(label=label, standard_errors=True)
    volumes = []
    for whole_up_to in (10**9, 0):
        region = FitRegion(source, seed, lambda: GaussianPSF((0.6, 0.3, 0.3)), whole_up_to)
        part = region.load()
        result = fit(part, seed, region.psf(), settings)
        volumes.append(float(result.mesh.volumes()[0]))
    assert part.data.size < 0.5 * counts.size
    assert volumes[1] == pytest.approx(volumes[0], rel=1e-3)
    assert abs(volumes[1] - volumes[0]) < result.errors.volumes[0]


def test_the_part_holds_the_mesh_and_its_blur_and_ends_at_the_border():
    layer = Image(np.zeros((40, 50, 60), np.uint8), scale=SPACING, translate=(1, 2, 3), units=UM)
    source = stack_source(layer)
    mesh = icosphere(np.array((4.0, 12.0, 15.0)), 1.0, 2)
    place = source.placement
    extent = np.array((1.0, 0.5, 0.5))
    region = region_around(mesh, source.shape, place.spacing, place.origin, extent)
    part = source.cropped(region)
    place = part.placement
    last = place.origin + place.spacing * (np.array(part.shape) - 1)
    assert region[0].start == 0
    assert (place.origin[1:] <= np.array((12.0, 15.0)) - 1.0 - 2.0 - 0.5).all()
    assert (last >= np.array((4.0, 12.0, 15.0)) + 1.0 + 2.0 + 0.5).all()
    assert all(n < whole for n, whole in zip(part.shape, source.shape, strict=True))
    again = part.cropped((slice(1, 4), slice(2, 6), slice(0, 5)))
    assert again.shape == (3, 4, 5)
    np.testing.assert_allclose(again.placement.origin, place.origin + place.spacing * (1, 2, 0))
