import hashlib
import logging
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pooch
import pytest
import tifffile

from napari_deltamic.imaging import read_stack, stack_info, write_stack
from napari_deltamic.imaging.local_data import DATA_VARIABLE, DATASETS, Dataset, fetch
from napari_deltamic.imaging.local_data import data_folder as find_data_folder
from napari_deltamic.imaging.metadata import micrometres

RNG = np.random.default_rng(5)
FIVE_AXES = RNG.integers(0, 60000, (2, 5, 3, 16, 17)).astype(np.uint16)
STACK = FIVE_AXES[0, :, 0]
SIZES = {"PhysicalSizeZ": 0.5, "PhysicalSizeY": 0.2, "PhysicalSizeX": 0.1}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(autouse=True)
def quiet_tifffile():
    # Damaged files make tifffile log; the message that counts is the exception's.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "stack.tif"


def write_imagej(file, data, unit, spacing, resolution=(5.0, 2.0), axes="ZYX"):
    # The resolution is given as tifffile wants it: x first.
    metadata = {"axes": axes, "unit": unit, "spacing": spacing}
    tifffile.imwrite(file, data, imagej=True, resolution=resolution, metadata=metadata)


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "int16", "float32", "float64", "bool", "int64"]
)
def test_what_is_written_is_read_back(file, dtype):
    data = RNG.integers(0, 2, (4, 5, 6)).astype(dtype)
    write_stack(file, data, (0.4, 0.2, 0.1))
    stack = read_stack(file)
    np.testing.assert_array_equal(stack.data, data.astype(np.float32))
    np.testing.assert_allclose(stack.spacing, (0.4, 0.2, 0.1))
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_failed_write_leaves_the_old_file_alone(file):
    write_stack(file, STACK, (1, 1, 1))
    before = file.read_bytes()
    with pytest.raises(ValueError, match="type complex128"):
        write_stack(file, STACK.astype(complex), (1, 1, 1))
    with pytest.raises(ValueError, match="3D"):
        write_stack(file, STACK[0], (1, 1, 1))
    with pytest.raises(ValueError, match="spacing"):
        write_stack(file, STACK, (0, 1, 1))
    with pytest.raises(ValueError, match="64-bit"):
        write_stack(file, STACK.astype(np.int64) << 40, (1, 1, 1))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("axes", ["TZCYX", "TCZYX", "CTZYX", "ZTCYX"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_one_channel_and_frame_in_any_order_of_axes(file, axes, compression):
    data = FIVE_AXES.transpose(["TZCYX".index(axis) for axis in axes])
    tifffile.imwrite(
        file, data, ome=True, compression=compression, metadata={"axes": axes, **SIZES}
    )
    stack = read_stack(file, channel=2, frame=1)
    np.testing.assert_array_equal(stack.data, FIVE_AXES[1, :, 2].astype(np.float32))
    np.testing.assert_allclose(stack.spacing, (0.5, 0.2, 0.1))
    info = stack_info(file)
    assert (info.axes, info.shape) == (axes, data.shape)
    assert (info.channels, info.frames, info.dtype) == (3, 2, "uint16")
    assert info.spacing == pytest.approx((0.5, 0.2, 0.1))


def test_channels_and_frames_must_be_chosen(file):
    tifffile.imwrite(file, FIVE_AXES, ome=True, metadata={"axes": "TZCYX", **SIZES})
    with pytest.raises(ValueError, match="has 3 channels; choose one with channel=0 to 2"):
        read_stack(file)
    with pytest.raises(ValueError, match="has 2 frames; choose one with frame=0 to 1"):
        read_stack(file, channel=0)
    with pytest.raises(ValueError, match="has channels 0 to 2, got 3"):
        read_stack(file, channel=3, frame=0)
    with pytest.raises(ValueError, match="has frames 0 to 1, got -1"):
        read_stack(file, channel=0, frame=-1)


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        ("um", 1),
        (r"\u00B5m", 1),
        ("microns", 1),
        ("nm", 1e-3),
        ("mm", 1e3),
        ("cm", 1e4),
        ("inch", 25400),
    ],
)
def test_imagej_units(file, unit, scale):
    write_imagej(file, STACK, unit, 0.4)
    np.testing.assert_allclose(read_stack(file).spacing, np.array((0.4, 0.5, 0.2)) * scale, 1e-5)


@pytest.mark.parametrize("unit", ["µm", "μm", "nm", "Å", "mm", "pixel", "reference frame"])
def test_ome_units(file, unit):
    metadata = {"axes": "ZYX", **SIZES} | {f"PhysicalSize{axis}Unit": unit for axis in "ZYX"}
    tifffile.imwrite(file, STACK, ome=True, metadata=metadata)
    scale = micrometres(1.0, unit)
    if scale is None:
        assert unit in ("pixel", "reference frame")
        with pytest.raises(ValueError, match=f"OME metadata with z 0.5 {unit}"):
            read_stack(file)
    else:
        assert scale == pytest.approx({"nm": 1e-3, "Å": 1e-4, "mm": 1e3}.get(unit, 1.0))
        np.testing.assert_allclose(read_stack(file).spacing, np.array((0.5, 0.2, 0.1)) * scale)


def test_the_given_spacing_overrides_the_files(file):
    write_stack(file, STACK, (1, 1, 1))
    np.testing.assert_allclose(read_stack(file, spacing=(3, 2, 1)).spacing, (3, 2, 1))
    with pytest.raises(ValueError, match="spacing: expected three positive"):
        read_stack(file, spacing=(0, 1, 1))


def test_a_missing_spacing_is_named_and_can_be_given(file):
    tifffile.imwrite(file, STACK)
    with pytest.raises(ValueError, match=r"no OME or ImageJ metadata.*pass.*spacing=\(z, y, x\)"):
        read_stack(file)
    np.testing.assert_array_equal(read_stack(file, spacing=(1, 1, 1)).data, STACK)
    assert stack_info(file).spacing is None
    write_imagej(file, STACK, "pixel", 4.0, resolution=(1, 1))
    with pytest.raises(ValueError, match="ImageJ metadata with z 4 pixel, y 1 pixel, x 1 pixel"):
        read_stack(file)


@pytest.mark.parametrize(("spacing", "resolution"), [(0.0, (5, 5)), (-0.4, (5, 5)), (0.4, (0, 5))])
def test_a_spacing_in_the_file_that_is_not_positive_is_refused(file, spacing, resolution):
    write_imagej(file, STACK, "um", spacing, resolution)
    with pytest.raises(ValueError, match=r"not positive.*found: ImageJ metadata"):
        read_stack(file)


@pytest.mark.parametrize(
    ("data", "metadata", "message"),
    [
        (np.zeros((16, 17), "u1"), {}, "is not a 3D stack: axes YX"),
        (np.zeros((2, 3, 4, 5, 16, 17), "u1"), {}, "cannot be told apart"),
        (np.zeros((2, 5, 16, 17), "u1"), {}, "cannot be told apart"),
        (np.zeros((6, 5, 7, 16, 17), "u1"), {"axes": "QZRYX"}, "cannot be told apart"),
        (np.zeros((5, 16, 17, 3), "u1"), {}, r"colour \(RGB\) image"),
        (np.zeros((5, 16, 17), "u1"), {"axes": "TYX"}, "no z axis, only frames"),
        (np.zeros((5, 16, 17), "u1"), {"axes": "CYX"}, "no z axis, only channels"),
    ],
)
def test_images_that_are_not_one_stack_are_refused(file, data, metadata, message):
    tifffile.imwrite(file, data, metadata=metadata)
    with pytest.raises(ValueError, match=message) as caught:
        read_stack(file, spacing=(1, 1, 1))
    assert str(file) in str(caught.value)


def test_voxels_that_are_not_finite_are_refused_with_the_files_name(file):
    data = STACK.astype(np.float32)
    data[1, 2, 3] = np.nan
    tifffile.imwrite(file, data)
    with pytest.raises(ValueError, match=r"stack.tif: data: NaN .* in 1 of .* \(1, 2, 3\)"):
        read_stack(file, spacing=(1, 1, 1))


def test_damaged_files_are_refused_by_name(file):
    tifffile.imwrite(file, RNG.random((20, 64, 64)), compression="zlib")
    sound = file.read_bytes()
    holed = bytearray(sound)
    holed[3000:9000] = b"\xff" * 6000
    for damaged in (b"", sound[:3], sound[:100], sound[: len(sound) // 2], holed, b"not a TIFF"):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"stack.tif is not a readable TIFF file"):
            read_stack(file, spacing=(1, 1, 1))


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_file_that_lacks_its_last_planes_is_refused(file, bigtiff):
    with tifffile.TiffWriter(file, bigtiff=bigtiff) as writer:
        for plane in STACK:
            writer.write(plane, contiguous=False, metadata=None)
    sound = file.read_bytes()
    np.testing.assert_array_equal(read_stack(file, spacing=(1, 1, 1)).data, STACK)
    file.write_bytes(sound[: len(sound) * 3 // 4])
    with pytest.raises(
        ValueError, match=r"stack\.tif is not a readable TIFF file: it is cut short"
    ):
        read_stack(file, spacing=(1, 1, 1))


def test_missing_files_are_named(tmp_path):
    for path in (tmp_path / "none.tif", tmp_path):
        with pytest.raises(FileNotFoundError, match=path.name):
            read_stack(path)
        with pytest.raises(FileNotFoundError, match=path.name):
            stack_info(path)


@pytest.mark.usefixtures("data_folder")
@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_real_files_are_the_published_ones_and_state_their_spacing(dataset):
    path = fetch(dataset.name, download=False)
    if path.suffix != ".tif":
        return
    info = stack_info(path)
    if dataset.spacing is None:
        assert info.spacing is None
    else:
        assert info.spacing == pytest.approx(dataset.spacing, rel=2e-3)


def test_real_files_that_are_absent_or_changed_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"QCANet.*MIT.*NAPARI_DELTAMIC_DATA"):
        fetch("mouse_embryo_nuclei_8cell.tif")
    with pytest.raises(FileNotFoundError, match="branchoid"):
        fetch("branchoid.ply", download=False)
    (tmp_path / "branchoid.ply").write_text("ply")
    with pytest.raises(ValueError, match=r"is not the published branchoid\.ply"):
        fetch("branchoid.ply")
    with pytest.raises(KeyError, match="one of celegans"):
        fetch("unheard_of.tif")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "none"))
    assert find_data_folder() is None


def test_a_download_is_checked_and_kept(tmp_path, monkeypatch):
    published, cache = tmp_path / "published", tmp_path / "cache"
    published.mkdir()
    write_stack(published / "cells.tif", STACK, (1, 1, 1))
    handler = partial(QuietHandler, directory=str(published))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    dataset = Dataset(
        name="cells.tif",
        sha256="",
        source="",
        licence="",
        url=f"http://127.0.0.1:{server.server_port}/cells.tif",
        url_sha256=hashlib.sha256((published / "cells.tif").read_bytes()).hexdigest(),
    )
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "none"))
    monkeypatch.setattr(pooch, "os_cache", lambda project: cache)
    try:
        monkeypatch.setitem(DATASETS, "cells.tif", dataset)
        np.testing.assert_array_equal(read_stack(fetch("cells.tif")).data, STACK)
        (published / "cells.tif").write_bytes(b"something else")
        assert fetch("cells.tif").parent == cache
        fetch("cells.tif").unlink()
        with pytest.raises(ValueError, match="hash"):
            fetch("cells.tif")
        assert not (cache / "cells.tif").exists()
    finally:
        server.shutdown()
        server.server_close()
