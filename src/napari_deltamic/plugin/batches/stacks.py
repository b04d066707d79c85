"""The list of what is to be fitted: files, folders or a table, chosen or dropped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import (
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
)
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.plugin.theme import colours_for

_HEIGHT = 150
_HINT = "Drop stacks, a folder of them\nor a table (.csv) here"


class PathList(QListWidget):
    """Paths, each once, that can be dropped onto it and taken away with the Delete key."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Stacks to fit")
        self.setToolTip("What is to be fitted; Delete takes the marked ones off the list")
        self.setMinimumHeight(_HEIGHT)

    @property
    def paths(self) -> tuple[Path, ...]:
        """What it holds, from top to bottom."""
        items = [self.item(row) for row in range(self.count())]
        return tuple(Path(item.data(Qt.ItemDataRole.UserRole)) for item in items)

    def add(self, paths: Iterable[Path]) -> None:
        """Add paths that are not in it yet."""
        known = set(self.paths)
        for path in paths:
            if path in known:
                continue
            known.add(path)
            # The end of a path tells more than its beginning.
            item = QListWidgetItem("/".join(path.parts[-2:]) + ("/" if path.is_dir() else ""))
            item.setData(Qt.ItemDataRole.UserRole, str(path))
            item.setToolTip(str(path))
            self.addItem(item)
        self.changed.emit()

    def remove_marked(self) -> None:
        """Take the marked ones away, or all if none is marked."""
        for item in self.selectedItems() or [self.item(row) for row in range(self.count())]:
            self.takeItem(self.row(item))
        self.changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Take what is marked away on Delete."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.selectedItems():
            self.remove_marked()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Take files from outside."""
        self._judge(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:  # noqa: N802
        """Take them anywhere in the list."""
        self._judge(event)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Add the files that are dropped."""
        self._judge(event)
        self.add(Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Say what goes here while it is empty."""
        super().paintEvent(event)
        if not self.count():
            painter = QPainter(self.viewport())
            painter.setPen(colours_for(self).faded)
            painter.drawText(self.viewport().rect(), Qt.AlignmentFlag.AlignCenter, _HINT)

    def _judge(self, event: QDropEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
        else:
            event.ignore()


class StacksPanel(QWidget):
    """The list, with buttons to fill it.

    Attributes
    ----------
    list, movies
        What is chosen, and whether these are movies.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.list = PathList()
        self.files, self.folder = QPushButton("Files..."), QPushButton("Folder...")
        self.table, self.remove = QPushButton("Table..."), QPushButton("Remove")
        self.movies = QCheckBox("They are movies")
        self.movies.setToolTip(
            "Follow the cells of each file through all of its time points. In a table the column "
            "movie says so."
        )
        row = QHBoxLayout()
        row.setSpacing(4)
        for button, tip, action in (
            (self.files, "Add TIFF files", self._ask_for_files),
            (
                self.folder,
                "Add a folder of TIFF files, or of OME-Zarr",
                self._ask_for_folder,
            ),
            (
                self.table,
                "Add a table, .csv, with a column stack or movie and more that are named like "
                "options, for stacks that need some of their own",
                self._ask_for_table,
            ),
            (self.remove, "Take the marked ones off the list, or all", self.list.remove_marked),
        ):
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, action=action: action())
            row.addWidget(button, stretch=1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list)
        column.addLayout(row)
        column.addWidget(self.movies)
        self.list.changed.connect(self._on_list)
        self.movies.toggled.connect(self.changed)
        self._on_list()

    def _on_list(self) -> None:
        self.remove.setEnabled(self.list.count() > 0)
        self.changed.emit()

    def _start(self) -> str:
        paths = self.list.paths
        return str(paths[-1].parent if paths else Path.home())

    def _ask_for_files(self) -> None:
        kinds = "Stacks (*.tif *.tiff);;All files (*)"
        files, _ = QFileDialog.getOpenFileNames(self, "Stacks to fit", self._start(), kinds)
        self.list.add(Path(file) for file in files)

    def _ask_for_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of stacks", self._start())
        if chosen:
            self.list.add([Path(chosen)])

    def _ask_for_table(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Table", self._start(), "Tables (*.csv)")
        if file:
            self.list.add([Path(file)])
