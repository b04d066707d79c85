"""Chunks whose headers lie are refused before blosc and zstd, which believe them, get them."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import pytest

from napari_deltamic.imaging import chunk_sizes, open_stack
from zarr_cases import chunk_files, zarr

numcodecs = pytest.importorskip("numcodecs")

SHAPE, CHUNKS = (4, 6, 9), (2, 3, 4)
VALUES = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)


def written(folder, version, codec="Blosc", **options):
    """Return the folder of an array of compressed chunks."""
    owner, name = (zarr.codecs, f"{codec}Codec") if version == 3 else (numcodecs, codec)
    codec = getattr(owner, name)()
    array = zarr.create_array(
        folder,
        shape=SHAPE,
        dtype=VALUES.dtype,
        zarr_format=version,
        **{"chunks": CHUNKS, "compressors": codec, **options},
    )
    array[...] = VALUES
    return folder


def change(file, place, number):
    content = bytearray(file.read_bytes())
    struct.pack_into("<I", content, place, number)
    file.write_bytes(content)


@pytest.mark.parametrize("codec", ["Blosc", "Zstd"])
@pytest.mark.parametrize("version", [2, 3])
def test_sound_chunks_are_read_and_those_never_written_too(tmp_path, version, codec):
    folder = written(tmp_path / "a.zarr", version, codec)
    stack = open_stack(folder, (1, 1, 1))
    np.testing.assert_array_equal(stack.part((0, 0, 0), SHAPE).data, VALUES)
    np.testing.assert_array_equal(stack.part((1, 2, 3), (3, 5, 9)).data, VALUES[1:3, 2:5, 3:9])
    chunk_files(folder)[0].unlink()
    expected = VALUES.copy()
    expected[:2, :3, :4] = 0
    np.testing.assert_array_equal(stack.part((0, 0, 0), SHAPE).data, expected)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("place", "number"), [(4, 2**31 - 17), (4, 3), (8, 2**30), (12, 5), (12, 10_000)]
)
def test_sizes_that_are_not_those_of_the_file_are_refused(tmp_path, version, place, number):
    folder = written(tmp_path / "a.zarr", version)
    damaged = chunk_files(folder)[-1]
    change(damaged, place, number)
    stack = open_stack(folder, (1, 1, 1))
    key = damaged.relative_to(folder).as_posix()
    with pytest.raises(ValueError, match=rf"a\.zarr .*its chunk {key} is damaged"):
        stack.part((0, 0, 0), SHAPE)
    # What does not meet it can be read.
    np.testing.assert_array_equal(stack.part((0, 0, 0), (2, 3, 4)).data, VALUES[:2, :3, :4])


@pytest.mark.parametrize("version", [2, 3])
def test_sizes_that_zstd_would_believe_are_refused(tmp_path, version):
    folder = written(tmp_path / "a.zarr", version, "Zstd")
    damaged = chunk_files(folder)[-1]
    content = damaged.read_bytes()
    # One segment, whose size of 48 bytes is held by one byte; instead by four: a gigabyte.
    assert content[4:6] == b"\x20\x30"
    damaged.write_bytes(content[:4] + b"\xa0" + struct.pack("<I", 2**30) + content[6:])
    stack = open_stack(folder, (1, 1, 1))
    with pytest.raises(ValueError, match="is damaged"):
        stack.part((0, 0, 0), SHAPE)
    np.testing.assert_array_equal(stack.part((0, 0, 0), (2, 3, 4)).data, VALUES[:2, :3, :4])


@pytest.mark.parametrize("size", [0, 1, 200, 255, 256, 1000, 65_791, 65_792, 200_000])
def test_what_zstd_itself_says_of_sizes_is_understood(tmp_path, size):
    file = tmp_path / "chunk"
    file.write_bytes(bytes(numcodecs.Zstd().encode(bytes(size))))
    assert chunk_sizes._is_sound_zstd(file, size)
    assert not chunk_sizes._is_sound_zstd(file, size + 1)


@pytest.mark.parametrize("codec", ["Blosc", "Zstd"])
def test_a_chunk_that_is_cut_short_is_refused(tmp_path, codec):
    folder = written(tmp_path / "a.zarr", 2, codec)
    damaged = chunk_files(folder)[0]
    damaged.write_bytes(damaged.read_bytes()[:5])
    with pytest.raises(ValueError, match="is damaged"):
        open_stack(folder, (1, 1, 1)).part((0, 0, 0), SHAPE)


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": None},
        {"compressors": [zarr.codecs.BloscCodec(), zarr.codecs.ZstdCodec()]},
        {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.BloscCodec()]},
        {"compressors": [zarr.codecs.GzipCodec(), zarr.codecs.ZstdCodec()]},
        {"shards": (4, 6, 12)},
    ],
)
def test_other_ways_to_store_chunks_are_read(tmp_path, options):
    folder = written(tmp_path / "a.zarr", 3, **options)
    stack = open_stack(folder, (1, 1, 1))
    np.testing.assert_array_equal(stack.part((0, 0, 0), SHAPE).data, VALUES)


def test_a_process_outlives_headers_that_promise_too_much(tmp_path):
    folder = written(tmp_path / "a.zarr", 2)
    for file in chunk_files(folder):
        change(file, 12, 2**30)
    program = (
        "import sys; from napari_deltamic.imaging import open_stack\n"
        "try: open_stack(sys.argv[1], (1, 1, 1)).part((0, 0, 0), (4, 6, 9))\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
    )
    assert "is damaged" in done.stdout
