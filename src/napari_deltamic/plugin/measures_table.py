"""A table of measures that can be sorted by any column."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_deltamic.plugin.measure_names import (
    decimals_of,
    header_of,
    is_shown,
    text_of,
    tip_of,
)

if TYPE_CHECKING:
    from napari_deltamic.mesh.tables import Row

_LAST = ("centroid_", "semi_axis_")
_ROLE = Qt.ItemDataRole
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class MeasuresModel(QAbstractTableModel):
    """Rows of numbers; those that are missing come last, however the table is sorted."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: list[str] = []
        self._rows: list[Row] = []
        self._order: list[int] = []
        self._decimals: dict[str, int] = {}
        self._sorted_by, self._arrow = "", ""

    def show(self, rows: list[Row]) -> None:
        """Show other rows, in the order given."""
        self.beginResetModel()
        shown = [name for name in rows[0] if is_shown(name)] if rows else []
        # What is asked for first stands first.
        self.columns = sorted(shown, key=lambda name: name.startswith(_LAST))
        self._rows, self._order, self._sorted_by = rows, list(range(len(rows))), ""
        self._decimals = {
            name: decimals_of([row.get(name, math.nan) for row in rows]) for name in self.columns
        }
        self.endResetModel()

    def number_at(self, place: int) -> int:
        """Return which of the rows as given stands at a place of the table."""
        return self._order[place]

    def place_of(self, number: int) -> int:
        """Return where one of the rows as given stands in the table."""
        return self._order.index(number)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = _ROLE.DisplayRole) -> Any:
        """Return the text or the alignment of a cell."""
        if role == _ROLE.TextAlignmentRole:
            return _RIGHT
        if role != _ROLE.DisplayRole:
            return None
        column = self.columns[index.column()]
        value = self._rows[self._order[index.row()]].get(column, math.nan)
        return text_of(column, value, self._decimals[column])

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole
    ) -> Any:
        """Return the title of a column, what it means, or its alignment."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        if role == _ROLE.DisplayRole:
            column = self.columns[section]
            return (self._arrow if column == self._sorted_by else "") + header_of(column)
        if role == _ROLE.ToolTipRole:
            return tip_of(self.columns[section])
        return _RIGHT if role == _ROLE.TextAlignmentRole else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; equal rows keep the order given. Below 0 restores that order."""
        self.layoutAboutToBeChanged.emit()
        before = self._order
        if 0 <= column < len(self.columns):
            name = self.columns[column]
            sign = -1 if order == Qt.SortOrder.DescendingOrder else 1
            self._sorted_by, self._arrow = name, "▼ " if sign < 0 else "▲ "
            values = [row.get(name, math.nan) for row in self._rows]
            self._order = sorted(
                range(len(values)),
                key=lambda number: (
                    math.isnan(values[number]),
                    0.0 if math.isnan(values[number]) else sign * values[number],
                ),
            )
        else:
            self._sorted_by = ""
            self._order = list(range(len(self._rows)))
        place = {number: k for k, number in enumerate(self._order)}
        old = self.persistentIndexList()
        new = [self.index(place[before[index.row()]], index.column()) for index in old]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, max(len(self.columns) - 1, 0))


class MeasuresTable(QTableView):
    """A sortable table of which one row can be selected."""

    row_selected = Signal(int)
    """Emits the number of the row as given, or -1."""

    def __init__(self) -> None:
        super().__init__()
        self.measures = MeasuresModel()
        self.setModel(self.measures)
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        # Arrow keys go through the rows; Tab would never leave the table.
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setHighlightSections(False)
        # It would stand on the units; the title has an arrow of its own.
        header.setStyleSheet(
            "QHeaderView::up-arrow, QHeaderView::down-arrow { image: none; width: 0; height: 0; }"
        )
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.selectionModel().selectionChanged.connect(self._on_selection)

    def show_rows(self, rows: list[Row]) -> None:
        """Show other rows, sorted as they come."""
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.measures.show(rows)

    def select(self, number: int) -> None:
        """Select one of the rows as given; -1 selects none."""
        if number < 0:
            self.clearSelection()
        elif number != self.selected():
            place = self.measures.place_of(number)
            self.selectRow(place)
            self.scrollTo(self.measures.index(place, 0))

    def selected(self) -> int:
        """Return which of the rows as given is selected; -1 if none is."""
        places = self.selectionModel().selectedRows()
        return self.measures.number_at(places[0].row()) if places else -1

    def _on_selection(self) -> None:
        self.row_selected.emit(self.selected())
