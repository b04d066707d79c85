"""The dock *Batch* before a batch begins: what is chosen, lacking or makes no sense."""

import shlex

import pytest
from batch_dock_cases import QUICKLY, SIGMA, opened, plain, said, settle, standing
from plugin_cases import click, open_dock
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication

from batch_cases import SPACING, write_balls
from napari_deltamic.batch.pulse import pulse
from napari_deltamic.plugin.batches.settings import FILE, TABLE
from napari_deltamic.plugin.guide_words import Standing
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.psf_choice import PsfChoice, gaussian
from napari_deltamic.plugin.seed_dock import IMAGE, MEMBRANES

pytestmark = pytest.mark.usefixtures("_batches_apart")


def test_what_is_lacking_is_named(bare, qtbot, tmp_path):
    dock = open_dock(bare, "Batch")
    settle(qtbot, dock)
    assert said(dock, "Stacks") == "Add stacks, a folder of them or a table."
    assert "microscope's blur" in dock.settings.note.text()
    assert not dock.use_stacks.isEnabled()
    dock.stacks.list.add(write_balls(tmp_path / "stacks", 1))
    settle(qtbot, dock)
    assert said(dock, "Stacks") == "1 stack to fit."
    assert standing(dock, "Settings") is Standing.WAITS
    assert not dock.use_settings.isEnabled()
    live_view_of(bare).session.choose_psf(gaussian(SIGMA))
    settle(qtbot, dock)
    assert standing(dock, "Settings") is Standing.DONE
    assert "try it on one stack first" in dock.settings.note.text()
    assert said(dock, "Run") == "Choose a folder for the results."
    assert not dock.run_button.isEnabled()
    assert dock.run_button.toolTip() == said(dock, "Run")
    dock.output.setText(str(tmp_path / "out"))
    assert dock.run_button.isEnabled()


BAD_STACKS = {
    "an empty folder": (lambda folder: folder, "holds nothing that ends in"),
    "a file that is gone": (lambda folder: folder / "gone.tif", "there is no file"),
    "an empty table": (lambda folder: file(folder / "t.csv", ""), "needs a column named stack"),
    "no table": (lambda folder: file(folder / "t.csv", "\x00\xff"), "t.csv"),
    "a row without its stack": (
        lambda folder: file(folder / "t.csv", "stack\ngone.tif\n"),
        "line 2: stack: there is no file",
    ),
}


def file(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", BAD_STACKS)
def test_stacks_that_make_no_sense_are_refused(bare, qtbot, tmp_path, name):
    make, words = BAD_STACKS[name]
    dock = opened(qtbot, bare)
    (tmp_path / "given").mkdir()
    dock.stacks.list.add([make(tmp_path / "given")])
    settle(qtbot, dock)
    assert standing(dock, "Stacks") is Standing.WRONG
    assert words in said(dock, "Stacks")
    assert not dock.run_button.isEnabled()
    click(qtbot, dock.stacks.remove)
    settle(qtbot, dock)
    assert standing(dock, "Stacks") is Standing.READY


def test_settings_that_make_no_sense_are_refused(bare, qtbot, tmp_path):
    (stack,) = write_balls(tmp_path / "stacks", 1)
    dock = opened(qtbot, bare)
    dock.stacks.list.add([stack])

    def says(words):
        settle(qtbot, dock)
        assert standing(dock, "Settings") in (Standing.WRONG, Standing.WAITS)
        assert words in said(dock, "Settings") + dock.settings.note.text()
        assert not dock.use_settings.isEnabled()

    dock.settings.start.setCurrentText(TABLE)
    says("nothing says where its cells are")
    dock.settings.start.setCurrentText(IMAGE)
    for typed, words in (
        ("--unheard-of 3", "--unheard-of"),
        ("--stages many", "--stages"),
        ("--label 'interior", "other options: no closing quotation"),
        ("--points nowhere.csv", "there is no file"),
        ("--membranes", "in more than one way"),
    ):
        dock.settings.more.setText(typed)
        says(words)
    dock.settings.more.setText("")
    dock.settings.source.setCurrentText(FILE)
    says("Choose a file of settings")
    for name, content, words in (
        ("a.json", "{", "not a JSON file"),
        ("b.json", '{"stages": 99}', "stages"),
    ):
        dock.settings.file.setText(str(file(tmp_path / name, content)))
        says(words)
    dock.settings.file.setText(str(tmp_path / "gone.json"))
    says("here is no file")
    dock.settings.file.setText(str(file(tmp_path / "fit.json", '{"stages": 2}')))
    settle(qtbot, dock)
    assert standing(dock, "Settings") is Standing.DONE


def test_folders_that_make_no_sense_are_refused(bare, qtbot, tmp_path):
    (stack,) = write_balls(tmp_path / "stacks", 1)
    dock = opened(qtbot, bare)
    dock.stacks.list.add([stack])
    settle(qtbot, dock)
    for folder, words in (
        ("", "Choose a folder"),
        (str(stack), "is a file; choose a folder"),
        ("somewhere", "whole path"),
    ):
        dock.output.setText(folder)
        assert words in said(dock, "Run")
        assert not dock.run_button.isEnabled()
    with pulse(tmp_path):
        dock.output.setText(str(tmp_path))
        assert "A batch is running" in said(dock, "Run")
    dock.output.setText(str(stack / "below a file"))
    dock._go_to("Run")
    click(qtbot, dock.run_button)
    qtbot.waitUntil(lambda: "cannot be written into" in plain(dock.status), timeout=10_000)
    dock.watch.watch(tmp_path / "stacks")
    qtbot.waitUntil(lambda: "holds no batch" in said(dock, "Watch"), timeout=10_000)


def test_a_batch_that_does_not_begin_says_why(bare, qtbot, tmp_path):
    (stack,) = write_balls(tmp_path / "stacks", 1)
    dock = opened(qtbot, bare, **QUICKLY)
    dock.scheduler.setText(str(file(tmp_path / "scheduler.json", "no JSON")))
    dock.stacks.list.add([stack])
    dock.output.setText(str(tmp_path / "out"))
    settle(qtbot, dock)
    dock._go_to("Run")
    click(qtbot, dock.run_button)
    qtbot.waitUntil(lambda: "did not begin" in said(dock, "Watch"), timeout=60_000)
    assert "--scheduler" in said(dock, "Watch")


def test_files_are_dropped_onto_the_list_and_taken_away_by_key(bare, qtbot, tmp_path):
    files = write_balls(tmp_path / "stacks", 2)
    dock = opened(qtbot, bare)
    paths, data = dock.stacks.list, QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)) for file in (*files, files[0])])
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(5, 5), copy, data, left, none)
    paths.dragEnterEvent(enter)
    assert enter.isAccepted()
    paths.dropEvent(QDropEvent(QPointF(5, 5), copy, data, left, none))
    assert paths.paths == tuple(files)
    settle(qtbot, dock)
    assert said(dock, "Stacks") == "2 stacks to fit."
    paths.setCurrentRow(0)
    qtbot.keyClick(paths, Qt.Key.Key_Delete)
    assert paths.paths == tuple(files[1:])
    text = QMimeData()
    text.setText("no file")
    enter = QDragEnterEvent(QPoint(5, 5), copy, text, left, none)
    paths.dragEnterEvent(enter)
    assert not enter.isAccepted()


def test_the_line_to_copy_is_what_all_steps_say(bare, qtbot, tmp_path):
    (stack,) = write_balls(tmp_path / "stacks", 1)
    dock = opened(qtbot, bare, **QUICKLY)
    assert dock.settings.start.currentText() == IMAGE
    dock.stacks.list.add([stack])
    dock.output.setText(str(tmp_path / "out"))
    dock.workers.setValue(3)
    dock.settings.threshold.setValue(25.0)
    dock.settings.channel.setValue(1)
    dock.settings.same_spacing.setChecked(True)
    for field, length in zip(dock.settings.spacing, SPACING, strict=True):
        field.setValue(length)
    dock._go_to("Run")
    dock.command.expand(animate=False)
    click(qtbot, dock.command.copy)
    expected = [
        "napari-deltamic", "batch", str(stack), "--output", str(tmp_path / "out"),
        "--workers", "3", "--sigma", "0.6", "0.3", "0.3", "--threshold", "25.0",
        "--spacing", "0.6", "0.25", "0.25", "--channel", "1",
        "--label", "interior", "--stages", "1", "--max-iterations", "5",
    ]  # fmt: skip
    assert shlex.split(QGuiApplication.clipboard().text()) == expected


def test_choices_follow_the_session_until_they_are_made_here(bare, qtbot):
    dock = opened(qtbot, bare)
    session = live_view_of(bare).session
    session.marks = "membrane"
    session.choose_mesh("")
    assert dock.settings.start.currentText() == MEMBRANES
    dock.settings.start.setCurrentText(IMAGE)
    session.choose_mesh("")
    assert dock.settings.start.currentText() == IMAGE
    session.choose_psf(PsfChoice("WidefieldPSF", {"na": 0.9, "wavelength": 0.52}))
    assert dock.settings.psf_label.text() == "Widefield, NA 0.9, 520 nm"


def test_every_control_says_what_it_does(bare, qtbot):
    dock = opened(qtbot, bare)
    stacks, settings, watch = dock.stacks, dock.settings, dock.watch
    for widget in (
        *(stacks.list, stacks.files, stacks.folder, stacks.table, stacks.remove, stacks.movies),
        *(settings.source, settings.file, settings.start, settings.threshold, settings.channel),
        *(settings.same_spacing, *settings.spacing, settings.more, dock.output, dock.workers),
        *(dock.retries, dock.scheduler, dock.command.copy, dock.run_button, dock.use_stacks),
        *(watch.choose, watch.open, watch.show_log, watch.stop, watch.again, watch.log),
    ):
        assert widget.toolTip()


def test_long_paths_do_not_widen_the_dock(bare, qtbot, tmp_path):
    dock = opened(qtbot, bare)
    before = dock.sizeHint().width()
    assert before < 400
    folder = tmp_path / "a folder of many words" / ("and_of_a_long_one_without_a_space" * 3)
    folder.mkdir(parents=True)
    dock.stacks.list.add([folder])
    dock.output.setText(str(folder))
    dock.watch.watch(folder)
    settle(qtbot, dock)
    qtbot.waitUntil(lambda: "holds no batch" in said(dock, "Watch"), timeout=10_000)
    assert "holds nothing" in said(dock, "Stacks")
    dock._go_to("Watch")
    assert dock.sizeHint().width() <= before
