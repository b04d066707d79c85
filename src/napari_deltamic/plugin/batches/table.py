"""The table of a batch that is watched: a row for each stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_deltamic.plugin.pace import clock

if TYPE_CHECKING:
    from napari_deltamic.batch.watching import ItemState

_ROLE = Qt.ItemDataRole
_SIGNS = {
    "waiting": "·",
    "running": "▶",
    "done": "✓",
    "stopped": "■",
    "cut off": "■",
    "refused": "!",
    "failed": "!",
}
_COLUMNS = {
    "Stack": "Name of the stack, and of its folder in the folder of the batch",
    "Status": "waiting, running, done, stopped before its end, refused (wrong input or options), "
    "failed (after all attempts), cut off (its batch was killed)",
    "Time": "How long it took, or has taken so far",
    "Tries": "How often it was begun",
    "Last words": "What its log, its result or its error says",
}
_NAME_WIDTH, _LEAST_HEIGHT = 96, 112


class BatchModel(QAbstractTableModel):
    """The items of a batch in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.items: tuple[ItemState, ...] = ()

    def show(self, items: tuple[ItemState, ...]) -> None:
        """Show how the items stand now; the selection stays if they are the same ones."""
        if [one.name for one in items] != [one.name for one in self.items]:
            self.beginResetModel()
            self.items = items
            self.endResetModel()
            return
        before, self.items = self.items, items
        last = len(_COLUMNS) - 1
        for row, (old, new) in enumerate(zip(before, items, strict=True)):
            if old != new:
                self.dataChanged.emit(self.index(row, 0), self.index(row, last))

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of items."""
        return 0 if parent is not None and parent.isValid() else len(self.items)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def data(self, index: QModelIndex, role: int = _ROLE.DisplayRole) -> Any:
        """Return the text of a cell, or all of the row's words as its tip."""
        item = self.items[index.row()]
        texts = (
            item.name,
            f"{_SIGNS[item.standing]} {item.standing}",
            clock(item.seconds) if item.seconds else "",
            str(item.attempts or ""),
            item.words,
        )
        if role == _ROLE.DisplayRole:
            return texts[index.column()]
        if role == _ROLE.ToolTipRole:
            where = f"\non {item.host}" if item.host else ""
            return f"{item.source}{where}\n{item.words}".strip()
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole
    ) -> Any:
        """Return the title of a column, or what it means."""
        if orientation != Qt.Orientation.Horizontal or section >= len(_COLUMNS):
            return None
        title = list(_COLUMNS)[section]
        if role == _ROLE.DisplayRole:
            return title
        if role == _ROLE.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return _COLUMNS[title] if role == _ROLE.ToolTipRole else None


class BatchTable(QTableView):
    """A table of which one row can be selected and opened."""

    selected = Signal()
    opened = Signal()
    """A row was clicked twice, or Enter was pressed on it."""

    def __init__(self) -> None:
        super().__init__()
        self.batch = BatchModel()
        self.setModel(self.batch)
        self.setAccessibleName("Stacks of the batch")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setMinimumHeight(_LEAST_HEIGHT)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(0, _NAME_WIDTH)
        header.setSectionResizeMode(len(_COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.selectionModel().selectionChanged.connect(lambda *_: self.selected.emit())
        self.batch.modelReset.connect(self.selected)
        self.doubleClicked.connect(lambda _: self.opened.emit())

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for little: it gets what height the rest of the dock leaves."""
        return QSize(super().sizeHint().width(), _LEAST_HEIGHT)

    def item(self) -> ItemState | None:
        """Return the item of the selected row."""
        rows = self.selectionModel().selectedRows()
        return self.batch.items[rows[0].row()] if rows else None

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Open the selected row on Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.item() is not None:
            self.opened.emit()
        else:
            super().keyPressEvent(event)
