"""Undo and redo of corrections."""

from napari_deltamic.mesh import icosphere
from napari_deltamic.plugin.edit_history import EditHistory

MESHES = [icosphere((0, 0, n), 1.0, 1) for n in range(5)]


def test_steps_back_and_forth_give_the_very_same_meshes():
    history = EditHistory(MESHES[0])
    assert (history.undoes, history.redoes, history.is_changed) == ("", "", False)
    for number in (1, 2, 3):
        history.do(f"step {number}", MESHES[number])
    assert history.undoes == "step 3"
    assert history.undo() is MESHES[2]
    assert history.undo() is MESHES[1]
    assert (history.undoes, history.redoes) == ("step 1", "step 2")
    assert history.redo() is MESHES[2]
    assert [history.undo() for _ in range(4)][-1] is MESHES[0]
    assert not history.is_changed


def test_a_new_step_drops_what_was_undone():
    history = EditHistory(MESHES[0])
    history.do("one", MESHES[1])
    history.undo()
    history.do("other", MESHES[2])
    assert history.redoes == ""
    assert history.undo() is MESHES[0]
    assert history.redo() is MESHES[2]


def test_it_keeps_no_more_than_it_may_but_always_the_last_step():
    history = EditHistory(MESHES[0], most_steps=2)
    for number in (1, 2, 3, 4):
        history.do(str(number), MESHES[number])
    assert [history.undo() for _ in range(9)][-1] is MESHES[2]
    assert history.is_changed
    small = EditHistory(MESHES[0], most_bytes=1)
    small.do("a", MESHES[1])
    small.do("b", MESHES[2])
    assert small.undo() is MESHES[1]
    assert small.undoes == ""
