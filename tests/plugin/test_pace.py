"""How fast a fit goes and how long it may take, by a clock that the tests set."""

import pytest

from napari_deltamic.plugin.pace import Pace, about, clock, seconds_left, speed


class Watch:
    """A clock."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def run(pace, watch, steps, seconds, progress=0.0):
    """Take steps that last as long each, each one percent of the fit."""
    for _ in range(steps):
        watch.seconds += seconds
        progress += 0.01
        pace.step(progress)
    return progress


def test_the_speed_is_that_of_the_last_seconds():
    watch = Watch()
    pace = Pace(watch)
    pace.begin()
    assert pace.rate is None
    run(pace, watch, 20, 0.5)
    assert pace.rate == pytest.approx(2.0)
    run(pace, watch, 20, 2.0)
    assert pace.rate == pytest.approx(0.5)


def test_pauses_do_not_count():
    watch = Watch()
    pace = Pace(watch)
    pace.begin()
    done = run(pace, watch, 10, 1.0)
    with pace.resting():
        watch.seconds += 1000.0
        assert pace.elapsed == pytest.approx(10.0)
    run(pace, watch, 10, 1.0, done)
    assert pace.elapsed == pytest.approx(20.0)
    assert pace.rate == pytest.approx(1.0)
    assert pace.seconds_left == pytest.approx(80.0)


def test_the_clock_stops_with_the_fit():
    watch = Watch()
    pace = Pace(watch)
    pace.begin()
    run(pace, watch, 30, 1.0)
    assert pace.seconds_left == pytest.approx(70.0)
    pace.end()
    watch.seconds += 1000.0
    assert pace.elapsed == pytest.approx(30.0)
    assert pace.seconds_left is None


def test_nothing_is_foretold_once_steps_that_are_due_do_not_come():
    watch = Watch()
    pace = Pace(watch)
    run(pace, watch, 95, 0.1)
    assert pace.seconds_left is not None
    watch.seconds += 20.0
    assert pace.seconds_left is None


def test_nothing_is_foretold_before_enough_is_done():
    assert seconds_left(60.0, 0.0, 0.05) is None
    assert seconds_left(1.0, 0.0, 0.5) is None
    assert seconds_left(60.0, 0.0, 1.0) is None
    assert seconds_left(60.0, 0.0, 0.5) == pytest.approx(60.0)


def test_a_fit_that_goes_on_from_a_checkpoint_counts_what_it_does_itself():
    # Half was there; in a minute it did half of the rest.
    assert seconds_left(60.0, 0.5, 0.75) == pytest.approx(60.0)
    assert seconds_left(60.0, 0.5, 0.55) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.0, "about 5 s"),
        (38.0, "about 40 s"),
        (57.0, "about 1 min"),
        (130.0, "about 2 min"),
        (13 * 60.0, "about 15 min"),
        (56 * 60.0, "about 1 h"),
        (3.4 * 3600, "about 3 h"),
    ],
)
def test_times_to_come_are_rounded(seconds, text):
    assert about(seconds) == text


def test_times_gone_by_and_speeds_are_written_as_usual():
    assert [clock(seconds) for seconds in (0, 42.9, 725, 3753)] == [
        "0:00",
        "0:42",
        "12:05",
        "1:02:33",
    ]
    assert [speed(rate) for rate in (12.34, 1.0, 0.25)] == ["12 per s", "1 per s", "4 s each"]
