"""Stacks that are read part by part: of dask arrays and of TIFF files."""

import numpy as np
import pytest
import tifffile

from napari_deltamic.imaging import LazyStack, open_stack, read_stack
from napari_deltamic.imaging.region import region_around, whole
from napari_deltamic.mesh import TriangleMesh, icosphere

RNG = np.random.default_rng(3)
STACK = RNG.integers(0, 60000, (9, 20, 22)).astype(np.uint16)
SIZES = {"PhysicalSizeZ": 0.5, "PhysicalSizeY": 0.2, "PhysicalSizeX": 0.1}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "stack.tif"


def test_parts_lie_where_the_stack_says_and_end_at_its_border():
    da = pytest.importorskip("dask.array")
    stack = LazyStack(da.from_array(STACK, chunks=8), (0.5, 0.2, 0.1), (1, 2, 3))
    assert stack.shape == STACK.shape
    np.testing.assert_allclose(stack.upper_corner, (5.25, 5.9, 5.15))
    part = stack.part((-3, 5, 20), (4, 9, 50))
    np.testing.assert_array_equal(part.data, STACK[:4, 5:9, 20:])
    np.testing.assert_allclose(part.origin, (1, 3, 5))
    with pytest.raises(ValueError, match="at least two voxels"):
        stack.part((0, 0, 30), (5, 5, 40))


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 4, 5), (1, 5, 6)])
def test_only_three_axes_of_two_voxels_are_a_stack(shape):
    with pytest.raises(ValueError, match="data: expected a 3D stack"):
        LazyStack(np.zeros(shape), (1, 1, 1))


def test_nonsense_beside_the_data_is_refused():
    with pytest.raises(ValueError, match="spacing: expected three positive"):
        LazyStack(STACK, (1, 0, 1))
    with pytest.raises(ValueError, match="origin: expected three positions"):
        LazyStack(STACK, (1, 1, 1), (0, np.nan, 0))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_parts_of_tiff_files_are_those_of_the_whole(file, compression, byteorder):
    tifffile.imwrite(
        file,
        STACK,
        ome=True,
        compression=compression,
        byteorder=byteorder,
        metadata={"axes": "ZYX", **SIZES},
    )
    stack = open_stack(file)
    np.testing.assert_allclose(stack.spacing, (0.5, 0.2, 0.1))
    np.testing.assert_array_equal(stack.part((2, 3, 4), (7, 9, 11)).data, STACK[2:7, 3:9, 4:11])
    np.testing.assert_array_equal(read_stack(file).data, STACK)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_of_a_tiff_file_planes_that_are_not_asked_for_are_not_read(file, compression, monkeypatch):
    # Apart in the file, so that it cannot be mapped as a whole.
    with tifffile.TiffWriter(file) as writer:
        for plane in STACK:
            writer.write(plane, contiguous=False, compression=compression, metadata=None)
    stack = open_stack(file, (1, 1, 1))
    read = []
    sound = tifffile.TiffPage.asarray
    monkeypatch.setattr(
        tifffile.TiffPage, "asarray", lambda page: read.append(page.index) or sound(page)
    )
    np.testing.assert_array_equal(stack.part((2, 3, 4), (5, 9, 11)).data, STACK[2:5, 3:9, 4:11])
    assert read == [2, 3, 4]


def test_a_tiff_file_that_is_cut_short_later_is_refused_by_name(file):
    tifffile.imwrite(file, STACK, metadata={"axes": "ZYX", **SIZES}, ome=True)
    stack = open_stack(file)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"stack\.tif is not a readable TIFF file"):
        stack.part((0, 0, 0), (5, 5, 5))


def test_the_region_around_a_mesh_has_room_and_ends_at_the_border():
    mesh, spacing, origin = icosphere((6.0, 12.0, 15.0), 1.0, 2), np.full(3, 0.25), np.ones(3)
    region = region_around(mesh, (40, 100, 100), spacing, origin, np.array((0.5, 1.0, 2.0)))
    # To each side of the centre the radius, and room for the size and for blur, or 12 voxels.
    assert region[0] == slice(4, 37)
    assert region[1] == slice(28, 61)
    assert region[2] == slice(36, 77)
    small = icosphere((6.0, 12.0, 15.0), 0.01, 1)
    near = region_around(small, (40, 100, 100), spacing, origin, np.zeros(3))
    assert near[1] == slice(31, 58)
    none = TriangleMesh(np.zeros((0, 3)), np.zeros((0, 3), int))
    assert region_around(none, (4, 5, 6), spacing, origin, np.zeros(3)) == whole((4, 5, 6))
