"""The whole job on real stacks as a user does it: from the menu to CSV files, by mouse and keys.

Each stack is opened by *File > Open Sample*, the guide by *Layers > Segment*; then the main button
of each step is clicked. Only the fit is made short, by numbers that are typed into the form: coarse
edges and few iterations. How good full fits are is for the benchmarks.
"""

import csv
import math

import numpy as np
import pytest
from plugin_cases import UM
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from superqt import QCollapsible
from user_hands import Hands

from napari_deltamic.imaging import make_embryo
from napari_deltamic.plugin.guide_words import MARKS_WORDS, Standing
from napari_deltamic.plugin.measures_dock import CELLS, CONTACTS

pytestmark = [pytest.mark.usefixtures("_engine", "_dialogs_of_qt"), pytest.mark.slow]

# Opening the guide, and the main buttons of four steps.
FEWEST_CHOICES = 5
MOST_CHOICES = 6
UNFOLDING = 500  # ms
HEADERS = {
    "region": "Cell",
    "volume": "Volume\n(µm³)",
    "area": "Area\n(µm²)",
    "neighbours": "Neighbours",
    "centroid_z": "Centre z\n(µm)",
    "mean_curvature": "Mean curvature\n(1/µm)",
}
NOTHING, OUTSIDE = "–", "outside"


@pytest.fixture
def _dialogs_of_qt():
    """Have Qt's own file dialogs on systems that would show theirs, which no test can type into."""
    attribute = Qt.ApplicationAttribute.AA_DontUseNativeDialogs
    before = QApplication.testAttribute(attribute)
    QApplication.setAttribute(attribute, True)
    yield
    QApplication.setAttribute(attribute, before)


class Job:
    """A user with a window of usual size, who opens a sample and then the guide."""

    def __init__(self, qtbot, viewer, sample) -> None:
        viewer.window.resize(1280, 800)
        self.qtbot, self.viewer, self.hands = qtbot, viewer, Hands(qtbot, viewer)
        self.hands.choose_in_menu("File", "Open Sample", "deltaMic", sample)
        qtbot.waitUntil(lambda: len(viewer.layers) > 0, timeout=30_000)
        self.hands.choices = 0
        self.hands.choose_in_menu("Layers", "Segment", "deltaMic (deltaMic)")
        qtbot.waitUntil(lambda: len(viewer.window.dock_widgets) == 1, timeout=30_000)
        (self.dock,) = viewer.window.dock_widgets.values()
        self.wait_for_look()

    def wait_for_look(self) -> None:
        self.qtbot.waitUntil(lambda: self.dock.image.noise is not None, timeout=60_000)

    def sentence(self, title) -> str:
        return self.dock.steps[title].state.sentence

    def type_voxel_size(self, *lengths) -> None:
        editor = self.dock.image.image.voxel_size
        for field, length in zip(editor.fields, lengths, strict=True):
            self.hands.type_into(field, length)
        self.hands.press(editor.button)

    def fit(self, **numbers) -> None:
        """Press the main button of each step; before *Fit*, type numbers for a short one."""
        dock, hands = self.dock, self.hands
        hands.press(dock.image.button)
        hands.press(dock.seed.button)
        self.qtbot.waitUntil(lambda: dock.steps["Optics"].is_open, timeout=120_000)
        hands.press(dock.optics.button)
        choices = hands.choices
        hands.press(dock.fit.form.findChild(QCollapsible).toggleButton())
        for name, number in numbers.items():
            hands.type_into(dock.fit.form.fields[name].native, number)
        hands.choices = choices  # a user would not do that
        hands.press(dock.fit.fit_button)
        self.qtbot.waitUntil(lambda: dock.steps["Results"].is_open, timeout=300_000)
        assert dock.steps["Fit"].state.standing is Standing.DONE
        self.qtbot.waitUntil(lambda: self.rows(CELLS) > 0, timeout=60_000)
        assert dock.measures.isVisible()

    def rows(self, name) -> int:
        return self.dock.measures.tables[name].model().rowCount()

    def numbers(self, name, title) -> np.ndarray:
        """Return a column of a table, read from what it shows."""
        model = self.dock.measures.tables[name].model()
        titles = [model.headerData(k, Qt.Orientation.Horizontal) for k in range(len(model.columns))]
        column = titles.index(title)
        return np.array([_number(model.index(k, column).data()) for k in range(model.rowCount())])

    def save(self, button, folder) -> dict[str, list[dict[str, str]]]:
        """Press a button that saves, answer its dialog, and return the tables in the folder."""
        folder.mkdir()
        self.hands.answer_with_folder(folder)
        self.hands.press(button)
        self.qtbot.waitUntil(lambda: (folder / "measures.csv").exists(), timeout=30_000)
        self.qtbot.waitUntil(button.isEnabled, timeout=30_000)
        tables = {}
        for path in folder.glob("*.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                tables[path.stem] = list(csv.DictReader(file))
        return tables

    def check_file(self, name, rows) -> None:
        """Check that a file has the rows of a table, and in its columns the same numbers."""
        model = self.dock.measures.tables[name].model()
        assert len(rows) == model.rowCount()
        assert set(model.columns) <= set(rows[0])
        for place, column in enumerate(model.columns):
            header = model.headerData(place, Qt.Orientation.Horizontal)
            assert header == HEADERS.get(column, header)
            for k, row in enumerate(rows):
                shown = model.index(k, place).data()
                written = float(row[column])
                if shown == NOTHING:
                    assert not math.isfinite(written)
                elif shown == OUTSIDE:
                    assert written == 0
                else:
                    decimals = len(shown.partition(".")[2])
                    assert abs(_number(shown) - written) <= 0.51 * 10.0**-decimals


def _number(text) -> float:
    return {NOTHING: math.nan, OUTSIDE: 0.0}[text] if text in (NOTHING, OUTSIDE) else float(text)


def save_and_check(job, tmp_path, has_contacts) -> None:
    saved = job.save(job.dock.fit.save_button, tmp_path / "result")
    names = {path.name for path in (tmp_path / "result").iterdir()}
    assert {"mesh.rec", "mesh.ply", "rendering.ome.tif", "settings.json"} <= names
    assert set(saved) == ({"measures", "contacts", "junctions"} if has_contacts else {"measures"})
    job.check_file(CELLS, saved["measures"])
    if has_contacts:
        job.check_file(CONTACTS, saved["contacts"])
    tables = job.save(job.dock.measures.save_button, tmp_path / "tables")
    assert tables == saved


@pytest.fixture
def start(make_napari_viewer_proxy, qtbot, data_folder):
    return lambda sample: Job(qtbot, make_napari_viewer_proxy(show=True), sample)


def test_mouse_nuclei(start, tmp_path):
    job = start("Mouse embryo, 8 nuclei")
    assert "insides" in job.sentence("Image")
    job.fit(stages="2", max_iterations="15", edge_length="1.5")
    assert job.hands.choices == FEWEST_CHOICES
    volumes = job.numbers(CELLS, "Volume\n(µm³)")
    assert len(volumes) == 8
    check_against_annotation(job, volumes)
    assert job.rows(CONTACTS) == 8  # each with the outside only
    save_and_check(job, tmp_path, has_contacts=False)


def check_against_annotation(job, volumes) -> None:
    annotation = job.viewer.layers["Embryo nuclei annotation"]
    centers = np.stack([job.numbers(CELLS, f"Centre {axis}\n(µm)") for axis in "zyx"], axis=1)
    places = [annotation.world_to_data(center) for center in centers]
    found = [annotation.data[tuple(np.rint(place).astype(int))] for place in places]
    assert sorted(found) == list(range(1, 9)), "each in a nucleus of its own"
    annotated = np.bincount(annotation.data.ravel())[found] * np.prod(annotation.scale)
    # The annotation is generous: it ends where the light has fallen to about a fifth.
    assert 0.5 < volumes.sum() / annotated.sum() < 1.1
    assert np.all(volumes < 2.5 * annotated)
    assert np.all(volumes > 0.2 * annotated)


def test_worm_membranes_whose_voxel_size_is_typed(start, tmp_path):
    job = start("C. elegans embryo, membranes")
    assert job.dock.steps["Image"].state.standing is Standing.WRONG
    assert "voxel size is not known" in job.sentence("Image")
    assert not job.dock.image.button.isEnabled()
    job.type_voxel_size("1.0", "0.25", "0.25")
    image = job.viewer.layers["C. elegans membranes"]
    np.testing.assert_allclose(image.scale, (1.0, 0.25, 0.25))
    assert "membranes" in job.sentence("Image")
    job.fit(stages="1", max_iterations="6", edge_length="2")
    assert job.hands.choices == FEWEST_CHOICES + 1  # Apply
    volumes = job.numbers(CELLS, "Volume\n(µm³)")
    assert 30 <= len(volumes) <= 50
    assert np.all(volumes > 0)
    # Of the eggshell's inside, of which the file holds the lower half.
    stack = np.prod(image.scale) * image.data.size
    assert 0.3 < volumes.sum() / stack < 0.9
    assert job.rows(CONTACTS) > 100
    assert np.all(job.numbers(CELLS, "Neighbours") > 0)
    save_and_check(job, tmp_path, has_contacts=True)


def test_plant_ovule_of_which_the_dye_is_asked_for(start, tmp_path):
    job = start("Plant ovule, cell walls")
    assert "does not tell for sure what the dye marks" in job.sentence("Image")
    assert not job.dock.image.button.isEnabled()
    job.hands.choose_in_list(job.dock.image.marks, MARKS_WORDS["membrane"])
    job.fit(stages="1", max_iterations="10", edge_length="0.6")
    assert job.hands.choices == MOST_CHOICES
    volumes = job.numbers(CELLS, "Volume\n(µm³)")
    assert 25 <= len(volumes) <= 60
    assert np.all(volumes > 0)
    image = job.viewer.layers["Ovule cell walls"]
    inside, beyond = (np.prod((np.array(image.data.shape) + n) * image.scale) for n in (0, 12))
    # It is full of cells; those that the border cuts go on outside for a few voxels.
    assert inside < volumes.sum() < beyond
    assert job.rows(CONTACTS) > 80
    save_and_check(job, tmp_path, has_contacts=True)


def test_by_keyboard_alone(make_napari_viewer_proxy, qtbot, tmp_path):
    embryo = make_embryo(cells=2, spacing=(0.8, 0.4, 0.4), seed=1)
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1280, 800)
    place = {"scale": embryo.stack.spacing, "translate": embryo.stack.origin, "units": UM}
    viewer.add_image(embryo.stack.data, name="embryo", **place)
    hands = Hands(qtbot, viewer)
    hands.choose_in_menu_by_keys("Layers", "Segment", "deltaMic (deltaMic)")
    qtbot.waitUntil(lambda: len(viewer.window.dock_widgets) == 1, timeout=30_000)
    (dock,) = viewer.window.dock_widgets.values()
    qtbot.waitUntil(lambda: dock.image.noise is not None, timeout=60_000)
    # Backwards, because napari's slider of planes sends Tab back to the window's first button.
    hands.tab_to(dock.image.button, backwards=True)
    hands.press_by_keys(dock.image.button, Qt.Key.Key_Return)
    hands.press_by_keys(dock.seed.button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: dock.steps["Optics"].is_open, timeout=120_000)
    assert dock.isAncestorOf(QApplication.focusWidget()), "a button that folds keeps the focus in"
    hands.press_by_keys(dock.optics.button, Qt.Key.Key_Return)
    hands.press_by_keys(dock.fit.form.findChild(QCollapsible).toggleButton(), Qt.Key.Key_Space)
    qtbot.wait(UNFOLDING)
    for name, number in (("stages", "2"), ("max_iterations", "30")):
        hands.tab_to(dock.fit.form.fields[name].native)
        hands.type(number)
    hands.press_by_keys(dock.fit.fit_button, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dock.steps["Results"].is_open, timeout=300_000)
    table = dock.measures.tables[CELLS].model()
    qtbot.waitUntil(lambda: table.rowCount() == 2, timeout=60_000)
    hands.answer_with_folder(tmp_path)
    hands.press_by_keys(dock.fit.save_button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: (tmp_path / "settings.json").exists(), timeout=30_000)
    with (tmp_path / "measures.csv").open(encoding="utf-8", newline="") as file:
        volumes = [float(row["volume"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(np.sort(volumes), np.sort(embryo.volumes()), rtol=0.15)
