import numpy as np
import pytest
import tifffile

from napari_deltamic.timelapse import Movie

DATA = np.random.default_rng(0).integers(0, 99, (4, 3, 5, 6)).astype(np.uint16)


class Counted:
    """An array that tells which frames were read."""

    def __init__(self, data):
        self.data, self.shape, self.read = data, data.shape, []

    def __getitem__(self, frame):
        self.read.append(frame)
        return self.data[frame]


def test_frames_are_read_when_they_are_asked_for():
    array = Counted(DATA)
    movie = Movie(array, (2, 1, 1), origin=(1, 2, 3))
    assert len(movie) == 4
    assert array.read == []
    stack = movie[2]
    assert array.read == [2]
    np.testing.assert_array_equal(stack.data, DATA[2])
    np.testing.assert_array_equal(stack.origin, (1, 2, 3))


def test_a_range_counts_frames_as_the_source_does():
    movie = Movie(DATA, (2, 1, 1), start=1, stop=3)
    assert (movie.first, len(movie)) == (1, 2)
    np.testing.assert_array_equal(movie[0].data, DATA[1])
    np.testing.assert_array_equal(movie[-1].data, DATA[2])
    assert [stack.data[0, 0, 0] for stack in movie] == [DATA[1, 0, 0, 0], DATA[2, 0, 0, 0]]
    assert len(movie[:1]) == 1
    with pytest.raises(IndexError):
        movie[2]


def test_a_file_is_read_frame_by_frame(tmp_path):
    file = tmp_path / "movie.tif"
    tifffile.imwrite(file, DATA, imagej=True, metadata={"axes": "TZYX"})
    movie = Movie(file, (2, 1, 1))
    assert len(movie) == 4
    for stack, frame in zip(movie, DATA, strict=True):
        np.testing.assert_array_equal(stack.data, frame)


def test_a_file_with_one_frame_is_a_movie_of_one(tmp_path):
    file = tmp_path / "stack.tif"
    tifffile.imwrite(file, DATA[0], imagej=True, metadata={"axes": "ZYX"})
    (stack,) = Movie(file, (2, 1, 1))
    np.testing.assert_array_equal(stack.data, DATA[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": DATA[0], "spacing": (1, 1, 1)}, "source: expected a movie"),
        ({"source": DATA}, "spacing: an array says none"),
        ({"source": DATA, "spacing": (1, 1, 1), "channel": 1}, "channel: goes with a file"),
        ({"source": DATA, "spacing": (1, 1, 1), "start": 4}, "start, stop: .* frames 0 to 3"),
        ({"source": DATA, "spacing": (1, 1, 1), "stop": 5}, "start, stop: .* frames 0 to 3"),
        ({"source": DATA, "spacing": (1, 0, 1)}, "spacing: expected three positive"),
    ],
)
def test_what_is_no_movie_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Movie(**arguments)
