"""Of a stack on disk a fit reads the part around its mesh, and gives what it gives of that part."""

import numpy as np
import pytest
from fitting_cases import QUICK, ball

from napari_deltamic import iter_fit, open_stack
from napari_deltamic.fitting import fit
from napari_deltamic.fitting.part import part_around
from napari_deltamic.imaging import ImageStack, LazyStack
from napari_deltamic.mesh import TriangleMesh, icosphere
from zarr_cases import Counted, chunk_files, write_ome_zarr

CHUNK = 16
SHIFT = np.array((-3.0, 10.0, 0.5))


@pytest.fixture(scope="module")
def scene():
    """A ball in the corner of a stack that is several times larger than its surroundings."""
    found = ball(center=(2.0, 2.4, 2.2), shape=(48, 128, 128))
    seed = found.seed.with_vertices(found.seed.vertices + SHIFT)
    return found.with_stack(origin=SHIFT), seed


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_only_chunks_around_the_mesh_are_read(scene, tmp_path, version):
    scene, seed = scene
    folder = write_ome_zarr(
        tmp_path / "ball.zarr",
        scene.stack.data,
        steps=[("scale", scene.stack.spacing), ("translation", SHIFT)],
        chunks=(CHUNK,) * 3,
        version=version,
    )
    part = part_around(open_stack(folder), seed, scene.psf)
    chunks = -(-np.array(part.shape) // CHUNK)
    np.testing.assert_allclose(part.origin, SHIFT)
    # Whatever else is read makes the fit fail.
    needed = 0
    for file in chunk_files(folder):
        place = file.name.split(".") if version == "0.4" else file.parts[-3:]
        if (np.array(place, int) < chunks).all():
            needed += 1
        else:
            file.write_bytes(b"damaged")
    assert needed == chunks.prod() < 0.5 * len(chunk_files(folder))
    result = fit(open_stack(folder), seed, scene.psf, QUICK)
    by_hand = fit(part, seed, scene.psf, QUICK)
    np.testing.assert_array_equal(result.mesh.vertices, by_hand.mesh.vertices)
    np.testing.assert_array_equal(result.image, by_hand.image)
    assert result.image.shape == part.shape
    np.testing.assert_allclose(result.origin, SHIFT)
    assert result.mesh.volumes()[0] == pytest.approx(4.18, rel=0.02)
    with pytest.raises(ValueError, match="cannot be read"):
        fit(open_stack(folder).part((0, 0, 0), scene.stack.shape), seed, scene.psf, QUICK)


def test_a_part_is_read_once_and_lies_where_it_was(scene):
    scene, seed = scene
    data = Counted(np.flip(scene.stack.data, axis=(1, 2)))
    spacing = scene.stack.spacing
    lazy = LazyStack(data, spacing, SHIFT)
    far = spacing * (0, *np.array(scene.stack.shape[1:]) - 1)
    vertices = SHIFT + (seed.vertices - SHIFT) * (1, -1, -1) + far
    mirrored = TriangleMesh(vertices, seed.faces, seed.labels)
    first = next(iter_fit(lazy, mirrored, scene.psf, QUICK))
    (index,) = data.asked
    starts, stops = ([getattr(one, end) for one in index] for end in ("start", "stop"))
    assert starts[0] == 0
    assert min(starts[1:]) > 0
    assert tuple(stops[1:]) == scene.stack.shape[1:]
    part = ImageStack(data.values[index], spacing, SHIFT + spacing * starts)
    same = next(iter_fit(part, mirrored, scene.psf, QUICK))
    np.testing.assert_array_equal(first.mesh.vertices, same.mesh.vertices)
    assert first.observed().shape == part.shape


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (icosphere((1.0, 300.0, 1.0), 1.0, 1), "mesh: region 1 "),
        (TriangleMesh(np.zeros((0, 3)), np.zeros((0, 3), int)), "mesh: it has no faces"),
    ],
)
def test_a_mesh_elsewhere_or_none_is_refused_before_anything_is_read(scene, mesh, message):
    data = Counted(scene[0].stack.data)
    lazy = LazyStack(data, scene[0].stack.spacing)
    with pytest.raises(ValueError, match=message):
        fit(lazy, mesh, scene[0].psf, QUICK)
    with pytest.raises(TypeError, match="mesh: expected a TriangleMesh"):
        fit(lazy, "mesh.ply", scene[0].psf, QUICK)
    with pytest.raises(TypeError, match="psf: expected a PSF"):
        next(iter_fit(lazy, mesh, None))
    assert not data.asked


def test_the_origin_of_a_result_is_that_of_its_stack():
    scene = ball().with_stack(origin=(1.0, 2.0, 3.0))
    seed = scene.seed.with_vertices(np.add(scene.seed.vertices, (1.0, 2.0, 3.0)))
    result = fit(scene.stack, seed, scene.psf, QUICK.model_copy(update={"max_iterations": 1}))
    np.testing.assert_array_equal(result.origin, (1.0, 2.0, 3.0))
