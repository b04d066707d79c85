"""The moments of a fit: evenly spread, bounded, and safe to read from another thread."""

from threading import Thread

import numpy as np

from napari_deltamic.mesh import icosphere
from napari_deltamic.plugin.history import History, Moment

MESH = icosphere((0.0, 0.0, 0.0), 1.0, 1)


def moment(iteration, stage=0, mesh=MESH):
    return Moment(iteration, stage, 1.0 / iteration, mesh)


def iterations(history):
    return [one.iteration for one in history.moments]


def test_all_moments_of_a_short_fit_are_kept():
    history = History(most_moments=10)
    for number in range(1, 11):
        history.append(moment(number))
    assert iterations(history) == list(range(1, 11))


def test_a_long_fit_is_thinned_evenly_from_the_first_to_the_last():
    history = History(most_moments=50)
    for number in range(1, 1001):
        history.append(moment(number))
    kept = iterations(history)
    assert len(kept) == 50
    assert (kept[0], kept[-1]) == (1, 1000)
    # Half as dense at most as they could be, nowhere denser than twice that.
    assert np.diff(kept).max() <= 2 * 1000 / 50


def test_stages_keep_their_first_and_their_last_moment():
    history, ends = History(most_moments=20), [(1, 7), (8, 300), (301, 303), (304, 700)]
    for stage, (first, last) in enumerate(ends):
        for number in range(first, last + 1):
            history.append(moment(number, stage))
    assert len(history.moments) == 20
    assert {number for pair in ends for number in pair} <= set(iterations(history))


def test_large_meshes_leave_fewer_moments():
    size = MESH.vertices.nbytes
    shared = MESH.faces.nbytes + MESH.labels.nbytes
    history = History(most_bytes=5 * size + shared)
    for number in range(1, 31):
        # The same triangles, in other places.
        history.append(moment(number, mesh=MESH.with_vertices(MESH.vertices + number)))
    assert len(history.moments) == 5
    assert (history.moments[0].iteration, history.moments[-1].iteration) == (1, 30)


def test_the_first_and_the_latest_stay_however_large_and_whatever_the_stages():
    history = History(most_bytes=1)
    for number in range(1, 8):
        history.append(moment(number, stage=number, mesh=icosphere((0, 0, 0), number, 1)))
    assert iterations(history) == [1, 7]


def test_it_can_be_read_while_it_grows():
    history = History(most_moments=30)
    writer = Thread(target=lambda: [history.append(moment(n)) for n in range(1, 3001)])
    writer.start()
    while writer.is_alive():
        kept = iterations(history)
        assert kept == sorted(set(kept))
        assert len(kept) <= 30
    assert iterations(history)[-1] == 3000
