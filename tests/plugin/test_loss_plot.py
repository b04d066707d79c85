import numpy as np
import pytest

from napari_deltamic.plugin.loss_plot import LossPlot


@pytest.fixture
def plot(qtbot):
    plot = LossPlot()
    qtbot.addWidget(plot)
    return plot


def lines(plot):
    return [line.value() for line in plot.stage_lines]


def test_stages_are_marked_once_where_they_began(plot):
    plot.show_losses([0.5, 0.1], [1])
    assert lines(plot) == []
    plot.show_losses([0.5, 0.1, 0.2], [1, 3])
    plot.show_losses([0.5, 0.1, 0.2, 0.1], [1, 3])
    assert lines(plot) == [3]
    # Two stages may begin between two looks.
    plot.show_losses([0.5, 0.1, 0.2, 0.1, 0.3, 0.4], [1, 3, 5, 6])
    assert lines(plot) == [3, 5, 6]
    plot.clear()
    assert lines(plot) == []
    assert len(plot.curve.getData()[0] if plot.curve.getData()[0] is not None else []) == 0


@pytest.mark.parametrize(
    ("lowest", "highest", "texts"),
    [
        (0.9e-3, 1.1, ["0.001", "0.01", "0.1", "1"]),
        (0.009, 0.12, ["0.01", "0.02", "0.05", "0.1"]),
    ],
)
def test_the_axis_has_round_numbers(plot, lowest, highest, texts):
    axis = plot.plot.getAxis("left")
    ((spacing, ticks),) = axis.tickValues(np.log10(lowest), np.log10(highest), 120.0)
    assert axis.tickStrings(ticks, 1.0, spacing) == texts


def test_a_nearly_flat_curve_still_has_numbers(plot):
    axis = plot.plot.getAxis("left")
    levels = axis.tickValues(np.log10(0.0230), np.log10(0.0236), 120.0)
    assert sum(len(ticks) for _, ticks in levels) >= 2
