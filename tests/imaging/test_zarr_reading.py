"""OME-Zarr images and zarr arrays: what they say, their parts, and what is wrong with them."""

import builtins
import json

import numpy as np
import pytest

from napari_deltamic.imaging import open_stack, read_stack, stack_info
from zarr_cases import UM, chunk_files, write_ome_zarr, zarr

RNG = np.random.default_rng(8)
STACK = RNG.integers(0, 60000, (12, 20, 22)).astype(np.uint16)
MOVIE = RNG.integers(0, 255, (2, 3, 6, 10, 11)).astype(np.uint8)
WHOLE = (slice(None),) * 3


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cells.zarr"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_voxel_size_place_and_values_are_those_of_the_image(folder, version):
    write_ome_zarr(
        folder,
        STACK,
        steps=[("scale", (500, 200, 100)), ("translation", (1000, 0, -50))],
        of_all=[("scale", (2, 2, 2)), ("translation", (0, 300, 0))],
        units=("nanometer", "nanometer", "nanometer"),
        version=version,
    )
    stack = open_stack(folder)
    assert stack.shape == STACK.shape
    np.testing.assert_allclose(stack.spacing, (1.0, 0.4, 0.2))
    np.testing.assert_allclose(stack.origin, (2.0, 0.3, -0.1))
    part = stack.part((2, 3, 4), (7, 9, 40))
    np.testing.assert_array_equal(part.data, STACK[2:7, 3:9, 4:])
    np.testing.assert_allclose(part.origin, (4.0, 1.5, 0.7))
    read = read_stack(folder)
    np.testing.assert_array_equal(read.data, STACK)
    np.testing.assert_allclose(read.origin, stack.origin)
    info = stack_info(folder)
    assert (info.axes, info.shape, info.chunks) == ("ZYX", STACK.shape, (8, 8, 8))
    assert (info.dtype, info.channels, info.frames) == ("uint16", 1, 1)
    assert info.spacing == pytest.approx((1.0, 0.4, 0.2))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["tczyx", "ctyxz", "zyxtc"])
def test_one_channel_and_frame_in_any_order_of_axes(folder, version, axes):
    data = MOVIE.transpose(["tczyx".index(name) for name in axes])
    write_ome_zarr(folder, data, axes, version=version)
    np.testing.assert_array_equal(read_stack(folder, channel=2, frame=1).data, MOVIE[1, 2])
    part = open_stack(folder, channel=0, frame=0).part((1, 2, 3), (4, 8, 9))
    np.testing.assert_array_equal(part.data, MOVIE[0, 0, 1:4, 2:8, 3:9])
    with pytest.raises(ValueError, match=r"channel: .*has 3 channels; choose one with channel=0"):
        open_stack(folder, frame=0)
    with pytest.raises(ValueError, match=r"frame: .*has frames 0 to 1, got 2"):
        open_stack(folder, channel=0, frame=2)
    assert (stack_info(folder).channels, stack_info(folder).frames) == (3, 2)


@pytest.mark.parametrize(
    ("unit", "um"), [(UM, 1), ("nanometer", 1e-3), ("angstrom", 1e-4), ("millimeter", 1e3)]
)
def test_units_of_length(folder, unit, um):
    write_ome_zarr(folder, STACK, units=(unit,) * 3)
    np.testing.assert_allclose(open_stack(folder).spacing, np.array((0.5, 0.2, 0.2)) * um)


@pytest.mark.parametrize("units", [(None, UM, UM), ("parsec", UM, UM)])
def test_a_voxel_size_that_is_not_in_units_of_length_is_to_be_given(folder, units):
    steps = [("scale", (0.5, 0.2, 0.2)), ("translation", (5, 2, 0))]
    write_ome_zarr(folder, STACK, steps=steps, units=units)
    with pytest.raises(
        ValueError, match=r"spacing: .*cells.zarr does not state.*z 0\.5 (with|par)"
    ):
        open_stack(folder)
    assert stack_info(folder).spacing is None
    stack = open_stack(folder, spacing=(1, 0.3, 0.3))
    np.testing.assert_allclose(stack.spacing, (1, 0.3, 0.3))
    # Ten voxels along each axis, as in the image.
    np.testing.assert_allclose(stack.origin, (10, 3, 0))


@pytest.mark.parametrize("version", [2, 3])
def test_plain_arrays_need_a_voxel_size(folder, version):
    zarr.create_array(folder, data=STACK, zarr_format=version)
    with pytest.raises(ValueError, match=r"a zarr array without metadata of OME.*pass the voxel"):
        open_stack(folder)
    stack = open_stack(folder, spacing=(1, 1, 1))
    np.testing.assert_array_equal(stack.part((0, 0, 0), (3, 3, 3)).data, STACK[:3, :3, :3])


def test_axes_of_plain_arrays_count_by_their_names(folder):
    names = list("tczyx")
    zarr.create_array(folder / "named", data=MOVIE, dimension_names=names)
    read = read_stack(folder / "named", (1, 1, 1), channel=1, frame=0)
    np.testing.assert_array_equal(read.data, MOVIE[0, 1])
    zarr.create_array(folder / "unnamed", data=MOVIE)
    with pytest.raises(ValueError, match=r"axes QQZYX .*cannot be told apart"):
        open_stack(folder / "unnamed", (1, 1, 1))
    zarr.create_array(folder / "flat", data=MOVIE[0, 0, 0])
    with pytest.raises(ValueError, match="is not a 3D stack: axes YX"):
        open_stack(folder / "flat", (1, 1, 1))


def test_older_metadata_name_axes_only_or_not_at_all(folder):
    changes = {"axes": ["z", "y", "x"], "datasets": [{"path": "full"}]}
    write_ome_zarr(folder, STACK, version="0.4", changes=changes)
    with pytest.raises(ValueError, match="OME-Zarr metadata with no scale"):
        open_stack(folder)
    np.testing.assert_array_equal(read_stack(folder, (1, 1, 1)).data, STACK)
    write_ome_zarr(folder, MOVIE, "tczyx", version="0.4", changes={"datasets": [{"path": "full"}]})
    attributes = json.loads((folder / ".zattrs").read_text())
    del attributes["multiscales"][0]["axes"]
    (folder / ".zattrs").write_text(json.dumps(attributes))
    assert stack_info(folder).axes == "TCZYX"


def test_of_a_conversion_by_bioformats2raw_the_first_image_counts(folder):
    zarr.open_group(folder, mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    write_ome_zarr(folder / "0", STACK, version="0.4")
    np.testing.assert_array_equal(read_stack(folder).data, STACK)


def test_groups_without_an_image_say_what_they_hold(folder):
    zarr.open_group(folder, mode="w").attrs["ome"] = {"plate": {}}
    write_ome_zarr(folder / "A", STACK)
    with pytest.raises(ValueError, match=r"cells.zarr is not .*\(multiscales\).*holds: A$"):
        open_stack(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": []}, "datasets: List should have at least 1"),
        ({"datasets": [{}]}, r"datasets\.0\.path: Field required"),
        ({"datasets": [{"path": "none"}]}, "it lacks 'none'"),
        ({"datasets": [{"path": "../../etc"}]}, "'../../etc' is invalid"),
        ({"datasets": "full"}, "datasets: Input should be a valid list"),
        ({"axes": [{"name": "z"}]}, "its axes are Z, but its array has 3"),
        ({"axes": 3}, "axes: Input should be a valid list"),
    ],
)
def test_metadata_that_make_no_sense_are_refused(folder, changes, message):
    write_ome_zarr(folder, STACK, changes=changes)
    with pytest.raises(ValueError, match=message) as caught:
        open_stack(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([("scale", (0.5, -0.2, 0.2))], "a voxel size that is not positive .*y -0.2 micrometer"),
        ([("scale", (0, 0.2, 0.2))], "a voxel size that is not positive"),
        ([("scale", (1e300,) * 3), ("scale", (1e300,) * 3)], "not positive .*z inf"),
        ([("scale", (0.5, 0.2))], "'scale' is not a scale or a translation of 3 numbers"),
        ([("affine", (1, 0, 0))], "'affine' is not a scale or a translation"),
        ([("scale", (0.5, 0.2, float("nan")))], "scale.2: Input should be a finite number"),
        ([("translation", (1, 2, 3))], "metadata with no scale"),
        ([], "metadata with no scale"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_transformations_that_make_no_sense_are_refused(folder, steps, message):
    write_ome_zarr(folder, STACK, steps=steps, version="0.4")
    with pytest.raises(ValueError, match=message):
        open_stack(folder)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_damaged_chunks_are_named_when_they_are_read(folder, version):
    write_ome_zarr(folder, STACK, version=version)
    damaged = chunk_files(folder)[-1]
    damaged.write_bytes(damaged.read_bytes()[:20])
    stack = open_stack(folder)
    np.testing.assert_array_equal(stack.part((0, 0, 0), (8, 8, 8)).data, STACK[:8, :8, :8])
    with pytest.raises(ValueError, match=r"path: .*cells.zarr cannot be read"):
        read_stack(folder)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_damaged_metadata_are_refused_by_name(folder, version):
    write_ome_zarr(folder, STACK, version=version)
    for name in ("zarr.json", ".zattrs", ".zgroup", "full/zarr.json", "full/.zarray"):
        file = folder / name
        if file.exists():
            sound = file.read_text()
            for damaged in ("", sound[: len(sound) // 2], "[]", "{}", "\x00\xff"):
                file.write_text(damaged)
                with pytest.raises((ValueError, FileNotFoundError), match=r"cells\.zarr"):
                    open_stack(folder)
            file.write_text(sound)
    np.testing.assert_array_equal(read_stack(folder).data, STACK)


def test_an_image_far_larger_than_memory_is_opened_but_not_read(folder):
    group = zarr.open_group(folder, mode="w")
    group.create_array("0", shape=(10**5, 10**6, 10**6), chunks=(8, 64, 64), dtype="u2")
    axes = [{"name": name, "type": "space", "unit": UM} for name in "zyx"]
    scale = [{"type": "scale", "scale": [0.5, 0.2, 0.2]}]
    level = {"path": "0", "coordinateTransformations": scale}
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [level]}]}
    assert stack_info(folder).shape == (10**5, 10**6, 10**6)
    part = open_stack(folder).part((9999,) * 3, (10001,) * 3)
    # Chunks that were never written count as dark.
    assert not part.data.any()
    with pytest.raises(MemoryError, match=r"Unable to allocate 178\. PiB"):
        read_stack(folder)


@pytest.mark.parametrize("dtype", ["complex64", "U3"])
def test_only_grey_values_are_a_stack(folder, dtype):
    zarr.create_array(folder, shape=(4, 5, 6), dtype=dtype, zarr_format=2)
    with pytest.raises(ValueError, match=r"path: .*cells.zarr holds (complex|values of type)"):
        open_stack(folder, (1, 1, 1))


def test_a_stack_with_nan_is_refused_by_name(folder):
    data = STACK.astype(np.float32)
    data[1, 2, 3] = np.nan
    write_ome_zarr(folder, data)
    with pytest.raises(ValueError, match=r"cells\.zarr: data: NaN .*\(1, 2, 3\)"):
        read_stack(folder)


def test_folders_without_zarr_addresses_and_nothing_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="is a folder without an image in zarr format"):
        open_stack(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        open_stack(tmp_path / "none.zarr")
    for address in ("https://example.org/cells.zarr", "s3://bucket/cells.zarr"):
        with pytest.raises(ValueError, match=r"path: .* is an address; only files and folders"):
            open_stack(address)


def test_without_zarr_the_message_says_what_to_install(folder, monkeypatch):
    write_ome_zarr(folder, STACK)
    found = builtins.__import__

    def without_zarr(name, *arguments, **options):
        if name == "zarr":
            raise ImportError("No module named 'zarr'")
        return found(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_zarr)
    with pytest.raises(ImportError, match=r"pip install 'napari-deltamic\[zarr\]'"):
        open_stack(folder)
