"""Archives of arrays: what is written comes back, and nothing else is allocated or run."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from napari_deltamic.archives import check_archive, read_npz

TYPES = st.sampled_from(["?", "<i4", ">i4", "u1", "<f4", "<f8", ">f8", "<c16", "<U3"])
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


class Evil:
    def __reduce__(self):
        return os.system, ("exit 3",)


def member(array: object, **header: object) -> bytes:
    """Return an array as a member of an archive, with another shape or type in its header."""
    target = io.BytesIO()
    values = np.asarray(array)
    facts = np.lib.format.header_data_from_array_1_0(values) | header
    np.lib.format.write_array_header_1_0(target, facts)
    return target.getvalue() + values.tobytes()


def archive(path: Path, content: bytes, kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as target:
        target.writestr("data.npy", content)
    return path


@given(data=st.data(), dtype=TYPES, shape=SHAPES, is_fortran=st.booleans())
def test_arrays_come_back_exactly(tmp_path_factory, data, dtype, shape, is_fortran) -> None:
    array = data.draw(arrays_of.arrays(dtype, shape, elements={"allow_nan": False}))
    array = np.asfortranarray(array) if is_fortran else array
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    np.savez(path, first=array, other=np.arange(3))
    found = read_npz(path)
    assert found.keys() == {"first", "other"}
    assert (found["first"].dtype, found["first"].shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found["first"], array)
    assert found["first"].flags.writeable
    assert read_npz(path, {"other"}).keys() == {"other"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (member(np.zeros(3), shape=(10**12,)), "promises shape"),
        (member(np.zeros(3), shape=(2**32, 2**32)), "promises shape"),
        (member(np.zeros(3), shape=(-3,)), "promises shape"),
        (member(np.zeros(3), shape=(2,)), "promises shape"),
        (member(np.zeros(3), descr="|O"), "neither numbers nor text"),
        (member(np.zeros(3), descr="|V8"), "neither numbers nor text"),
        (member(np.zeros(3), descr=[("x", "<f8")]), "neither numbers nor text"),
        (member(np.zeros(3))[:-8], "promises shape"),
        (b"\x93NUMPX\x01\x00" + b"x" * 99, "magic string"),
        (b"\x93NUMPY\x01\x00" + b"x" * 99, "array header"),
        (b"\x93NUMPY\x03\x00" + b"x" * 99, "version"),
        (b"", "reading magic string"),
    ],
)
def test_arrays_that_are_not_what_they_promise(tmp_path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_npz(archive(tmp_path / "a.npz", content))


def test_objects_are_not_unpacked(tmp_path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, data=np.array([Evil()], dtype=object))
    with pytest.raises(ValueError, match="neither numbers nor text"):
        read_npz(path)


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_archives_are_refused(tmp_path, kind: int) -> None:
    path = archive(tmp_path / "a.npz", member(np.zeros(10**6)), kind)
    with pytest.raises(ValueError, match="compressed"):
        check_archive(path)


def test_members_that_share_their_bytes_are_refused(tmp_path) -> None:
    path = archive(tmp_path / "a.npz", member(np.zeros(1000)))
    with zipfile.ZipFile(path, "a") as target:
        one = target.infolist()[0]
        for number in range(50):
            again = zipfile.ZipInfo(f"{number}.npy", one.date_time)
            again.header_offset, again.CRC = one.header_offset, one.CRC
            again.file_size = again.compress_size = one.file_size
            target.filelist.append(again)
            target.NameToInfo[again.filename] = again
        target._didModify = True
    assert len(zipfile.ZipFile(path).infolist()) == 51
    with pytest.raises(ValueError, match="more than the file has"):
        check_archive(path)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed_or_harmless(tmp_path_factory, place: float, bit: int) -> None:
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    array = np.arange(24.0).reshape(2, 3, 4)
    np.savez(path, data=array)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    # The errors of damaged archives are of many kinds; what it takes a caller to know is that.
    with suppress(zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError):
        for values in read_npz(path).values():
            np.testing.assert_array_equal(values, array)


def test_archives_of_torch_pass(tmp_path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"weights": torch.zeros(3)}, path)
    check_archive(path)
