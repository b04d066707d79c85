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


def described(file: Path, xml: bytes, data: np.ndarray = DATA, **options) -> bytearray:
    """Write an image with OME metadata of one's own."""
    tifffile.imwrite(
        file, data, description=xml, metadata=None, photometric="minisblack", **options
    )
    return bytearray(file.read_bytes())


def ome_of_data(folder: Path) -> bytes:
    """Return the OME metadata of an image in one file."""
    content = written(folder / "one.tif")
    return bytes(content[content.index(b"<?xml") : content.index(b"</OME>") + 6])


def with_parts(xml: bytes, parts: bytes) -> bytes:
    """Return OME metadata with some elements in the one that says where the planes are."""
    changed = xml.replace(b' PlaneCount="3"/>', b' PlaneCount="3">' + parts + b"</TiffData>")
    assert changed != xml
    return changed


@pytest.mark.parametrize("element", [b"UUID", b"OtherUUID"])
@pytest.mark.parametrize("name", ["../other.tif", "/etc/other.tif", "C:\\other.tif", "a/b.tif"])
def test_planes_in_files_elsewhere_are_refused(tmp_path, name: str, element: bytes) -> None:
    part = b'<%s FileName="%s">urn:uuid:0</%s>' % (element, name.encode(), element)
    file = tmp_path / "two.tif"
    described(file, with_parts(ome_of_data(tmp_path), part))
    with pytest.raises(ValueError, match="which is not a file beside it"):
        stack_info(file)


@pytest.mark.parametrize("name", ["C:\\scans\\log.txt", "/data/log.txt", "log.txt"])
def test_an_attached_file_is_no_part_of_the_image(tmp_path, name: str) -> None:
    attached = (
        b'<StructuredAnnotations><FileAnnotation ID="Annotation:0"><BinaryFile FileName="%s" '
        b'Size="1"/></FileAnnotation></StructuredAnnotations></OME>' % name.encode()
    )
    file = tmp_path / "attached.tif"
    described(file, ome_of_data(tmp_path).replace(b"</OME>", attached))
    np.testing.assert_array_equal(read_stack(file).data, DATA)


@pytest.mark.parametrize("element", [b"BinaryFile", b"UUID"])
@pytest.mark.parametrize("is_there", [True, False])
def test_files_that_are_named_allow_larger_images_only_with_planes(
    tmp_path, element: bytes, is_there: bool
) -> None:
    # All in one file, as far as tifffile is concerned.
    names = [b"large.tif", *(b"part-%d.tif" % number for number in range(50))]
    parts = b"".join(
        b'<%s FileName="%s">urn:uuid:0</%s>' % (element, name, element) for name in names
    )
    side = 10_000
    xml = with_parts(ome_of_data(tmp_path), parts)
    xml = xml.replace(b'SizeX="5" SizeY="4"', b'SizeX="%d" SizeY="%d"' % (side, side))
    file = tmp_path / "large.tif"
    content = described(file, xml, compression="zlib")
    for page in pages(content):
        set_tag(content, WIDTH, side, page=page)
        set_tag(content, LENGTH, side, page=page)
    file.write_bytes(content)
    assert 256 << 20 < 3 * side**2 < 51 * 2000 * len(content)
    if is_there:
        for name in names[1:]:
            (tmp_path / name.decode()).write_bytes(b"")
    if element == b"UUID" and is_there:
        assert stack_info(file).shape[-2:] == (side, side)
        return
    with pytest.raises(ValueError, match=r"promises .* bytes can hold"):
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
