import math

import pytest
from qtpy.QtCore import Qt

from napari_deltamic.plugin.measure_names import (
    decimals_of,
    header_of,
    is_shown,
    text_of,
    tip_of,
)
from napari_deltamic.plugin.measures_table import MeasuresTable

ROWS = [
    {"region": 4, "volume": 20.0, "axis_1_z": 0.1, "sphericity": 0.91},
    {"region": 7, "volume": math.nan, "axis_1_z": 0.1, "sphericity": 0.95},
    {"region": 9, "volume": 3.25, "axis_1_z": 0.1, "sphericity": 0.91},
]


@pytest.fixture
def table(qtbot):
    table = MeasuresTable()
    qtbot.addWidget(table)
    table.show_rows(ROWS)
    return table


def shown(table, column):
    model = table.measures
    return [model.data(model.index(row, column)) for row in range(model.rowCount())]


def test_numbers_stand_at_the_right_with_their_units(table):
    model = table.measures
    titles = [model.headerData(k, Qt.Orientation.Horizontal) for k in range(model.columnCount())]
    assert titles == ["Cell", "Volume\n(µm³)", "Sphericity"]
    assert shown(table, 0) == ["4", "7", "9"]
    assert shown(table, 1) == ["20.00", "–", "3.25"]
    alignment = model.data(model.index(0, 1), Qt.ItemDataRole.TextAlignmentRole)
    assert alignment & Qt.AlignmentFlag.AlignRight


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Qt.SortOrder.AscendingOrder, ["9", "4", "7"]),
        (Qt.SortOrder.DescendingOrder, ["4", "9", "7"]),
    ],
)
def test_what_is_missing_comes_last_in_both_orders(table, order, expected):
    table.sortByColumn(1, order)
    assert shown(table, 0) == expected


def test_the_sorted_column_is_marked(table):
    def title():
        return table.measures.headerData(1, Qt.Orientation.Horizontal)

    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert title() == "▼ Volume\n(µm³)"
    table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert title() == "Volume\n(µm³)"


def test_equal_rows_keep_their_order(table):
    table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert shown(table, 0) == ["7", "4", "9"]


def test_the_selection_stays_with_its_row_when_sorted(table, qtbot):
    with qtbot.waitSignal(table.row_selected) as emitted:
        table.select(2)
    assert emitted.args == [2]
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert table.selected() == 2
    assert table.selectionModel().selectedRows()[0].row() == 0
    table.select(-1)
    assert table.selected() == -1


def test_other_rows_are_shown_unsorted(table):
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    table.show_rows(ROWS[:2])
    assert shown(table, 0) == ["4", "7"]
    table.show_rows([])
    assert table.measures.rowCount() == table.measures.columnCount() == 0


def test_columns_that_nobody_foresaw_have_names():
    assert header_of("volume_error") == "± volume\n(µm³)"
    assert tip_of("volume_error") == "Standard error of the volume"
    assert header_of("some_new_measure") == "Some new measure"
    assert header_of("angle_spread_b") == "Angle b spread\n(°)"
    assert is_shown("some_new_measure")
    assert not is_shown("axis_2_y")


@pytest.mark.parametrize(
    ("values", "text"),
    [([1234.6, 2.0], "1235"), ([0.01234, 0.001], "0.01234"), ([3.0, 4.0], "3")],
)
def test_a_column_has_one_number_of_decimals(values, text):
    assert text_of("length", values[0], decimals_of(values)) == text


def test_the_outside_is_named():
    assert text_of("region_a", 0, 0) == "outside"
