"""The compressive models of a viewer: choosing one, its files, and what it makes of images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.utils.notifications import show_error, show_info
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.compressive_layers import IS_COMPRESSED, add_comparison
from napari_deltamic.plugin.compressive_scores import ScoresTable
from napari_deltamic.plugin.compressive_session import KnownModel
from napari_deltamic.plugin.compressive_worker import in_words, preview_of
from napari_deltamic.plugin.fold import Fold
from napari_deltamic.plugin.image_chooser import ImageChooser
from napari_deltamic.plugin.widgets import MessageLabel
from napari_deltamic.torch_threads import some_torch_threads

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_deltamic.compressive import CompressiveModel, Scores, Simulation
    from napari_deltamic.plugin.live_view import LiveView
    from napari_deltamic.plugin.spatial import StackSource

_MODELS, _TIFFS = "Compressive model (*.pt)", "TIFF (*.tif *.tiff)"
_NO_MODEL = "There is no model yet: train one, or open one"
_TRAINING = "Wait until the training is over, or press Stop"
_BUSY = "Wait until what is under way is done"
# Of the voxel size, between what was learned from and what the model is used on.
_SAME_SIZE = 0.02
_WIDTH = 120


class Comparison(NamedTuple):
    """What a model makes of an image, and how good that is."""

    found: Simulation
    marked: NDArray[np.bool_] | None
    scores: tuple[Scores, Scores] | None


class ModelPanel(QWidget):
    """Chooses, saves, opens and uses models.

    Attributes
    ----------
    chosen
        Emits the KnownModel in use, whenever that is another one.
    busy_changed
        Emits whether a model is being used.
    """

    chosen = Signal(object)
    busy_changed = Signal(bool)
    # Queued to the GUI thread by Qt, because it is emitted in another one.
    _advanced = Signal(float)

    def __init__(self, viewer: Viewer, view: LiveView) -> None:
        super().__init__()
        self._viewer, self._session = viewer, view.compressive
        self._task = BackgroundTask(self)
        self._stop: Event | None = None
        self._is_training = False
        self.model = QComboBox()
        self.scores = ScoresTable()
        self.save, self.open = QPushButton("Save model..."), QPushButton("Open model...")
        self.image = ImageChooser(viewer, view.session)
        self.compare, self.cancel = QPushButton("Compare"), QPushButton("Cancel")
        self.fold = Fold("At the microscope")
        self.export = QPushButton("Export patterns...")
        self.offset = QDoubleSpinBox()
        self.import_frames = QPushButton("Import frames...")
        self.message = MessageLabel()
        self._lay_out()
        self.model.activated.connect(self._on_chosen)
        self.save.clicked.connect(self._choose_target)
        self.open.clicked.connect(self._choose_model)
        self.compare.clicked.connect(self._compare)
        self.cancel.clicked.connect(self.stop_comparing)
        self.export.clicked.connect(self._choose_pattern_file)
        self.import_frames.clicked.connect(self._choose_frames)
        self._advanced.connect(self._show_advance)
        self._task.busy_changed.connect(self._on_busy)
        self._task.failed.connect(lambda text: self.message.say(in_words(text), warning=True))
        self.refresh()

    def _lay_out(self) -> None:
        self.model.setPlaceholderText("train or open one first")
        self.model.setToolTip("Which of the models trained or opened in this viewer is used")
        self.model.setAccessibleName("Model")
        self.model.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.model.setMinimumWidth(_WIDTH)
        form = QFormLayout()
        form.addRow("Model", self.model)
        self.image.chooser.setToolTip("A stack to compress and reconstruct, to see what is lost")
        self.offset.setRange(0.0, 1e6)
        self.offset.setDecimals(1)
        self.offset.setToolTip("What the camera reads in the dark; it is taken off the frames")
        self.offset.setAccessibleName("Camera offset")
        inside = QWidget()
        fold_form = QFormLayout(inside)
        fold_form.setContentsMargins(0, 0, 0, 0)
        fold_form.addRow(self.export)
        fold_form.addRow("Camera offset", self.offset)
        fold_form.addRow(self.import_frames)
        self.fold.addWidget(inside)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self.scores)
        column.addLayout(_row(self.save, self.open))
        column.addWidget(self.image)
        column.addLayout(_row(self.compare, self.cancel))
        column.addWidget(self.message)
        column.addWidget(self.fold)
        self.cancel.hide()

    @property
    def is_busy(self) -> bool:
        """Whether a model is being used, read or written."""
        return self._task.is_busy

    def refresh(self) -> None:
        """List the session's models anew, and show the one in use."""
        self.model.clear()
        for each in self._session.models:
            self.model.addItem(each.name, each)
        known = self._session.chosen
        self.model.setCurrentIndex(self._session.models.index(known) if known else -1)
        self.scores.setVisible(known is not None and known.scores is not None)
        if known is not None and known.scores is not None and known.interpolated is not None:
            self.scores.show_scores(known.scores, known.interpolated)
        self.chosen.emit(known)
        self._enable()

    def set_training(self, training: bool) -> None:
        """Say whether a training runs, beside which models are not used."""
        self._is_training = training
        self._enable()

    def _on_chosen(self, index: int) -> None:
        self._session.chosen = self.model.itemData(index)
        self.refresh()

    def _enable(self) -> None:
        busy = _BUSY if self.is_busy else ""
        lacking = "" if self._session.chosen is not None else _NO_MODEL
        training = _TRAINING if self._is_training else ""
        for button, tip, reason in (
            (self.save, "Write this model to a .pt file", lacking or busy),
            (self.open, "Read a model that was saved here or by the command line", busy),
            (
                self.compare,
                "Simulate the compressed acquisition of this image, and add what comes of it",
                lacking or training or busy,
            ),
            (
                self.export,
                "Write the patterns as a TIFF for a micromirror device: 255 is lit, 0 is dark",
                lacking or busy,
            ),
            (
                self.import_frames,
                "Read measured frames (a TIFF, one page a pattern) and reconstruct the image",
                lacking or training or busy,
            ),
        ):
            button.setEnabled(not reason)
            button.setToolTip(reason or tip)
        self.cancel.setVisible(self._stop is not None)

    def _on_busy(self, busy: bool) -> None:
        if not busy:
            self._stop = None
        self._enable()
        self.busy_changed.emit(busy)

    def _in_use(self) -> KnownModel:
        known = self._session.chosen
        assert known is not None
        return known

    def _compare(self) -> None:
        try:
            source = self.image.source()
        except ValueError as error:
            self.message.say(str(error), warning=True)
            show_error(str(error))
            return
        known = self._in_use()
        stop, is_closed = Event(), self._session.is_closed

        def tell(part: float) -> None:
            # The dock may have been closed in the meantime.
            with suppress(RuntimeError):
                self._advanced.emit(part)

        def compare() -> Comparison | None:
            return compared(known.model, source, tell, lambda: stop.is_set() or is_closed.is_set())

        self._stop = stop
        self._task.run(compare, lambda found: self._show_comparison(found, known, source))
        self.message.say("Reading the image...")

    def _show_advance(self, part: float) -> None:
        if self._stop is not None and not self._stop.is_set():
            self.message.say(f"Acquiring and reconstructing: {part:.0%}")

    def stop_comparing(self) -> None:
        """End a comparison under way, with nothing."""
        if self._stop is not None:
            self._stop.set()
            self.message.say("Stopping...")

    def _show_comparison(
        self, comparison: Comparison | None, known: KnownModel, source: StackSource
    ) -> None:
        if comparison is None:
            self.message.say("Cancelled; no layer was added.")
            return
        placement, model = source.placement, known.model
        layer = add_comparison(
            self._viewer,
            source.name,
            placement,
            comparison.found,
            model.settings.binning,
            comparison.marked,
        )
        text = f"{layer.name!r} is made of frames with {model.acquisition.compression:g} times "
        text += "fewer numbers than voxels."
        if comparison.scores is not None:
            own, plain = comparison.scores
            text += f" SSIM {own.ssim:.3f}; interpolation has {plain.ssim:.3f}."
        other = not np.allclose(placement.spacing, model.spacing, rtol=_SAME_SIZE)
        if other:
            text += f" The model was trained on voxels of {_by(model.spacing)} µm, not these."
        self.message.say(text, warning=other)

    def _choose_target(self) -> None:
        self._ask_to_write("Save model", "model.pt", _MODELS, self.save_to)

    def _choose_pattern_file(self) -> None:
        self._ask_to_write("Export patterns", "patterns.tif", _TIFFS, self.export_to)

    def _ask_to_write(
        self, title: str, name: str, kind: str, write: Callable[[Path], None]
    ) -> None:
        path, _ = QFileDialog.getSaveFileName(self, title, name, kind)
        if path:
            write(Path(path))

    def save_to(self, path: Path) -> None:
        """Write the model to a file in the background; .pt is put behind a name without it."""
        model, target = self._in_use().model, _ending(path, ".pt")

        def save() -> None:
            from napari_deltamic.compressive import save_model

            save_model(model, target)

        self._run(save, lambda _: self._note(f"The model is saved in {target}"))

    def export_to(self, path: Path) -> None:
        """Write the patterns to a TIFF in the background."""
        model, target = self._in_use().model, _ending(path, ".tif", ".tiff")

        def export() -> None:
            from napari_deltamic.compressive import write_masks

            write_masks(model.patterns.binary().numpy(), target)

        count = model.settings.frames
        self._run(export, lambda _: self._note(f"{count} patterns are written to {target}"))

    def _choose_model(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open model", "", _MODELS)
        if path:
            self.open_from(Path(path))

    def open_from(self, path: Path) -> None:
        """Read a model from a file in the background, and use it."""

        def read() -> KnownModel:
            engine.load_compressive()
            from napari_deltamic.compressive import load_model

            model = load_model(path)
            return KnownModel(path.stem, model, None, None, preview_of(model))

        self._run(read, self._take)

    def _take(self, known: KnownModel) -> None:
        named, model = self._session.add(known), known.model
        self.refresh()
        _, rows, columns = model.acquisition.shape
        self.message.say(
            f"{named.name!r}: {model.settings.frames} patterns of {rows} × {columns} voxels of "
            f"{_by(model.spacing)} µm, ×{model.acquisition.compression:g}."
        )

    def _choose_frames(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import frames", "", _TIFFS)
        if path:
            self.import_from(Path(path))

    def import_from(self, path: Path) -> None:
        """Read measured frames in the background, and add the image that they give."""
        model, offset = self._in_use().model, self.offset.value()

        def read() -> NDArray[np.float32]:
            from napari_deltamic.compressive import read_frames, reconstruct

            with some_torch_threads():
                return reconstruct(model, read_frames(path, model, offset))

        def add(image: NDArray[np.float32]) -> None:
            layer = self._viewer.add_image(
                image,
                name=f"{path.stem} reconstructed",
                scale=model.spacing,
                units=("um",) * 3,
                metadata={IS_COMPRESSED: True},
                contrast_limits=(0.0, max(1.0, float(image.max()))),
            )
            self.message.say(f"{layer.name!r} is what the frames in {path.name} show.")

        self._run(read, add)

    def _run(self, function: Callable[[], Any], on_done: Callable[[Any], None]) -> None:
        self.message.say("Working...")
        self._task.run(function, on_done)

    def _note(self, text: str) -> None:
        self.message.say(f"{text}.")
        show_info(text)


def compared(
    model: CompressiveModel,
    source: StackSource,
    on_progress: Callable[[float], None],
    should_stop: Callable[[], bool],
) -> Comparison | None:
    """Return what a model makes of an image; None once told to stop."""
    from napari_deltamic.compressive import segment, simulate, volume_scored

    volume = source.load().data
    with some_torch_threads():
        found = simulate(model, volume, on_progress=on_progress, should_stop=should_stop)
        if found is None:
            return None
        marked = segment(model, found.reconstruction) if model.segments else None
        scores = None
        # Windows of SSIM have 11 pixels along each side.
        if min(volume.shape[1:]) >= 11 and not should_stop():
            scores = (
                volume_scored(found.reconstruction, found.truth),
                volume_scored(found.interpolated, found.truth),
            )
    return Comparison(found, marked, scores)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def _ending(path: Path, *suffixes: str) -> Path:
    return path if path.suffix.lower() in suffixes else path.with_name(path.name + suffixes[0])


def _by(lengths: Any) -> str:
    return " × ".join(f"{length:.4g}" for length in lengths)
