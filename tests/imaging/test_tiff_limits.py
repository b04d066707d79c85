"""TIFF files that promise more than they hold, most of them as the fuzzer found them."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_deltamic.cli.starting_mesh import read_labels
from napari_deltamic.compressive import read_masks
from napari_deltamic.imaging import read_stack, stack_info

WIDTH, LENGTH, STRIP_SIZES, TILE_LENGTH = 256, 257, 279, 323
DATA = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
SPACING = {f"PhysicalSize{axis}": 0.5 for axis in "ZYX"}


@pytest.fixture(autouse=True)
def quiet_tifffile():
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def written(file: Path, **options) -> bytearray:
    metadata = options.pop("metadata", {"axes": "ZYX", **SPACING})
    data = options.pop("data", DATA)
    tifffile.imwrite(file, data, ome=True, byteorder="<", metadata=metadata, **options)
    return bytearray(file.read_bytes())


def pages(content: bytes) -> list[int]:
    """Return where each page begins."""
    found = [struct.unpack_from("<I", content, 4)[0]]
    while found[-1]:
        (after,) = struct.unpack_from("<I", content, found[-1] + 2 + 12 * content[found[-1]])
        found.append(after)
    return found[:-1]


def set_tag(content: bytearray, code: int, value: int, count: int = 1, page: int = 0) -> None:
    """Give a tag of a page, the first by default, another value; or so many from there on."""
    page = page or pages(content)[0]
    for place in range(page + 2, page + 2 + 12 * content[page], 12):
        if struct.unpack_from("<H", content, place)[0] == code:
            struct.pack_into("<HII", content, place + 2, 4, count, value)
            return
    raise AssertionError(f"no tag {code}")


def test_pages_that_lead_in_circles_are_refused(tmp_path) -> None:
    file = tmp_path / "circle.tif"
    content = written(file)
    page = pages(content)[0]
    struct.pack_into("<I", content, page + 2 + 12 * content[page], page)
    file.write_bytes(content)
    for read in (stack_info, read_stack, read_masks):
        with pytest.raises(ValueError, match=r"circle\.tif .*lead in circles"):
            read(file)


def test_an_image_far_larger_than_its_file_is_refused(tmp_path) -> None:
    file = tmp_path / "large.tif"
    content = written(file, compression="zlib")
    set_tag(content, WIDTH, 100_000)
    set_tag(content, LENGTH, 100_000)
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"promises .* of [0-9,]{12,} bytes"):
        stack_info(file)


def test_a_dark_image_that_is_compressed_well_is_read(tmp_path) -> None:
    file = tmp_path / "dark.tif"
    written(file, data=np.zeros((4, 2048, 2048), np.uint8), compression="zlib")
    assert file.stat().st_size < 2**24 / 500
    assert read_stack(file).data.shape == (4, 2048, 2048)


def test_a_strip_larger_than_the_file_is_not_allocated(tmp_path) -> None:
    file = tmp_path / "strip.tif"
    content = written(file, compression="zlib")
    set_tag(content, STRIP_SIZES, 2**32 - 229)
    file.write_bytes(content)
    for read in (read_stack, read_masks, lambda path: read_labels(path, DATA.shape)):
        with pytest.raises(ValueError, match="the largest of 4,294,967,067 bytes"):
            read(file)


def test_strips_without_end_are_not_looked_for(tmp_path) -> None:
    file = tmp_path / "strips.tif"
    with tifffile.TiffWriter(file, byteorder="<") as writer:
        for plane in DATA:
            writer.write(plane, rowsperstrip=1, compression="zlib", metadata=None, contiguous=False)
    content = bytearray(file.read_bytes())
    for page in pages(content):
        set_tag(content, LENGTH, 2**22, page=page)
    file.write_bytes(content)
    with pytest.raises(ValueError, match="promises 4,194,304 strips"):
        read_stack(file, spacing=(1, 1, 1))


def test_several_lengths_of_a_tile_are_refused(tmp_path) -> None:
    file = tmp_path / "tiles.tif"
    content = written(file, data=np.zeros((2, 32, 32), np.uint8), tile=(16, 16), compression="zlib")
    set_tag(content, TILE_LENGTH, 16, count=100)
    file.write_bytes(content)
    with pytest.raises(ValueError, match="tiles of the size"):
        stack_info(file)


@pytest.mark.parametrize("name", ["../other.tif", "/etc/other.tif", "C:\\other.tif", "a/b.tif"])
def test_planes_in_files_elsewhere_are_refused(tmp_path, name: str) -> None:
    content = written(tmp_path / "one.tif")
    start = content.index(b"<?xml")
    xml = content[start : content.index(b"</OME>") + 6]
    uuid = b'<UUID FileName="%s">urn:uuid:0</UUID></TiffData>' % name.encode()
    with_name = xml.replace(b'IFD="0"', b'IFD="0" ').replace(b' PlaneCount="3"/>', b">" + uuid)
    assert uuid in with_name
    file = tmp_path / "two.tif"
    tifffile.imwrite(
        file, DATA, description=bytes(with_name), metadata=None, photometric="minisblack"
    )
    with pytest.raises(ValueError, match="which is not a file beside it"):
        stack_info(file)


def test_an_image_in_several_files_is_read(tmp_path) -> None:
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{k}" for k in (1, 2)]
    parts = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="part-{z}.ome.tif">{uuids[z]}</UUID></TiffData>'
        for z in (0, 1)
    )
    for z in (0, 1):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuids[z]}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
            'SizeX="5" SizeY="4" SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeX="0.5" '
            f'PhysicalSizeY="0.5" PhysicalSizeZ="0.5">{parts}</Pixels></Image></OME>'
        )
        file = tmp_path / f"part-{z}.ome.tif"
        tifffile.imwrite(file, DATA[z], description=xml, metadata=None, photometric="minisblack")
    np.testing.assert_array_equal(read_stack(tmp_path / "part-0.ome.tif").data, DATA[:2])
