"""The image step of the guide: which stack, its voxel size, what the dye marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QPushButton, QVBoxLayout, QWidget

from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.guide_words import MARKS_WORDS, ImageFacts
from napari_deltamic.plugin.image_chooser import ImageChooser
from napari_deltamic.plugin.session import Session
from napari_deltamic.plugin.spatial import Placement, StackSource
from napari_deltamic.plugin.suggestions import Marks, Noise, Suggestion, middle, suggest

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer


class ImageStep(QWidget):
    """Chooses the image and looks at it, in the background.

    Attributes
    ----------
    noise
        What was found; None while it is not known.
    has_background
        Whether there seems to be one to solve for.
    """

    changed = Signal()
    """Something of :attr:`facts` may be another."""
    looked = Signal()
    """What the dye marks, and the noise, were found, or chosen by the user."""
    accepted = Signal()

    def __init__(self, viewer: Viewer, session: Session) -> None:
        super().__init__()
        self._task = BackgroundTask(self)
        self._looked_at: Any = None
        self._recalled: Any = None
        self._is_accepted = False
        self.noise: Noise | None = None
        self.has_background = True
        self._doubt = ""
        self.image = ImageChooser(viewer, session)
        self.marks = QComboBox()
        self.button = QPushButton("Use this image")
        self._lay_out()
        self.image.changed.connect(self._on_image)
        self.marks.currentIndexChanged.connect(self._on_marks)
        self.button.clicked.connect(self._accept)
        self._task.failed.connect(self.changed)
        self._on_image()

    def _lay_out(self) -> None:
        self.marks.addItems(list(MARKS_WORDS.values()))
        self.marks.setPlaceholderText("please choose")
        self.marks.setToolTip(
            "What is bright: it decides how cells are found and what the fit explains"
        )
        self.button.setToolTip("Go on to the seed with this image and voxel size")
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Dye marks", self.marks)
        form.labelForField(self.marks).setToolTip(self.marks.toolTip())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.image)
        column.addLayout(form)
        column.addWidget(self.button)

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        return self.image.layer

    @property
    def chosen_marks(self) -> Marks | None:
        """What the dye marks, if that is known."""
        index = self.marks.currentIndex()
        return None if index < 0 else list(MARKS_WORDS)[index]

    def choose_marks(self, marks: Marks | None) -> None:
        """Say what the dye marks."""
        self.marks.setCurrentIndex(-1 if marks is None else list(MARKS_WORDS).index(marks))

    def recall(self, marks: Marks | None) -> None:
        """Take what was said of the image in a saved session; what it looks like says no more."""
        self._recalled, self._is_accepted = self.layer, True
        self.choose_marks(marks)

    def accept(self) -> None:
        """Take the image as confirmed, because the user went on with it."""
        self._is_accepted = True

    def placement(self) -> Placement | None:
        """Return where the image lies; None without one that can be used."""
        source = self._source()
        return source.placement if isinstance(source, StackSource) else None

    def facts(self) -> ImageFacts:
        """Return what is known."""
        source = self._source()
        if not isinstance(source, StackSource):
            return ImageFacts(problem=source, has_layer=self.layer is not None)
        return ImageFacts(
            has_voxel_size=source.placement.is_known,
            marks=self.chosen_marks,
            noise=self.noise,
            is_looking=self._task.is_busy,
            is_accepted=self._is_accepted,
            name=source.name,
            shape=source.shape,
            frame=self.image.frame,
            doubt=self._doubt,
        )

    def _source(self) -> StackSource | str:
        try:
            return self.image.source()
        except ValueError as error:
            return str(error)

    def _on_image(self) -> None:
        source, layer = self._source(), self.layer
        if isinstance(source, StackSource) and layer != self._looked_at:
            self._looked_at = layer
            self._is_accepted, self.noise, self._doubt = False, None, ""
            with QSignalBlocker(self.marks):
                self.marks.setCurrentIndex(-1)
            self._look(source)
        elif layer is None:
            self._looked_at = None
        self.marks.setEnabled(isinstance(source, StackSource))
        self.changed.emit()

    def _look(self, source: StackSource) -> None:
        layer = self._looked_at

        def take(found: Suggestion) -> None:
            if layer != self._looked_at:
                # Another one was chosen meanwhile.
                again = self._source()
                if isinstance(again, StackSource):
                    self._look(again)
                return
            self.noise, self.has_background = found.noise, found.has_background
            self._doubt = found.doubt
            if layer == self._recalled:
                self.changed.emit()
                return
            # The user may have said it sooner.
            if self.chosen_marks is None and found.marks is not None:
                self.choose_marks(found.marks)
            else:
                self._on_marks()

        def look() -> Suggestion:
            # Of an image on disk no more is read than is looked at.
            z, y, x = middle(source.shape)
            return suggest(source.read((z, y, x)))

        self._task.run(look, take)

    def _on_marks(self) -> None:
        self.looked.emit()
        self.changed.emit()

    def _accept(self) -> None:
        self._is_accepted = True
        self.accepted.emit()
