"""Chunks whose headers lie are refused before blosc, which believes them, is given them."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import pytest

from napari_deltamic.imaging import open_stack
from zarr_cases import chunk_files, zarr

Blosc = pytest.importorskip("numcodecs").Blosc

SHAPE, CHUNKS = (4, 6, 9), (2, 3, 4)
VALUES = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)


def written(folder, version, **options):
    """Return the folder of an array whose chunks blosc compresses."""
    codec = zarr.codecs.BloscCodec() if version == 3 else Blosc()
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


@pytest.mark.parametrize("version", [2, 3])
def test_sound_chunks_are_read_and_those_never_written_too(tmp_path, version):
    folder = written(tmp_path / "a.zarr", version)
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


def test_a_chunk_that_is_cut_short_is_refused(tmp_path):
    folder = written(tmp_path / "a.zarr", 2)
    damaged = chunk_files(folder)[0]
    damaged.write_bytes(damaged.read_bytes()[:9])
    with pytest.raises(ValueError, match="is damaged"):
        open_stack(folder, (1, 1, 1)).part((0, 0, 0), SHAPE)


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": None},
        {"compressors": [zarr.codecs.BloscCodec(), zarr.codecs.ZstdCodec()]},
        {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.BloscCodec()]},
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
